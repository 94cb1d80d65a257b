/**
 * Directories below a destination, from which no path leads out. A directory is reached component by component, and none
 * of them may be a symbolic link. Work in it is relative to the open directory, so a link planted a moment later changes
 * nothing.
 *
 * Node has no openat. On Linux /proc/self/fd/N/name is one; the calls that every file needs take the C library's where it
 * can be had, which is faster. Elsewhere every component is looked at again right before each use, which leaves a moment
 * for a race.
 *
 * The destination's own path is looked at again as well. A directory that is mounted there, or made in its place, while a
 * session runs is another one, and nobody would find the tree in the one that is open.
 *
 * The functions are synchronous and throw: DestinationEscape, or an error of Node's fs.
 */

import * as Context from "effect/Context"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { constants } from "node:os"
import { isMainThread } from "node:worker_threads"
import * as Limits from "../../protocol/Limits.ts"
import * as Errno from "../../system/Errno.ts"
import type { Calls, NamelessCalls, Place } from "../../system/Libc.ts"
import * as Status from "../../system/Status.ts"
import { modeMask } from "../../tree/Metadata.ts"
import { display, keyOf, nameOf, ofKey, parentOf } from "../../tree/Names.ts"
import { DestinationEscape, StoreError } from "../Store.ts"

/** Whether open directories can be named as /proc/self/fd/N; found out once. */
export const Handles = Context.Reference<boolean>("mrsync/store/disk/Handles", { defaultValue: () => probe() })

export interface Directory {
  /** Its path below the destination, one character a byte; empty for the destination itself. */
  readonly key: string
  /** Names the directory itself, whatever its path has become. */
  readonly self: Buffer
  /** The path in front of a name in it. */
  readonly prefix: Buffer
}

export interface Tree {
  readonly handles: boolean
  readonly root: Directory
  /**
   * The directory as it is now. Throws DestinationEscape when a symbolic link is on the way, and StoreError when the
   * destination's own path names another directory by now. Good until the next call; `hold` it for longer.
   */
  readonly directory: (key: string) => Directory
  /**
   * The path of what is below, for a look that changes nothing: directories on the way may have become links, and have to be
   * looked at themselves.
   */
  readonly below: (path: Uint8Array) => Buffer
  /** The status of that path, by one call; undefined when it names nothing. */
  readonly see: (path: Uint8Array) => Status.Status | undefined
  /**
   * Within this call a directory that was found in its place is not looked at again: looking is most of what a small file
   * costs, and between the look and the use there is a moment anyway.
   */
  readonly atOnce: (body: () => void) => void
  /** Keeps a directory open until it is let go. */
  readonly hold: (directory: Directory) => void
  readonly release: (directory: Directory) => void
  /** Creates a file that must not exist yet, for its owner alone, and opens it to read and to write. */
  readonly create: (directory: Directory, name: Uint8Array) => number
  /**
   * Makes a file without a name, to read and to write. Undefined where there is none: `create` makes one, or says why that cannot be
   * either.
   */
  readonly nameless: (directory: Directory, mode: number) => Nameless | undefined
  /** Gives it a name that nothing has. */
  readonly link: (directory: Directory, fd: number, name: Uint8Array) => void
  /** May files be made without a name there? Not where one could not be made, or not be given a name. */
  readonly hasNameless: (directory: Directory) => boolean
  /** Renames within a directory. */
  readonly rename: (directory: Directory, from: Uint8Array, to: Uint8Array) => void
  /** Every directory is looked at once more before it is used: another catcher of the destination may have made it anew. */
  readonly lookAgain: () => void
  /** Closes what nobody holds, and keeps fewer open from now on: the process may open no more files. */
  readonly spare: () => void
  readonly close: () => void
}

/** A file without a name. */
interface Nameless {
  readonly fd: number
  /** What it has from the directory that it was made for. */
  readonly inherited: Inherited
}

