/**
 * The few calls of the C library that Node does not offer: times to the nanosecond, FIFOs and devices, and names in an open directory.
 * They go through koffi, an optional dependency; without it callers have their own ways round. This is the store's only
 * module of unsafe memory: nothing is loaded until the service is first asked for, and a path must end in a NUL byte before
 * it goes down.
 */
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { constants as files } from "node:fs"
import { constants } from "node:os"
import { isMainThread } from "node:worker_threads"
import * as Native from "../native/Native.ts"
import type { Done } from "./Descriptor.ts"
import * as Errno from "./Errno.ts"
import { type FileCalls, node } from "./FileCalls.ts"
import * as Nameless from "./Nameless.ts"
import * as Status from "./Status.ts"

export interface Calls {
  /** Sets the modification time; that of access is now. Throws as Node's fs does. A negative time is before 1970, `nanos` counts upwards. */
  readonly utimens: (path: Uint8Array, seconds: number, nanos: number, options: { readonly follow: boolean }) => void
  readonly futimens: (fd: number, seconds: number, nanos: number) => void
  /** Makes a FIFO, a socket or a device. */
  readonly mknod: (path: Uint8Array, kind: NodeKind, mode: number, device: number) => void
  /** By a name in an open directory, which never leads out of it. Linux only. */
  readonly openat: (directory: number, name: Uint8Array, flags: number, mode: number) => number
  /** The first data, or the first hole, from an offset of an open file on; undefined: there is none before its end. */
  readonly seek: (fd: number, from: number, kind: "data" | "hole") => number | undefined
  readonly renameat: (directory: number, from: Uint8Array, to: Uint8Array) => void
  /** Files that have no name at first. Absent where the system has none. */
  readonly nameless: NamelessCalls | undefined
  /**
   * The status of a path itself, seen from an open directory, or from the working directory without one; undefined when it names
   * nothing. The path, bytes or one character a byte, may lead anywhere. Absent where the system has it not.
   */
  readonly lstatat:
    | ((directory: number | undefined, path: Uint8Array | string) => Status.Status | undefined)
    | undefined
  /** Absent as `lstatat` is. */
  readonly files: FileCalls | undefined
  /** Absent where the system has them not, or otherwise. */
  readonly attributes: AttributeCalls | undefined
  /** Writes the file system of an open file to its disk, in the thread pool. Absent where the system has it not. */
  readonly syncfs: ((fd: number, done: Done) => void) | undefined
  /**
   * Gives an open file the content of another by sharing its blocks, in the thread pool. Fails where the file system cannot, and between
   * two of them. Absent where the system has it not.
   */
  readonly clone: ((from: number, to: number, done: Done) => void) | undefined
  /** Takes room on the disk for so many bytes of an open file, in the thread pool. Absent where the system has it not. */
  readonly fallocate: ((fd: number, offset: number, bytes: number, done: Done) => void) | undefined
  /** Makes a hole of so many bytes of an open file from an offset on, in the thread pool. Absent where the system has it not. */
  readonly punch: ((fd: number, offset: number, bytes: number, done: Done) => void) | undefined
}

/** Linux's files without a name: nothing of one that was not given a name is left when it is closed. */
export interface NamelessCalls {
  /** Makes one in the file system of an open directory, to read and to write; not every file system has them. */
  readonly create: (directory: number, mode: number) => number
  /** Gives it a name in an open directory, which nothing there may have. */
  readonly link: (file: number, directory: number, name: Uint8Array) => void
}

/** What attributes are of: an open file, what a path leads to, or a path itself. */
export type Place = number | { readonly path: Uint8Array | string; readonly follow: boolean }

/** Extended attributes. Names, and paths that are text, are one character a byte. Linux only. */
export interface AttributeCalls {
  readonly list: (of: Place) => ReadonlyArray<string>
  /** Undefined: there is no such attribute. */
  readonly get: (of: Place, name: string) => Uint8Array | undefined
  readonly set: (of: Place, name: string, value: Uint8Array) => void
  readonly remove: (of: Place, name: string) => void
}

/** The values of those of a place's attributes; what is gone by now is left out. */
export const valuesAt = ({ get }: AttributeCalls, place: Place, names: ReadonlyArray<string>) =>
  names.flatMap((name) => {
    const value = get(place, name)
    return value === undefined ? [] : [{ name, value }]
  })

/** What `mknod` makes. */
type NodeKind = "Fifo" | "Socket" | "CharacterDevice" | "BlockDevice"

