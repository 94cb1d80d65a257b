/**
 * The status of a path in plain numbers, as many paths are looked at: Node's own costs several times as much.
 */
import type { BigIntStats } from "node:fs"

/** What a path names, and what is known of it. */
export interface Status {
  readonly kind: "File" | "Directory" | "Symlink" | "Fifo" | "Socket" | "Device"
  /** The twelve permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** In bytes. */
  readonly size: number
  readonly mtimeSeconds: number
  /** 0..999,999,999, counted upwards from mtimeSeconds also before 1970. */
  readonly mtimeNanos: number
  readonly device: number
  readonly inode: bigint
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
    kind: kindOf(mode),
    mode: mode & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    mtimeSeconds: Number((stats.mtimeNs - nanos) / billion),
    mtimeNanos: Number(nanos),
    device: Number(stats.dev),
    inode: stats.ino,
    links: Number(stats.nlink),
    usedBytes: Number(stats.blocks) * blockBytes
  }
}

/** Of Linux's `struct statx`, whose offsets are the same on every machine. */
export const ofStatx = (view: DataView): Status => {
  const mode = view.getUint16(28, isLittleEndian)
  return {
    kind: kindOf(mode),
    mode: mode & 0o7777,
    uid: view.getUint32(20, isLittleEndian),
    gid: view.getUint32(24, isLittleEndian),
    size: Number(view.getBigUint64(40, isLittleEndian)),
    mtimeSeconds: Number(view.getBigInt64(112, isLittleEndian)),
    mtimeNanos: view.getUint32(120, isLittleEndian),
    device: deviceOf(view.getUint32(136, isLittleEndian), view.getUint32(140, isLittleEndian)),
    inode: view.getBigUint64(32, isLittleEndian),
    links: view.getUint32(16, isLittleEndian),
    usedBytes: Number(view.getBigUint64(48, isLittleEndian)) * blockBytes
  }
}

/** As Linux packs a device's two numbers into the one that Node gives: 12 bits and 20. */
const deviceOf = (major: number, minor: number): number => (minor & 0xff) + major * 2 ** 8 + (minor >>> 8) * 2 ** 20

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/** Of the bits of a mode that say what it is. */
const kindOf = (mode: number): Status["kind"] => kinds[(mode >> 12) & 0o17] ?? "Device"

const kinds: Readonly<Record<number, Status["kind"]>> = {
  ...{ 1: "Fifo", 4: "Directory", 8: "File", 10: "Symlink", 12: "Socket" }
}

/** When its content changed last, in nanoseconds, as Node has it. */
export const mtimeNsOf = ({ mtimeNanos, mtimeSeconds }: Status): bigint =>
  BigInt(mtimeSeconds) * billion + BigInt(mtimeNanos)

/** Names a file, whatever its path: two statuses of one file give the same. */
export const identityOf = ({ device, inode }: Status): string => `${device}:${inode}`

/** Are both the same file, whatever its name? */
export const isSameFile = (a: Status, b: Status): boolean => a.inode === b.inode && a.device === b.device