/** The owner of what is made in a directory. */
export interface Inherited {
  /** A mode that a file has when it is made with that one. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

interface Open extends Directory {
  readonly fd: number
  readonly status: Status.Status
  /** Of files without a name that are made in it, and when that was looked at. */
  inherited: (Inherited & { readonly turn: number }) | undefined
  holders: number
  /** When it was last found at its path. */
  turn: number
  /** No more found by its path: closed when nobody holds it. */
  forgotten: boolean
}

/** A name in a directory. */
export interface Spot {
  readonly directory: Directory
  readonly name: Buffer
}

/** The path of a spot. */
export const pathOf = ({ directory, name }: Spot): Buffer => at(directory, name)

/** The status of a path itself, not of the file that it may link to; undefined when it names nothing. */
export const look = (path: Buffer): fs.BigIntStats | undefined =>
  fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })

/** The status of a directory itself, whatever its path has become. */
const statusOfDirectory = ({ self }: Directory): Status.Status => Status.ofStats(fs.statSync(self, { bigint: true }))

/** To open what stands there. Not blocking: a FIFO in its place by now must not make us wait for a writer. */
export const lookFlags = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK

/** Opens what has a name to be looked at. */
export const openToLook = (spot: Spot): number => fs.openSync(pathOf(spot), lookFlags)

/** Are both the same file, whatever its name? */
export const isSameFile = (a: fs.BigIntStats, b: fs.BigIntStats): boolean => a.ino === b.ino && a.dev === b.dev

/** Is that still the name of the open file? */
export const isNameOf = (spot: Spot, fd: number): boolean => {
  const named = look(pathOf(spot))
  return named !== undefined && isSameFile(named, fs.fstatSync(fd, { bigint: true }))
}

/** Where the attributes of a directory are. */
export const placeOf = ({ self }: Directory, { handles }: Tree): Place => ({ path: self, follow: handles })

/** Is it a file of that user's without another name? Nobody else can have it open under one, or change it so. */
export const isOwn = (stats: fs.BigIntStats | undefined, user: number): stats is fs.BigIntStats =>
  stats?.isFile() === true && stats.nlink === 1n && stats.uid === BigInt(user)

const writeFlags = fs.constants.O_RDWR | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK

/**
 * Opens a file to be read and written; where it is read-only and `isOurs`, its mode is another for that moment, as with rsync. The
 * mode that was goes back through the descriptor: the name may be another file's by then.
 */
export const openToWrite = (tree: Tree, path: Buffer, isOurs: (stats: fs.BigIntStats) => boolean): number => {
  const opened = Result.try(() => fs.openSync(path, writeFlags))
  if (Result.isSuccess(opened)) return opened.success
  const stats = look(path)
  if (Errno.codeOf(opened.failure) !== "EACCES" || stats?.isFile() !== true || !isOurs(stats)) throw opened.failure
  const mode = Number(stats.mode & 0o7777n)
  chmod(tree, path, mode | 0o600)
  const again = Result.try(() => fs.openSync(path, writeFlags))
  if (Result.isFailure(again)) {
    chmod(tree, path, mode)
    throw again.failure
  }
  const restored = Result.try(() => fs.fchmodSync(again.success, mode))
  if (Result.isSuccess(restored)) return again.success
  fs.closeSync(again.success)
  throw restored.failure
}

/** The path of a name in a directory. */
export const at = (directory: Directory, name: Uint8Array): Buffer => Buffer.concat([directory.prefix, name])

/** A path's directory, as the key of `Tree.directory`, and its name. */
export const split = (path: Uint8Array): { readonly parent: string; readonly name: Buffer } => {
  const bytes = Buffer.from(path.buffer, path.byteOffset, path.length)
  const slash = bytes.lastIndexOf(0x2f)
  return { parent: bytes.toString("latin1", 0, Math.max(slash, 0)), name: bytes.subarray(slash + 1) }
}