/** As they stand in a mode. */
const nodeKinds: Readonly<Record<NodeKind, number>> = {
  Fifo: files.S_IFIFO,
  CharacterDevice: files.S_IFCHR,
  BlockDevice: files.S_IFBLK,
  Socket: files.S_IFSOCK
}

/**
 * The calls for small files. A worker of Node's knows the descriptors that it opened itself, and warns when another is closed: there
 * they are Node's own.
 */
export const filesOf = (libc: Option.Option<Calls>): FileCalls =>
  (isMainThread ? Option.getOrUndefined(libc)?.files : undefined) ?? node

/** The calls, when they can be had. Provide `Option.none()` to do without. */
export const Libc = Context.Reference<Option.Option<Calls>>("mrsync/system/Libc", { defaultValue: () => load() })

/** Loads koffi and the C library. `Libc` does it once and remembers. */
export const load = (): Option.Option<Calls> => {
  const system = systems[process.platform]
  if (system === undefined || !wide.has(process.arch)) return Option.none()
  return Result.getSuccess(Result.try(() => bind(system)))
}

// AT_FDCWD, AT_SYMLINK_NOFOLLOW, UTIME_NOW, SEEK_DATA and SEEK_HOLE are the kernel's numbers, and Node does not name them.
const systems: Partial<Record<NodeJS.Platform, System>> = {
  linux: { here: -100, noFollow: 0x100, now: (1n << 30n) - 1n, seek: { data: 3, hole: 4 } },
  darwin: { here: -2, noFollow: 0x20, now: -1n, seek: { data: 4, hole: 3 } }
}

interface System {
  readonly here: number
  readonly noFollow: number
  readonly now: bigint
  /** SEEK_DATA and SEEK_HOLE. */
  readonly seek: Readonly<Record<"data" | "hole", number>>
}

// Only where a timespec is two 64-bit numbers.
const wide = new Set<string>(["x64", "arm64", "riscv64", "loong64", "ppc64", "s390x"])

const bind = (system: System): Calls => {
  const koffi = Native.load("koffi") as typeof import("koffi")
  const library = koffi.load(null)
  const utimensat = library.func("int utimensat(int, const void *, const void *, int)")
  const futimens = library.func("int futimens(int, const void *)")
  const mkfifo = library.func("int mkfifo(const void *, uint32_t)")
  const mknod = library.func("int mknod(const void *, uint32_t, uint64_t)")
  // Its last argument is a variable one, which Linux passes like any other.
  const openat = library.func("int openat(int, const void *, int, uint32_t)")
  const renameat = library.func("int renameat(int, const void *, int, const void *)")
  const lseek = library.func("int64_t lseek(int, int64_t, int)")
  // One buffer for every call: they are synchronous.
  // The time of access is now: where it is left out, file systems made with libfuse 2 leave out the other, too, and do not say so.
  const times = new BigInt64Array([0n, system.now, 0n, 0n])
  const timesOf = (seconds: number, nanos: number) => {
    times[2] = BigInt(seconds)
    times[3] = BigInt(nanos)
    return times
  }
  const check = (status: number) => {
    if (status !== 0) throw Errno.toCause(koffi.errno())
  }
  /** The answer of a call. When a signal came first it is begun anew: some file systems leave that to their callers. */
  const done = (call: () => number): number => {
    while (true) {
      const answer = call()
      if (answer >= 0) return answer
      if (koffi.errno() !== constants.errno.EINTR) throw Errno.toCause(koffi.errno())
    }
  }
  const open: Calls["openat"] = (directory, path, flags, mode) =>
    done(() => openat(directory, path, flags | closeOnExec, mode))
  return {
    utimens: (path, seconds, nanos, { follow }) =>
      check(utimensat(system.here, terminated(path), timesOf(seconds, nanos), follow ? 0 : system.noFollow)),
    futimens: (fd, seconds, nanos) => check(futimens(fd, timesOf(seconds, nanos))),
    mknod: (path, kind, mode, device) =>
      check(kind === "Fifo" ? mkfifo(terminated(path), mode) : mknod(terminated(path), nodeKinds[kind] | mode, device)),
    openat: (directory, name, flags, mode) => open(directory, nameOf(name), flags, mode),
    seek: (fd, from, kind) => {
      const found = Number(lseek(fd, from, system.seek[kind]))
      if (found >= 0) return found
      if (koffi.errno() === constants.errno.ENXIO) return undefined
      throw Errno.toCause(koffi.errno())
    },
    renameat: (directory, from, to) => check(renameat(directory, nameOf(from), directory, nameOf(to))),
    nameless: process.platform === "linux" ? bindNameless(koffi, library, system, open) : undefined,
    ...((process.platform === "linux" ? bindStatus(koffi, library, system, open, done) : undefined) ?? noStatus),
    attributes: process.platform === "linux" ? bindAttributes(koffi, library) : undefined,
    clone: process.platform === "linux" && process.arch !== "ppc64" ? bindClone(koffi, library) : undefined,
    syncfs: process.platform === "linux" ? bindSync(koffi, library) : undefined,
    ...((process.platform === "linux" ? bindAllocation(koffi, library) : undefined) ?? noAllocation)
  }
}

