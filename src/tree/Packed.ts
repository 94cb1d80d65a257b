/**
 * Entries as a manifest's bytes have them. Of a file or a directory that has neither attributes nor holes nothing but these bytes is
 * kept, and what it says is read when it is asked for: a tree may have millions. Pure.
 *
 * The trap: its fields are read, not held, so `{ ...entry }` has none of them. `plain` gives an entry that can be copied so.
 */

import type { Entry } from "./Entry.ts"
import { type Metadata, modeMask } from "./Metadata.ts"

/** Bytes in which entries are. They may be read, and not changed. */
export class Bytes {
  readonly bytes: Buffer
  readonly view: DataView

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  u16(at: number): number {
    return this.view.getUint16(at, true)
  }
  u32(at: number): number {
    return this.view.getUint32(at, true)
  }
  // in two halves: a BigInt costs as much as all the rest of an entry
  i64(at: number): number {
    return this.view.getInt32(at + 4, true) * 2 ** 32 + this.u32(at)
  }
}

// An entry's length of 4 bytes, its type, the length of its path, the path, its metadata, and a file's size. [M-11]
const pathLengthAt = 5
const pathAt = 7
const metadataBytes = 22

abstract class Packed {
  protected readonly all: Bytes
  /** Where its length is, which comes first. */
  private readonly at: number

  constructor(all: Bytes, at: number) {
    this.all = all
    this.at = at
  }

  get path(): Buffer {
    return this.all.bytes.subarray(this.at + pathAt, this.metadataAt)
  }
  get metadata(): Metadata {
    const { all, metadataAt: at } = this
    return {
      mode: all.u16(at) & modeMask,
      uid: all.u32(at + 2),
      gid: all.u32(at + 6),
      mtimeSeconds: all.i64(at + 10),
      mtimeNanos: all.u32(at + 18)
    }
  }
  protected get metadataAt(): number {
    return this.at + pathAt + this.all.u16(this.at + pathLengthAt)
  }
  get bytes(): Uint8Array {
    return this.all.bytes.subarray(this.at, this.at + 4 + this.all.u32(this.at))
  }
}

class PackedDirectory extends Packed {
  get _tag() {
    return "Directory" as const
  }
}

class PackedFile extends Packed {
  get _tag() {
    return "File" as const
  }
  get size(): number {
    return this.all.i64(this.metadataAt + metadataBytes)
  }
}

/** May the entry be kept as its bytes alone? */
export const isPackable = (entry: Entry): boolean =>
  (entry._tag === "Directory" ||
    (entry._tag === "File" && entry.usedBytes === undefined && entry.data === undefined)) &&
  entry.metadata.attributes === undefined

/** Such an entry as its bytes, which begin at a place. */
export const at = (all: Bytes, at: number, { _tag }: Entry): Entry =>
  _tag === "File" ? new PackedFile(all, at) : new PackedDirectory(all, at)

/** The bytes that are kept of an entry, its length first; undefined: it is not kept so. */
export const bytesOf = (entry: Entry): Uint8Array | undefined => (entry instanceof Packed ? entry.bytes : undefined)

/** The same entry, with fields that it holds. */
export const plain = <Any extends Entry>(entry: Any): Any => {
  if (!(entry instanceof Packed)) return entry
  const { _tag, metadata, path } = entry
  return { _tag, path, metadata, ...(entry instanceof PackedFile ? { size: entry.size } : {}) } as unknown as Any
}
