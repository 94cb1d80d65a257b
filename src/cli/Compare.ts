/**
 * Whether a tree is a copy of another: types, modes, times, sizes, contents, link targets, hard links, and owners where
 * they can be set. Names are bytes.
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs/promises"
import type { BigIntStats } from "node:fs"
import { display, ofKey } from "../tree/Names.ts"

interface Comparison {
  readonly entries: number
  readonly bytes: number
  /** What differs, as sentences; the first few. */
  readonly differences: ReadonlyArray<string>
  /** An entry of the original that was changed since a moment: then the differences may be nobody's fault. */
  readonly changed: string | undefined
}

/** A copy that differs everywhere need not be listed whole. */
const listedDifferences = 10
const chunkBytes = 1024 * 1024
const slash = Buffer.from("/")

/**
 * Without a way to set nanoseconds, a time of the copy is cut to what a double holds; never later, and never this much
 * earlier.
 */
const mtimeSlackNanos = 2000n

export const compare = Effect.fn("cli.compare")(function* (original: string, copy: string, sinceMillis: number) {
  const differences: Array<string> = []
  let changed: string | undefined
  const leaders = new Map<bigint, bigint>()
  const buffers = [Buffer.allocUnsafe(chunkBytes), Buffer.allocUnsafe(chunkBytes)] as const
  let entries = 0
  let bytes = 0

  const differs = (path: Uint8Array, what: string) => void differences.push(`${display(path)}: ${what}`)
  const child = (path: Buffer, name: Buffer) => (path.length === 0 ? name : Buffer.concat([path, slash, name]))
  const roots = [Buffer.from(`${original}/`), Buffer.from(`${copy}/`)] as const

  // An explicit stack, not recursion: trees can be deep.
  const stack: Array<Buffer> = [Buffer.alloc(0)]
  const visit = Effect.fnUntraced(function* (path: Buffer) {
    const [one, two] = [Buffer.concat([roots[0], path]), Buffer.concat([roots[1], path])]
    const found = yield* Effect.option(io(() => Fs.lstat(one, { bigint: true })))
    if (found._tag === "None") return void (changed ??= display(path))
    const stat = found.value
    // The inode's own time tells every change, also one of names in a directory.
    if (stat.ctimeMs >= BigInt(sinceMillis)) changed ??= display(path)
    const there = yield* Effect.option(io(() => Fs.lstat(two, { bigint: true })))
    if (there._tag === "None") return differs(path, "is missing")
    const other = there.value
    entries++
    if (kind(stat) !== kind(other)) return differs(path, `is a ${kind(other)}, not a ${kind(stat)}`)
    if (!stat.isSymbolicLink() && (stat.mode & 0o7777n) !== (other.mode & 0o7777n)) {
      differs(path, `mode ${(other.mode & 0o7777n).toString(8)}, not ${(stat.mode & 0o7777n).toString(8)}`)
    }
    const early = stat.mtimeNs - other.mtimeNs
    if (early < 0n || early >= mtimeSlackNanos) differs(path, `mtime ${other.mtimeNs}, not ${stat.mtimeNs} ns`)
    if (process.getuid?.() === 0 && (stat.uid !== other.uid || stat.gid !== other.gid)) {
      differs(path, `owner ${other.uid}:${other.gid}, not ${stat.uid}:${stat.gid}`)
    }
    if (stat.isDirectory()) {
      const names = yield* io(() => Fs.readdir(one, { encoding: "buffer" }))
      const extra = new Set(
        (yield* io(() => Fs.readdir(two, { encoding: "buffer" }))).map((name) => name.toString("latin1"))
      )
      // The stack is popped from its end: entries are visited in the order of their names.
      for (const name of names.sort(Buffer.compare).reverse()) {
        extra.delete(name.toString("latin1"))
        stack.push(child(path, name))
      }
      for (const name of extra) differs(child(path, ofKey(name)), "should not be there")
    }
    if (stat.isSymbolicLink()) {
      const target = yield* io(() => Fs.readlink(one, { encoding: "buffer" }))
      if (!target.equals(yield* io(() => Fs.readlink(two, { encoding: "buffer" })))) differs(path, "has another target")
    }
    if (!stat.isFile()) return
    if (stat.nlink > 1n) {
      const leader = leaders.get(stat.ino)
      if (leader === undefined) leaders.set(stat.ino, other.ino)
      else if (leader !== other.ino) differs(path, "is no hard link to what it should be")
      if (leader === other.ino) return
    }
    if (stat.size !== other.size) return differs(path, `${other.size} bytes, not ${stat.size}`)
    bytes += Number(stat.size)
    if (stat.size > 0n && !(yield* sameContent(one, two, Number(stat.size), buffers)))
      differs(path, "has other content")
  })

  while (stack.length > 0 && differences.length < listedDifferences) {
    const path = stack.pop()
    if (path !== undefined) yield* visit(path)
  }
  return { entries, bytes, differences, changed } satisfies Comparison
})

const io = <A>(f: () => Promise<A>): Effect.Effect<A, NodeJS.ErrnoException> =>
  Effect.tryPromise({ try: f, catch: (cause) => cause as NodeJS.ErrnoException })

const kind = (stat: BigIntStats): string =>
  stat.isFile()
    ? "file"
    : stat.isDirectory()
      ? "directory"
      : stat.isSymbolicLink()
        ? "symbolic link"
        : stat.isFIFO()
          ? "FIFO"
          : "special file"

const open = (path: Buffer) =>
  Effect.acquireRelease(
    io(() => Fs.open(path, "r")),
    (handle) => Effect.promise(() => handle.close())
  )

const sameContent = (one: Buffer, two: Buffer, size: number, [a, b]: readonly [Buffer, Buffer]) =>
  Effect.scoped(
    Effect.gen(function* () {
      const [left, right] = [yield* open(one), yield* open(two)]
      for (let at = 0; at < size;) {
        const wanted = Math.min(chunkBytes, size - at)
        const got = yield* io(() => left.read(a, 0, wanted, at))
        // A read may be short: compare what was read.
        if (got.bytesRead === 0) return false
        let filled = 0
        while (filled < got.bytesRead) {
          const { bytesRead } = yield* io(() => right.read(b, filled, got.bytesRead - filled, at + filled))
          if (bytesRead === 0) return false
          filled += bytesRead
        }
        if (a.compare(b, 0, filled, 0, filled) !== 0) return false
        at += filled
      }
      return true
    })
  )
