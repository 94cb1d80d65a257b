/**
 * A small file system in memory: directories, files, links, names that are resolved as a real one resolves them, and an
 * observer that sees every change as it is made. It outlives the program that writes to it, as a disk does.
 *
 * Hundreds of copies of one content fit into memory: a file that is told what to expect keeps no byte that is as expected.
 */

import * as Result from "effect/Result"
import { deviceOf, type Entry, type Special as SpecialEntry } from "../tree/Entry.ts"

/** A file's bytes: the pieces that were written, in order and apart from each other; between them are holes. */
export class Content {
  readonly size: number
  /** The content that is likely to be written; pieces that agree with it have no bytes of their own. */
  readonly expected: Uint8Array | undefined
  /** The end of the last byte that is not zero, or of what is reserved. So much does the file take of its volume. */
  usedBytes = 0
  private pieces: Array<Piece> = []

  constructor(size: number, expected?: Uint8Array) {
    this.size = size
    this.expected = expected?.length === size ? expected : undefined
  }

  /** Writes at an offset. */
  write(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return
    const start = offset
    const end = offset + bytes.length
    this.usedBytes = Math.max(this.usedBytes, usedBytesOf(offset, bytes))
    const agrees = this.expected !== undefined && same(this.expected, start, bytes)
    const piece = { start, end, bytes: agrees ? undefined : bytes.slice() }
    const { pieces } = this
    // those before `from` end before it begins, those from `to` on begin after its end; neighbours may be joined
    const from = firstAt(pieces, start)
    let to = from
    while (to < pieces.length && pieces[to].start <= end) to++
    const joined: Array<Piece> = []
    const add = (one: Piece) => {
      const last = joined.at(-1)
      if (one.start === one.end) return
      if (last !== undefined && last.bytes === undefined && one.bytes === undefined && last.end === one.start)
        joined[joined.length - 1] = { ...last, end: one.end }
      else joined.push(one)
    }
    for (const before of pieces.slice(from, to))
      if (before.start < start) add(cut(before, before.start, Math.min(before.end, start)))
    add(piece)
    for (const before of pieces.slice(from, to))
      if (before.end > end) add(cut(before, Math.max(before.start, end), before.end))
    pieces.splice(from, to - from, ...joined)
  }

  /** Reads from an offset; holes are zeros. */
  read(offset: number, into: Uint8Array): void {
    const end = offset + into.length
    const { pieces } = this
    const whole = pieces[firstAt(pieces, offset)]
    if (whole === undefined || whole.start > offset || whole.end < end) into.fill(0)
    for (let i = firstAt(pieces, offset); i < pieces.length && pieces[i].start < end; i++) {
      const from = Math.max(offset, pieces[i].start)
      const to = Math.min(end, pieces[i].end)
      if (from < to) into.set(this.bytesOf(pieces[i], from, to), from - offset)
    }
  }

  private bytesOf(piece: Piece, from: number, to: number): Uint8Array {
    return piece.bytes === undefined
      ? this.expected!.subarray(from, to)
      : piece.bytes.subarray(from - piece.start, to - piece.start)
  }

  /** A copy of all of it. */
  get bytes(): Uint8Array {
    const out = new Uint8Array(this.size)
    this.read(0, out)
    return out
  }

  /** Is it that content? */
  equals(other: Uint8Array): boolean {
    if (other.length !== this.size) return false
    const [first] = this.pieces
    if (
      other === this.expected &&
      (this.size === 0 || (first?.bytes === undefined && first?.end === this.size && first.start === 0))
    )
      return true
    let at = 0
    for (const piece of this.pieces) {
      if (!isZero(other, at, piece.start)) return false
      if (!same(other, piece.start, this.bytesOf(piece, piece.start, piece.end))) return false
      at = piece.end
    }
    return isZero(other, at, this.size)
  }
}

interface Piece {
  readonly start: number
  readonly end: number
  /** undefined: as expected. */
  readonly bytes: Uint8Array | undefined
}

const cut = (piece: Piece, start: number, end: number): Piece => ({
  start,
  end,
  bytes: piece.bytes?.subarray(start - piece.start, end - piece.start)
})

/** The first piece that does not end before an offset. */
const firstAt = (pieces: ReadonlyArray<Piece>, offset: number): number => {
  let low = 0
  let high = pieces.length
  while (low < high) {
    const mid = (low + high) >>> 1
    if (pieces[mid].end < offset) low = mid + 1
    else high = mid
  }
  return low
}

const same = (expected: Uint8Array, at: number, bytes: Uint8Array): boolean =>
  at + bytes.length <= expected.length && Buffer.compare(expected.subarray(at, at + bytes.length), bytes) === 0

const isZero = (bytes: Uint8Array, from: number, to: number): boolean => {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false
  return true
}