/** The key of a directory in a directory. */
export const join = (parent: string, name: Uint8Array): string => {
  const own = keyOf(name)
  return parent === "" ? own : `${parent}/${own}`
}

/** Sets the mode of a path itself, never of a file that it may link to. */
export const chmod = (tree: Tree, path: Buffer, mode: number): void => {
  if (!tree.handles) return fs.chmodSync(path, mode)
  const fd = fs.openSync(path, O_PATH | fs.constants.O_NOFOLLOW)
  const changed = Result.try(() => {
    if (fs.fstatSync(fd).isSymbolicLink()) throw Errno.toCause(ELOOP)
    fs.chmodSync(`/proc/self/fd/${fd}`, mode)
  })
  fs.closeSync(fd)
  if (Result.isFailure(changed)) throw changed.failure
}

/** Opens the destination, which may itself be reached through symbolic links: its user named it. */
export const make = (destination: Buffer, handles: boolean, libc: Option.Option<Calls>): Tree =>
  handles ? new OpenTree(destination, libc) : named(destination)

const createFlags = fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_NOFOLLOW
const createMode = 0o600

const byPath: Pick<Tree, "create" | "rename"> = {
  create: (directory, name) => fs.openSync(at(directory, name), createFlags, createMode),
  rename: (directory, from, to) => fs.renameSync(at(directory, from), at(directory, to))
}

const neverNameless: Pick<Tree, "hasNameless" | "nameless" | "link"> = {
  hasNameless: () => false,
  nameless: () => undefined,
  link: () => {
    throw Errno.toCause(ENOSYS)
  }
}

// ---- open directories ----

// O_PATH: enough to name what is in a directory, and a directory that cannot be read can be had. Node does not name it.
const O_PATH = 0o10000000
const directoryFlags = O_PATH | fs.constants.O_DIRECTORY

const byHandle = ({ openat, renameat }: Calls): typeof byPath => ({
  // A worker of Node's knows the descriptors that it opened itself, and warns when another is closed.
  create: isMainThread
    ? (directory, name) => openat((directory as Open).fd, name, createFlags, createMode)
    : byPath.create,
  rename: (directory, from, to) => renameat((directory as Open).fd, from, to)
})

class OpenTree implements Tree {
  readonly handles = true
  readonly root: Open
  readonly create: Tree["create"]
  readonly rename: Tree["rename"]
  readonly see: Tree["see"]
  private readonly destination: Buffer
  private readonly calls: NamelessCalls | undefined
  /** The status of a name in a directory; undefined: there is none. */
  private readonly look: (directory: Open, name: Buffer) => Status.Status | undefined
  /** File systems that have no files without a name. */
  private readonly named = new Set<number>()
  /** Open directories by key, the latest used last. */
  private readonly cache = new Map<string, Open>()
  private capacity = Limits.openDirectories
  /** A directory that was found in this turn is not looked at again. */
  private turn = 0
  private isAtOnce = false

  constructor(destination: Buffer, libc: Option.Option<Calls>) {
    const calls = Option.match(libc, { onNone: () => byPath, onSome: byHandle })
    this.create = calls.create
    this.rename = calls.rename
    this.calls = isMainThread ? Option.getOrUndefined(libc)?.nameless : undefined
    this.destination = destination
    this.root = this.open("", destination, directoryFlags)
    const lstatat = Option.getOrUndefined(libc)?.lstatat
    this.look =
      lstatat === undefined
        ? (directory, name) => Status.at(at(directory, name))
        : (directory, name) => lstatat(directory.fd, name)
    const seen: Tree["see"] =
      lstatat === undefined ? (path) => Status.at(this.below(path)) : (path) => lstatat(this.rootNow().fd, path)
    const files = Option.getOrUndefined(libc)?.files
    const seenRoot = () => (files === undefined ? statusOfDirectory(this.rootNow()) : files.status(this.rootNow().fd))
    this.see = (path) => (path.length === 0 ? seenRoot() : seen(path))
  }