/** Hears how a call in the thread pool has ended: koffi's `errno` is that of the call then. */
const ended = (koffi: typeof import("koffi"), done: Done) => (_: unknown, status: number) =>
  done(status === 0 ? null : Errno.toCause(koffi.errno()))

// FICLONE, Linux's number but for PowerPC.
const cloneRequest = 0x40049409

const bindClone = (koffi: typeof import("koffi"), library: import("koffi").LibraryHandle) =>
  Result.getOrUndefined(
    Result.try((): NonNullable<Calls["clone"]> => {
      // its last argument is a variable one, which Linux passes like any other
      const ioctl = library.func("int ioctl(int, unsigned long, int)")
      return (from, to, done) => ioctl.async(to, cloneRequest, from, ended(koffi, done))
    })
  )

const bindSync = (koffi: typeof import("koffi"), library: import("koffi").LibraryHandle) =>
  Result.getOrUndefined(
    Result.try((): NonNullable<Calls["syncfs"]> => {
      const syncfs = library.func("int syncfs(int)")
      return (fd, done) => syncfs.async(fd, ended(koffi, done))
    })
  )

/** The largest list of names, and the largest value, that Linux has. */
const longestAttribute = 65_536

const bindAttributes = (
  koffi: typeof import("koffi"),
  library: import("koffi").LibraryHandle
): AttributeCalls | undefined =>
  Result.getOrUndefined(
    Result.try((): AttributeCalls => {
      const path = new PathBuffer()
      const names = new PathBuffer()
      // one buffer for every call: they are synchronous
      const out = Buffer.alloc(longestAttribute)
      /** A call on an open file, on what a path leads to, and on a path itself. */
      const bound = (name: string, result: string, more: string) => {
        const of = (prefix: string, first: string) => library.func(`${result} ${prefix}${name}(${first}${more})`)
        const [byFile, followed, own] = [of("f", "int"), of("", "const void *"), of("l", "const void *")]
        return (place: Place, ...args: ReadonlyArray<unknown>): number => {
          const done =
            typeof place === "number"
              ? byFile(place, ...args)
              : (place.follow ? followed : own)(path.of(place.path), ...args)
          if (Number(done) < 0) throw Errno.toCause(koffi.errno())
          return Number(done)
        }
      }
      const list = bound("listxattr", "int64_t", ", void *, size_t")
      const get = bound("getxattr", "int64_t", ", const void *, void *, size_t")
      const set = bound("setxattr", "int", ", const void *, const void *, size_t, int")
      const remove = bound("removexattr", "int", ", const void *")
      return {
        list: (of) => {
          const length = list(of, out, out.length)
          return length === 0 ? [] : out.toString("latin1", 0, length - 1).split("\0")
        },
        get: (of, name) => {
          const found = Result.try(() => get(of, names.of(name), out, out.length))
          if (Result.isSuccess(found)) return Uint8Array.from(out.subarray(0, found.success))
          if (Errno.codeOf(found.failure) === "ENODATA") return undefined
          throw found.failure
        },
        set: (of, name, value) => void set(of, names.of(name), value, value.length, 0),
        remove: (of, name) => void remove(of, names.of(name))
      }
    })
  )

/** FALLOC_FL_KEEP_SIZE and FALLOC_FL_PUNCH_HOLE. */
const keepSize = 1
const punchHole = 2

const noAllocation = { fallocate: undefined, punch: undefined }

/** Not `posix_fallocate`, which writes to each block where the file system cannot. */
const bindAllocation = (koffi: typeof import("koffi"), library: import("koffi").LibraryHandle) =>
  Result.getOrUndefined(
    Result.try((): Pick<Calls, "fallocate" | "punch"> => {
      const fallocate = library.func("int fallocate(int, int, int64_t, int64_t)")
      const allocate = (mode: number) => (fd: number, offset: number, bytes: number, done: Done) =>
        fallocate.async(fd, mode, offset, bytes, ended(koffi, done))
      return { fallocate: allocate(0), punch: allocate(keepSize | punchHole) }
    })
  )