const usedBytesOf = (offset: number, bytes: Uint8Array): number => {
  let length = bytes.length
  while (length > 0 && bytes[length - 1] === 0) length--
  return length === 0 ? 0 : offset + length
}

// ---- nodes ----

interface Base {
  /** The entry that it was made for, with its metadata; undefined for a temporary file. */
  entry: Entry | undefined
  /** Where it stands, from the root: several for hard links. */
  readonly names: Set<string>
}

/** A regular file; several names may lead to it. */
export interface File extends Base {
  readonly _tag: "File"
  readonly content: Content
  /** Open files without a name still take room. */
  open: boolean
}

/** A directory and the names in it. */
export interface Directory extends Base {
  readonly _tag: "Directory"
  readonly path: string
  readonly parent: Directory | undefined
  readonly entries: Map<string, Node>
}

/** A symbolic link. */
export interface Symlink extends Base {
  readonly _tag: "Symlink"
  readonly target: string
}

/** A FIFO, a socket or a device. */
export interface Special extends Base {
  readonly _tag: SpecialEntry["_tag"]
  /** Of a device, its number. */
  readonly device: number
}

/** A node, as a name leads to one. */
export type Node = File | Directory | Symlink | Special

/** A change that was made. `path` has no links in it and begins at the volume's root. */
export interface Change {
  readonly operation: "create" | "write" | "rename" | "link" | "unlink" | "mkdir" | "symlink" | "special" | "metadata"
  /** Where it was made. */
  readonly path: string
  readonly node: Node
}

/** The system's code with which an operation was refused. */
export type Refused<A = void> = Result.Result<A, string>

/** Options of a new volume. */
export interface Options {
  /** Bytes that files may take; more meets ENOSPC. */
  readonly capacityBytes?: number
  readonly observe?: (change: Change) => void
}

const maxLinks = 40

const namesOf = (path: string): Array<string> => path.split("/").filter((name) => name !== "" && name !== ".")

/**
 * A file system. Its calls are named and fail as the system's are: a Result with the code, such as
 * "ENOENT".
 */
export class Volume {
  readonly root: Directory = directoryOf(undefined, "")
  capacityBytes: number
  usedBytes = 0
  /** A write has met ENOSPC. */
  wasFull = false
  observe: ((change: Change) => void) | undefined
  private temporary = 0

  constructor(options: Options = {}) {
    this.capacityBytes = options.capacityBytes ?? Infinity
    this.observe = options.observe
  }

  // ---- names ----

  /** The node under a path: links on the way are followed, the last name is not. */
  find(path: string): Node | undefined {
    const place = this.place(path)
    return Result.isFailure(place) ? undefined : this.nodeAt(place.success)
  }

  private nodeAt({ directory, name }: Place): Node | undefined {
    return name === "" ? directory : directory.entries.get(name)
  }

  private place(path: string): Refused<Place> {
    const names = namesOf(path)
    const name = names.pop()
    if (name === undefined) return Result.succeed({ directory: this.root, name: "" })
    if (name !== "..") return Result.map(this.walkTo(names, this.root), (directory) => ({ directory, name }))
    return Result.map(this.walkTo([...names, name], this.root), (directory) => ({ directory, name: "" }))
  }

  /** The directory that names lead to, links followed. */
  private walkTo(names: ReadonlyArray<string>, from: Directory, links = 0): Refused<Directory> {
    let directory = from
    for (const name of names) {
      const node = name === ".." ? (directory.parent ?? directory) : directory.entries.get(name)
      if (node === undefined) return Result.fail("ENOENT")
      if (node._tag === "Directory") directory = node
      else if (node._tag !== "Symlink") return Result.fail("ENOTDIR")
      else {
        if (links >= maxLinks) return Result.fail("ELOOP")
        const led = this.walkTo(namesOf(node.target), node.target.startsWith("/") ? this.root : directory, links + 1)
        if (Result.isFailure(led)) return led
        directory = led.success
      }
    }
    return Result.succeed(directory)
  }

  private add(path: string, node: Node, operation: Change["operation"]): Refused {
    return Result.flatMap(this.place(path), (place) => {
      const { directory, name } = place
      if (name === "" || directory.entries.has(name)) return Result.fail("EEXIST")
      directory.entries.set(name, node)
      const at = `${directory.path}${name}`
      node.names.add(at)
      this.observe?.({ operation, path: at, node })
      return Result.void
    })
  }

  /** A name that nothing has, for a file that is to be renamed to `path`. */
  temporaryName(path: string): string {
    const slash = path.lastIndexOf("/") + 1
    const suffix = (this.temporary++).toString(36).padStart(6, "0")
    return `${path.slice(0, slash)}.${path.slice(slash)}.mrsync-${suffix}`
  }

  // ---- operations ----

  mkdir(path: string): Refused {
    return Result.flatMap(this.place(path), ({ directory, name }) =>
      this.add(path, directoryOf(directory, `${directory.path}${name}/`), "mkdir")
    )
  }

