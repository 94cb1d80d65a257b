/**
 * What the tests of the store share: a directory that is removed afterwards, entries in a line each, and the disk as it
 * is seen from outside.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { isMainThread } from "node:worker_threads"
import { rulesOf } from "../../src/filter/Options.ts"
import * as Veto from "../../src/filter/Veto.ts"
import * as Confinement from "../../src/store/disk/Confinement.ts"
import * as Disk from "../../src/store/disk/Disk.ts"
import { type Checked, Store, type Where } from "../../src/store/Store.ts"
import { Libc } from "../../src/system/Libc.ts"
import type { Entry } from "../../src/tree/Entry.ts"
import type { Metadata } from "../../src/tree/Metadata.ts"
import type { CarriedFile } from "../../src/tree/Plan.ts"
import { memberOf } from "../../src/tree/Members.ts"

export const isRoot = process.geteuid?.() === 0
export const isLinux = process.platform === "linux"
/** A worker thread cannot become another user. */
export const canSwitchUser = isRoot && isMainThread

/** A fresh directory, removed when the test's scope closes. */
export const directory = Effect.acquireRelease(
  Effect.sync(() => fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "mrsync-store-")))),
  (directory) =>
    Effect.sync(() => {
      execFileSync("chmod", ["-R", "u+rwX", directory])
      fs.rmSync(directory, { recursive: true, force: true })
    })
)

/** The ways in which the disk store reaches the system. */
export const ways = [
  { name: "Disk", handles: true, koffi: true },
  { name: "Disk without koffi", handles: true, koffi: false },
  { name: "Disk without /proc", handles: false, koffi: true }
] as const

export const disk = Effect.fnUntraced(function* (
  destination: string | Uint8Array,
  way: { readonly handles: boolean; readonly koffi: boolean } = ways[0],
  owner?: string,
  options: {
    readonly checked?: Checked
    readonly veto?: Veto.Veto
    readonly syncs?: boolean
    readonly fakesSuper?: boolean
    readonly partials?: Where
  } = {}
) {
  let layer = Disk.layer(destination, { owner, ...options })
  if (!way.handles) layer = Layer.provide(layer, Layer.succeed(Confinement.Handles, false))
  if (!way.koffi) layer = Layer.provide(layer, Layer.succeed(Libc, Option.none()))
  return Context.get(yield* Layer.build(layer), Store)
})

/** The veto of these patterns. */
export const veto = (patterns: ReadonlyArray<string>, mostDeleted?: number): Veto.Veto => {
  const given = patterns.map((value) => ({ option: "exclude", value }) as const)
  const sources = { read: () => Result.succeed(undefined), isNulSeparated: false, cvsWords: "" }
  return Veto.make(Result.getOrThrow(rulesOf(given, false, sources)), mostDeleted)
}

export const bytes = (text: string | Uint8Array): Uint8Array =>
  typeof text === "string" ? new TextEncoder().encode(text) : text

export const metadata = (options: Partial<Metadata> = {}): Metadata => ({
  mode: 0o644,
  mtimeSeconds: 1_600_000_000,
  mtimeNanos: 123_456_789,
  uid: process.geteuid?.() ?? 0,
  gid: process.getegid?.() ?? 0,
  ...options
})

type Path = string | Uint8Array
type Of<Tag extends Entry["_tag"]> = Extract<Entry, { readonly _tag: Tag }>

export const dir = (path: Path, options: Partial<Metadata> = {}): Of<"Directory"> => ({
  _tag: "Directory",
  path: bytes(path),
  metadata: metadata({ mode: 0o755, ...options })
})

export const file = (path: Path, size: number, options: Partial<Metadata> = {}): Of<"File"> => ({
  _tag: "File",
  path: bytes(path),
  size,
  metadata: metadata(options)
})

export const symlink = (path: Path, target: Path, options: Partial<Metadata> = {}): Of<"Symlink"> => ({
  _tag: "Symlink",
  path: bytes(path),
  target: bytes(target),
  metadata: metadata({ mode: 0o777, ...options })
})

export const fifo = (path: Path, options: Partial<Metadata> = {}): Of<"Fifo"> => ({
  _tag: "Fifo",
  path: bytes(path),
  metadata: metadata(options)
})

export const socket = (path: Path, options: Partial<Metadata> = {}): Of<"Socket"> => ({
  _tag: "Socket",
  path: bytes(path),
  metadata: metadata(options)
})

export const device = (path: Path, number: number, options: Partial<Metadata> = {}): Of<"CharacterDevice"> => ({
  _tag: "CharacterDevice",
  path: bytes(path),
  metadata: metadata(options),
  device: number
})

export const hardLink = (path: Path, leader: number): Entry => ({ _tag: "HardLink", path: bytes(path), leader })

/** One file carried alone, however small. */
export const single = (entries: ReadonlyArray<Entry>, entry = entries.findIndex(isFile)): CarriedFile => {
  const member = memberOf(entry, 0, entries[entry] as Entry & { _tag: "File" })
  return { file: 1, kind: "Single", size: member.size, members: [member] }
}

/** Every file of the entries in one bundle. */
export const bundle = (entries: ReadonlyArray<Entry>): CarriedFile => {
  let size = 0
  const members = entries.flatMap((entry, index) => {
    if (entry._tag !== "File") return []
    size += entry.size
    return [{ entry: index, offset: size - entry.size, size: entry.size }]
  })
  return { file: 1, kind: "Bundle", size, members }
}

const isFile = (entry: Entry) => entry._tag === "File"

export const none = () => false

/** Opens, writes and commits one carried file; its failures. */
export const deliver = (store: Store["Service"], carried: CarriedFile, content: string | Uint8Array) =>
  Effect.scoped(
    Effect.gen(function* () {
      const writer = yield* store.open(carried)
      yield* writer.write(0, bytes(content))
      return yield* writer.commit(none)
    })
  )

/** A whole tree, its files in one bundle; its failures. */
export const receive = Effect.fnUntraced(function* (
  store: Store["Service"],
  entries: ReadonlyArray<Entry>,
  content: string | Uint8Array
) {
  const before = [...(yield* store.prepare(entries)), ...(yield* deliver(store, bundle(entries), content))]
  return [...before, ...(yield* store.finish)]
})

/** Everything below a directory, sorted; bytes as one character each. */
export const names = (directory: string): ReadonlyArray<string> => {
  const out: Array<string> = []
  const walk = (prefix: Buffer, shown: string) => {
    for (const name of fs.readdirSync(prefix, { encoding: "buffer" })) {
      const path = Buffer.concat([prefix, Buffer.from("/"), name])
      out.push(shown + name.toString("latin1"))
      if (fs.lstatSync(path).isDirectory()) walk(path, `${shown}${name.toString("latin1")}/`)
    }
  }
  walk(Buffer.from(directory), "")
  return out.toSorted()
}

export const nanos = (path: string | Buffer): bigint => fs.lstatSync(path, { bigint: true }).mtimeNs
export const nanosOf = ({ mtimeNanos, mtimeSeconds }: Metadata): bigint =>
  BigInt(mtimeSeconds) * 1_000_000_000n + BigInt(mtimeNanos)
export const modeOf = (path: string): number => fs.lstatSync(path).mode & 0o7777

/** Runs as another user, for what root is never refused; as we are when we are not root. */
export const asNobody = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  isRoot
    ? Effect.acquireUseRelease(
        Effect.sync(() => {
          process.setegid?.(65_534)
          process.seteuid?.(65_534)
        }),
        () => effect,
        () =>
          Effect.sync(() => {
            process.seteuid?.(0)
            process.setegid?.(0)
          })
      )
    : effect