  below(path: Uint8Array): Buffer {
    return at(this.rootNow(), path)
  }

  directory(key: string): Directory {
    if (!this.isAtOnce) this.turn++
    return this.find(key)
  }

  atOnce(body: () => void): void {
    this.turn++
    this.isAtOnce = true
    try {
      body()
    } finally {
      this.isAtOnce = false
    }
  }

  hold(directory: Directory): void {
    ;(directory as Open).holders++
  }

  release(directory: Directory): void {
    const held = directory as Open
    if (--held.holders === 0 && held.forgotten) fs.closeSync(held.fd)
  }

  lookAgain(): void {
    this.turn++
  }

  spare(): void {
    // Half of what was too much: sockets and the files themselves need descriptors, too.
    this.capacity = Math.max(1, Math.floor(this.cache.size / 2))
    for (const directory of this.cache.values()) if (directory.holders === 0) this.forget(directory)
  }

  close(): void {
    for (const directory of this.cache.values()) this.forget(directory)
    fs.closeSync(this.root.fd)
  }

  hasNameless(directory: Directory): boolean {
    return this.calls !== undefined && !this.named.has((directory as Open).status.device)
  }

  nameless(directory: Directory, mode: number): Nameless | undefined {
    const open = directory as Open
    const { calls } = this
    if (calls === undefined || !this.hasNameless(open)) return undefined
    const made = Result.try(() => calls.create(open.fd, mode))
    if (Result.isSuccess(made)) return { fd: made.success, inherited: this.inheritedBy(made.success, open) }
    this.keepFrom(open, made.failure, creationless)
    return undefined
  }

  link(directory: Directory, fd: number, name: Uint8Array): void {
    const open = directory as Open
    const linked = Result.try(() => this.calls?.link(fd, open.fd, name))
    if (Result.isSuccess(linked)) return
    this.keepFrom(open, linked.failure, linkless)
    throw linked.failure
  }

  /** No more files without a name where that has refused one of them. */
  private keepFrom({ status }: Open, refused: unknown, codes: ReadonlySet<string>): void {
    if (codes.has(Errno.codeOf(refused) ?? "")) this.named.add(status.device)
  }

  /**
   * What is made in a directory in one turn has one owner. A mode that one of its files came out with, less what the directory takes away,
   * another that is made with it has as well.
   */
  private inheritedBy(fd: number, directory: Open): Inherited {
    const { inherited } = directory
    if (inherited?.turn === this.turn) return inherited
    const { gid, mode, uid } = fs.fstatSync(fd)
    const found = { mode: mode & modeMask, uid, gid, turn: this.turn }
    directory.inherited = found
    return found
  }

  private find(key: string): Open {
    if (key === "") return this.rootNow()
    const known = this.cache.get(key)
    if (known?.turn === this.turn) return known
    const parent = this.find(parentOf(key))
    const name = nameOf(key)
    if (known !== undefined && !known.forgotten) {
      if (this.isInPlace(known, parent, name)) return known
      this.forget(known)
    }
    const path = at(parent, name)
    const found = Result.try({
      try: () => this.open(key, path, directoryFlags | fs.constants.O_NOFOLLOW),
      catch: (cause) => (isSymbolicLink(path) ? escape(key) : cause)
    })
    if (Result.isFailure(found)) throw found.failure
    this.makeRoom()
    this.cache.set(key, found.success)
    return found.success
  }

  private rootNow(): Open {
    if (this.root.turn !== this.turn) mustStand(this.destination, this.root.status)
    this.root.turn = this.turn
    return this.root
  }

  private isInPlace(known: Open, parent: Open, name: Buffer): boolean {
    const now = this.look(parent, name)
    if (now === undefined || !Status.isSameFile(now, known.status)) return false
    this.cache.delete(known.key)
    this.cache.set(known.key, known)
    known.turn = this.turn
    return true
  }

