/**
 * Key files on the disk. As with ssh, a file that others can read is refused, and so is one of another user. A file is never
 * overwritten.
 */

import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Limits from "../protocol/Limits.ts"
import * as Errno from "../system/Errno.ts"
import * as Keys from "./Keys.ts"

/** What the two files of a pair are called. */
export const names = { master: "master.key", catcher: "catcher.key" } as const

/** The most that a key file may have: its few lines, and comments. */
export const mostBytes = 16 * 1024

const ownerOnly = { file: 0o600, directory: 0o700 } as const
const othersMask = 0o077

const refused = (path: string) => (cause: unknown) => new Keys.KeyError({ path, ...Errno.fromCause(cause) })
const io = <A>(path: string, f: () => Promise<A>) => Effect.tryPromise({ try: f, catch: refused(path) })
const now = <A>(path: string, f: () => A) => Effect.try({ try: f, catch: refused(path) })

/** The text of a key file is what it says, or why it is none. */
export const parse = (path: string, text: string): Result.Result<Keys.Key, Keys.KeyError> =>
  Result.mapError(Keys.parse(text), (reason) => new Keys.KeyError({ path, reason }))

/**
 * Reads a key file. A symbolic link is followed, and the file that it leads to is judged. A pipe is
 * read as well, `<(pass show mrsync)` of a shell above all, and is not waited for without a bound.
 */
export const read = Effect.fn("KeyFile.read")(function* (path: string) {
  // to open a pipe that nobody writes into would not return
  const flags = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY
  const file = yield* Effect.acquireRelease(
    io(path, () => Fs.open(path, flags)),
    (file) => Effect.promise(() => file.close())
  )
  const stat = yield* io(path, () => file.stat())
  if (stat.isDirectory()) return yield* new Keys.KeyError({ path, ...Errno.ofCode("EISDIR") })
  if (!stat.isFile() && !stat.isFIFO()) return yield* new Keys.KeyError({ path, reason: "it is no file, and no pipe" })
  const reason = exposureOf(path, stat, process.getuid?.())
  if (reason !== undefined) return yield* new Keys.KeyError({ path, reason })
  const bytes = yield* contentOf(path, file, stat.isFIFO())
  if (bytes.length > mostBytes) return yield* new Keys.KeyError({ path, reason: tooLong })
  return yield* Effect.fromResult(parse(path, bytes.toString("utf8")))
}, Effect.scoped)

/**
 * What comes until its end, or a little more than a key file has. A pipe has a writer that is not
 * done, which may ask a person first, or none: not yet, or not any more.
 */
const contentOf = Effect.fnUntraced(function* (path: string, file: Fs.FileHandle, isPipe: boolean) {
  const bytes = Buffer.alloc(mostBytes + 1)
  let length = 0
  let waitedMillis = 0
  while (length < bytes.length) {
    const read = io(path, () => file.read(bytes, length, bytes.length - length))
    const { bytesRead } = yield* Effect.catchIf(read, isUnready, () => Effect.succeed({ bytesRead: undefined }))
    if (bytesRead === undefined || (isPipe && length + bytesRead === 0)) {
      const patienceMillis = bytesRead === undefined ? Limits.keyWrittenMillis : Limits.keyWriterMillis
      if (waitedMillis >= patienceMillis) return yield* new Keys.KeyError({ path, reason: unwritten(patienceMillis) })
      yield* Effect.sleep(Limits.keyPollMillis)
      waitedMillis += Limits.keyPollMillis
    } else if (bytesRead === 0) break
    else length += bytesRead
  }
  return bytes.subarray(0, length)
})

const isUnready = ({ code }: Keys.KeyError): boolean => code === "EAGAIN"

const unwritten = (millis: number): string =>
  `it is a pipe, and no key came out of it within ${millis / 1000} s: write one into it, or name a file`

/** Why a text that does not end is refused. */
export const tooLong = `this is no key file: it has more than ${mostBytes} bytes`

/** Why a file with this owner and mode is refused; `user` is ours, undefined where the system has none. */
const exposureOf = (
  path: string,
  { mode, uid }: { readonly mode: number; readonly uid: number },
  user: number | undefined
): string | undefined => {
  if (user === undefined) return undefined
  if (uid !== user && uid !== 0) {
    return `it belongs to another user (${uid}), and a key file must be yours (${user}) or root's: make a copy of your own`
  }
  if ((mode & othersMask) === 0) return undefined
  const octal = (mode & 0o777).toString(8).padStart(4, "0")
  return `others can read or change it (mode ${octal}): take that from them with "chmod 600 ${path}"`
}

/**
 * Writes the files of a master and of its catchers into a directory, which is made when it is not there, and gives their paths. Where
 * one of them is there already, or cannot be written, neither is.
 */
export const write = Effect.fn("KeyFile.write")(function* (directory: string, keys: Keys.MasterKeys) {
  const master = Path.join(directory, names.master)
  const catcher = Path.join(directory, names.catcher)
  yield* now(directory, () => makeDirectory(directory))
  yield* create(master, Keys.printMaster(keys))
  yield* create(catcher, Keys.printCatcher(Keys.forCatchers(keys)))
  return { master, catcher }
}, Effect.scoped)

/**
 * Makes a directory, and those above it that are not there. Node's own `recursive` says ENOENT for a file system that is
 * read-only, and never returns where nothing can be made at all, as in /proc.
 */
const makeDirectory = (directory: string): void => {
  const above = Path.dirname(directory)
  if (above === directory || fs.existsSync(directory)) return
  makeDirectory(above)
  // a name like new/.. is there by now
  if (!fs.existsSync(directory)) fs.mkdirSync(directory, ownerOnly.directory)
}

/** Makes a file that goes again when the scope fails. */
const create = Effect.fnUntraced(function* (path: string, text: string) {
  const descriptor = yield* Effect.acquireRelease(
    Effect.mapError(
      now(path, () => fs.openSync(path, "wx", ownerOnly.file)),
      (error) => (error.code === "EEXIST" ? new Keys.KeyError({ ...error, reason: isThere }) : error)
    ),
    (descriptor, exit) =>
      Effect.sync(() => {
        fs.closeSync(descriptor)
        if (Exit.isFailure(exit)) fs.rmSync(path, { force: true })
      })
  )
  yield* now(path, () => {
    fs.writeFileSync(descriptor, text)
    fs.fsyncSync(descriptor)
  })
})

const isThere =
  "it is there already, and no key is overwritten: choose another directory, or move this one away when no machine needs it"