  symlink(path: string, target: string, entry?: Entry): Refused {
    return this.add(path, { _tag: "Symlink", entry, names: new Set(), target }, "symlink")
  }

  special(path: string, entry: SpecialEntry): Refused {
    const { _tag } = entry
    return this.add(path, { _tag, entry, names: new Set(), device: deviceOf(entry) }, "special")
  }

  /** Makes a file and opens it. */
  create(path: string, size: number, expected?: Uint8Array): Refused<File> {
    const content = new Content(size, expected)
    const file: File = { _tag: "File", entry: undefined, names: new Set(), content, open: true }
    return Result.map(this.add(path, file, "create"), () => file)
  }

  /** Takes the room for all of a file. */
  reserve(file: File): Refused {
    const { content } = file
    return Result.map(this.grow(content.size - content.usedBytes), () => void (content.usedBytes = content.size))
  }

  private grow(bytes: number): Refused {
    if (this.usedBytes + bytes > this.capacityBytes) {
      this.wasFull = true
      return Result.fail("ENOSPC")
    }
    this.usedBytes += bytes
    return Result.void
  }

  write(file: File, offset: number, bytes: Uint8Array): Refused {
    if (offset < 0 || offset + bytes.length > file.content.size) return Result.fail("EINVAL")
    const grown = this.grow(Math.max(0, usedBytesOf(offset, bytes) - file.content.usedBytes))
    if (Result.isFailure(grown)) return grown
    file.content.write(offset, bytes)
    for (const path of file.names) this.observe?.({ operation: "write", path, node: file })
    return Result.void
  }

  /** Mode, times and owner, as an entry has them. */
  setMetadata(node: Node, entry: Entry): void {
    node.entry = entry
    for (const path of node.names) this.observe?.({ operation: "metadata", path, node })
  }

  close(file: File): void {
    file.open = false
    this.forget(file)
  }

  link(from: string, to: string): Refused {
    const node = this.find(from)
    if (node === undefined) return Result.fail("ENOENT")
    return node._tag === "Directory" ? Result.fail("EPERM") : this.add(to, node, "link")
  }

  /** A node that is no directory takes the place of another, at once. */
  rename(from: string, to: string): Refused {
    return Result.flatMap(this.place(from), (source) =>
      Result.flatMap(this.place(to), (target) => {
        const node = this.nodeAt(source)
        const before = this.nodeAt(target)
        if (node === undefined || node._tag === "Directory") return Result.fail("ENOENT")
        if (before?._tag === "Directory") return Result.fail("EISDIR")
        const path = `${target.directory.path}${target.name}`
        source.directory.entries.delete(source.name)
        node.names.delete(`${source.directory.path}${source.name}`)
        target.directory.entries.set(target.name, node)
        node.names.add(path)
        if (before !== undefined && before !== node) {
          before.names.delete(path)
          this.forget(before)
        }
        this.observe?.({ operation: "rename", path, node })
        return Result.void
      })
    )
  }

  /** An empty directory takes a directory's place, with all that is in it: something was mounted there, or it was moved. */
  exchange(path: string): Refused {
    return Result.flatMap(this.place(path), ({ directory, name }) => {
      const before = this.nodeAt({ directory, name })
      if (name === "" || before?._tag !== "Directory") return Result.fail("ENOTDIR")
      directory.entries.set(name, directoryOf(directory, before.path))
      return Result.void
    })
  }

  /** Takes a name away; a directory's only when nothing is in it. */
  unlink(path: string): Refused {
    return Result.flatMap(this.place(path), (place) => {
      const node = this.nodeAt(place)
      if (node === undefined || place.name === "") return Result.fail("ENOENT")
      if (node._tag === "Directory" && node.entries.size > 0) return Result.fail("ENOTEMPTY")
      const at = `${place.directory.path}${place.name}`
      place.directory.entries.delete(place.name)
      node.names.delete(at)
      this.forget(node)
      this.observe?.({ operation: "unlink", path: at, node })
      return Result.void
    })
  }

  // A crash closes open files; a file without a name is gone then as well.
  private forget(node: Node): void {
    if (node._tag !== "File" || node.open || node.names.size > 0) return
    this.usedBytes -= node.content.usedBytes
    node.content.usedBytes = 0
  }

  /** Everything below a directory, by its path from there. */
  *walk(directory: Directory, above = ""): Iterable<readonly [path: string, node: Node]> {
    for (const [name, node] of directory.entries) {
      yield [`${above}${name}`, node]
      if (node._tag === "Directory") yield* this.walk(node, `${above}${name}/`)
    }
  }
}

interface Place {
  readonly directory: Directory
  /** Empty: the directory itself. */
  readonly name: string
}

const directoryOf = (parent: Directory | undefined, path: string): Directory => ({
  _tag: "Directory",
  entry: undefined,
  names: new Set(),
  path,
  parent,
  entries: new Map()
})