  private open(key: string, path: Buffer, flags: number): Open {
    const fd = fs.openSync(path, flags)
    const self = Buffer.from(`/proc/self/fd/${fd}`)
    const prefix = Buffer.from(`/proc/self/fd/${fd}/`)
    const status = Status.ofStats(fs.fstatSync(fd, { bigint: true }))
    return { key, fd, self, prefix, status, inherited: undefined, holders: 0, turn: this.turn, forgotten: false }
  }

  private forget(directory: Open): void {
    this.cache.delete(directory.key)
    directory.forgotten = true
    if (directory.holders === 0) fs.closeSync(directory.fd)
  }

  private makeRoom(): void {
    for (const directory of this.cache.values()) {
      if (this.cache.size < this.capacity) return
      if (directory.holders === 0) this.forget(directory)
    }
  }
}

const probe = (): boolean =>
  process.platform === "linux" &&
  Result.getOrElse(
    Result.try(() => {
      const fd = fs.openSync("/", directoryFlags)
      const [through, direct] = [`/proc/self/fd/${fd}/.`, "/."].map((path) => fs.lstatSync(path, { bigint: true }))
      fs.closeSync(fd)
      return isSameFile(through, direct)
    }),
    () => false
  )

// ---- named directories ----

const named = (destination: Buffer): Tree => {
  const base = fs.realpathSync.native(destination, { encoding: "buffer" })
  const status = Status.ofStats(fs.statSync(base, { bigint: true }))
  const directoryAt = (key: string, self: Buffer): Directory => ({ key, self, prefix: Buffer.concat([self, slash]) })
  const root = directoryAt("", base)
  const find = (key: string): Directory => {
    mustStand(destination, status)
    if (key === "") return root
    let self = base
    let depth = 0
    for (const name of key.split("/")) {
      self = Buffer.concat([self, slash, ofKey(name)])
      depth += name.length + 1
      const stats = fs.lstatSync(self)
      if (stats.isSymbolicLink()) throw escape(key.slice(0, depth - 1))
      if (!stats.isDirectory()) throw Errno.toCause(ENOTDIR)
    }
    return directoryAt(key, self)
  }
  const nothing = () => {}
  const below = (path: Uint8Array) => at(find(""), path)
  return {
    ...byPath,
    ...neverNameless,
    handles: false,
    root,
    directory: find,
    below,
    see: (path) => (path.length === 0 ? statusOfDirectory(find("")) : Status.at(below(path))),
    atOnce: (body) => body(),
    hold: nothing,
    release: nothing,
    lookAgain: nothing,
    spare: nothing,
    close: nothing
  }
}

/** Throws unless the destination's path still names what was opened. */
const mustStand = (destination: Buffer, opened: Status.Status): void => {
  const now = fs.statSync(destination, { bigint: true, throwIfNoEntry: false })
  if (now !== undefined && Status.isSameFile(Status.ofStats(now), opened)) return
  const how = now === undefined ? "removed" : "replaced"
  const refusal = Errno.refusal("ESTALE", `the destination was ${how} while the session ran`)
  throw new StoreError({ path: display(destination), ...refusal })
}

const slash = Buffer.from("/")
const { ELOOP, ENOSYS, ENOTDIR } = constants.errno

/** How a file without a name is refused where there are none: old systems take its flag for that of a directory. */
const creationless: ReadonlySet<string> = new Set(["EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EISDIR", "EINVAL"])
/** How a name is refused to it where none can be given, as hard links are. */
const linkless: ReadonlySet<string> = new Set([...creationless, "EPERM", "EACCES", "EXDEV", "EMLINK"])

const isSymbolicLink = (path: Buffer): boolean =>
  Result.getOrElse(
    Result.try(() => fs.lstatSync(path).isSymbolicLink()),
    () => false
  )

const escape = (key: string) => {
  const path = display(ofKey(key))
  return new DestinationEscape({ path, reason: `${path} is a symbolic link and leads elsewhere` })
}
