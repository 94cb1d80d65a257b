/**
 * The status of a path in plain numbers, as many paths are looked at: Node's own costs several times as much.
 */
import { type BigIntStats, fstatSync, lstatSync } from "node:fs"
import * as Modes from "../tree/Modes.ts"

/** When a content changed last. */
export interface Time {
  readonly mtimeSeconds: number
  /** 0..999,999,999, counted upwards from mtimeSeconds also before 1970. */
  readonly mtimeNanos: number
}

/** What a path names, and what is known of it. */
export interface Status extends Time {
  readonly kind: Modes.Kind | "Other"
  /** The twelve permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** In bytes. */
  readonly size: number
  /** When its content or its status was changed last: nobody can set that. */
  readonly changedSeconds: number
  readonly changedNanos: number
  readonly device: number
  /** Of a device, its own number; 0 of anything else. */
  readonly ownDevice: number
  /** The inode's number in two halves of 32 bits: a number of ours cannot hold every one, and a large integer costs too much. */
  readonly inodeHigh: number
  readonly inodeLow: number
  /** Names that it has. */
  readonly links: number
  /** On the disk. */
  readonly usedBytes: number
}

const billion = 1_000_000_000n
/** A status counts what is used in these, whatever the file system's own are. */
const blockBytes = 512

/** The same from Node's, which a path has to be asked for with `bigint: true`. */
export const ofStats = (stats: BigIntStats): Status => {
  const nanos = ((stats.mtimeNs % billion) + billion) % billion
  const mode = Number(stats.mode)
  return {
    kind: Modes.kindOf(mode) ?? "Other",
    mode: mode & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    mtimeSeconds: Number((stats.mtimeNs - nanos) / billion),
    mtimeNanos: Number(nanos),
    changedSeconds: Number(stats.ctimeNs / billion),
    changedNanos: Number(stats.ctimeNs % billion),
    device: Number(stats.dev),
    ownDevice: Number(stats.rdev),
    inodeHigh: Number(stats.ino >> 32n),
    inodeLow: Number(stats.ino & 0xffff_ffffn),
    links: Number(stats.nlink),
    usedBytes: Number(stats.blocks) * blockBytes
  }
}

/** That of a path itself, not of what it may link to; undefined when it names nothing. */
export const at = (path: Buffer): Status | undefined => {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return stats === undefined ? undefined : ofStats(stats)
}

/** Looks, each at one thing. Throws as Node's fs does. */
export interface Looks {
  /** The status of a path itself; undefined when it names nothing. */
  readonly at: (path: Buffer) => Status | undefined
  /** That of an open file. */
  readonly of: (file: number) => Status
}

/** Node's own. */
export const looks: Looks = { at, of: (file) => ofStats(fstatSync(file, { bigint: true })) }

/** Linux's `struct statx`, filled by the system, whose offsets are the same on every machine. */
export class Statx {
  readonly bytes = new Uint8Array(256)
  private readonly halves = new Uint16Array(this.bytes.buffer)
  private readonly words = new Uint32Array(this.bytes.buffer)

  status(): Status {
    const { words } = this
    const mode = this.halves[28 / 2]
    return {
      kind: Modes.kindOf(mode) ?? "Other",
      mode: mode & 0o7777,
      uid: words[20 / 4],
      gid: words[24 / 4],
      size: this.long(40),
      // the upper half has the sign
      mtimeSeconds: (words[112 / 4 + high] | 0) * 2 ** 32 + words[112 / 4 + low],
      mtimeNanos: words[120 / 4],
      changedSeconds: (words[96 / 4 + high] | 0) * 2 ** 32 + words[96 / 4 + low],
      changedNanos: words[104 / 4],
      device: Modes.deviceOf(words[136 / 4], words[140 / 4]),
      ownDevice: Modes.deviceOf(words[128 / 4], words[132 / 4]),
      inodeHigh: words[32 / 4 + high],
      inodeLow: words[32 / 4 + low],
      links: words[16 / 4],
      usedBytes: this.long(48) * blockBytes
    }
  }

  private long(at: number): number {
    return this.words[at / 4 + high] * 2 ** 32 + this.words[at / 4 + low]
  }
}

/** Where the halves of a number of 64 bits are, in words. */
const low = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 0 : 1
const high = 1 - low

/** Are both the same moment? */
export const isSameTime = (a: Time, b: Time): boolean =>
  a.mtimeSeconds === b.mtimeSeconds && a.mtimeNanos === b.mtimeNanos

/** Names a file, whatever its path: two statuses of one file give the same. */
export const identityOf = ({ device, inodeHigh, inodeLow }: Status): string => `${device}:${inodeHigh}:${inodeLow}`

/** The same for a status of Node's; it is another text than that of ours. */
export const inodeOf = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`

/** Are both the same file, whatever its name? */
export const isSameFile = (a: Status, b: Status): boolean =>
  a.inodeLow === b.inodeLow && a.inodeHigh === b.inodeHigh && a.device === b.device