// Linux's numbers, as Node has no names for them: AT_EMPTY_PATH and AT_SYMLINK_FOLLOW.
const emptyPath = 0x1000
const follow = 0x400
const noPath = new Uint8Array([0])
const itself = new Uint8Array([0x2e, 0])

const bindNameless = (
  koffi: typeof import("koffi"),
  library: import("koffi").LibraryHandle,
  { here }: System,
  open: Calls["openat"]
) =>
  Result.getOrUndefined(
    Result.try((): NamelessCalls => {
      const linkat = library.func("int linkat(int, const void *, int, const void *, int)")
      // one buffer for every call: they are synchronous
      const path = new PathBuffer()
      /** Only privileged processes, and on later systems those that opened it, may name a file by its descriptor alone. */
      let isByNumber = true
      return {
        create: (directory, mode) => open(directory, itself, Nameless.flags, mode),
        link: (file, directory, name) => {
          const target = path.of(named(name))
          if (isByNumber && linkat(file, noPath, directory, target, emptyPath) === 0) return
          // what is refused so is refused with the code of a directory that is gone
          if (isByNumber && koffi.errno() !== constants.errno.ENOENT) throw Errno.toCause(koffi.errno())
          const own = Buffer.from(`/proc/self/fd/${file}\0`)
          if (linkat(here, own, directory, target, follow) !== 0) throw Errno.toCause(koffi.errno())
          isByNumber = false
        }
      }
    })
  )

const noStatus = { lstatat: undefined, files: undefined }

/** `statx`, which old systems and some sandboxes refuse. */
const bindStatus = (
  koffi: typeof import("koffi"),
  library: import("koffi").LibraryHandle,
  { here, noFollow }: System,
  open: Calls["openat"],
  done: (call: () => number) => number
) =>
  Result.getOrUndefined(
    Result.try((): Pick<Calls, "files" | "lstatat"> => {
      const statx = library.func("int statx(int, const void *, int, uint32_t, void *)")
      // one buffer of each for every call: they are synchronous
      const path = new PathBuffer()
      const found = new Status.Statx()
      const lstatat: NonNullable<Calls["lstatat"]> = (directory, from) => {
        if (statx(directory ?? here, path.of(from), noFollow | noAutomount, basicStatus, found.bytes) === 0)
          return found.status()
        const errno = koffi.errno()
        if (errno === constants.errno.ENOENT) return undefined
        throw Errno.toCause(errno)
      }
      lstatat(undefined, new Uint8Array([0x2f]))
      const pread = library.func("int64_t pread(int, void *, size_t, int64_t)")
      const close = library.func("int close(int)")
      const files: FileCalls = {
        open: (name, flags) => open(here, path.of(name), flags, 0),
        read: (file, into, offset) => done(() => pread(file, into, into.length, offset)),
        status: (file) => {
          if (statx(file, noPath, emptyPath, basicStatus, found.bytes) !== 0) throw Errno.toCause(koffi.errno())
          return found.status()
        },
        // it is closed also when a signal came
        close: (file) => {
          if (close(file) !== 0 && koffi.errno() !== constants.errno.EINTR) throw Errno.toCause(koffi.errno())
        }
      }
      return { lstatat, files }
    })
  )

/** A path on its way down, which ends in a NUL byte. */
class PathBuffer {
  private readonly bytes = Buffer.alloc(longestPath)

  of(path: Uint8Array | string): Buffer {
    const { bytes } = this
    if (path.length >= longestPath) throw Errno.toCause(constants.errno.ENAMETOOLONG)
    if (typeof path === "string") bytes.write(path, "latin1")
    else bytes.set(path)
    bytes[path.length] = 0
    if (bytes.indexOf(0) < path.length) throw Errno.toCause(constants.errno.EINVAL)
    return bytes
  }
}

// Linux's numbers: as lstat asks, everything that it tells. A path has its NUL byte as well.
const noAutomount = 0x800
const basicStatus = 0x7ff
const longestPath = 4096

// Linux's number, on every machine that Node runs on.
const closeOnExec = 0o2000000

/** A name that is one: nothing that leads out of the directory. */
const nameOf = (name: Uint8Array): Uint8Array => terminated(named(name))

const named = (name: Uint8Array): Uint8Array => {
  const isDots = name.length <= 2 && name.every((byte) => byte === 0x2e)
  if (isDots || name.includes(0) || name.includes(0x2f)) throw Errno.toCause(constants.errno.EINVAL)
  return name
}

const terminated = (path: Uint8Array): Uint8Array => {
  const out = new Uint8Array(path.length + 1)
  out.set(path)
  return out
}
