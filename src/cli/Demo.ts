/**
 * `mrsync demo`: a master and three catchers in this one process, over loopback multicast that never leaves the machine,
 * with some datagrams lost on purpose; then every byte is compared.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Catcher from "../catcher/Catcher.ts"
import * as Master from "../master/Master.ts"
import * as Progress from "../report/Progress.ts"
import * as Keys from "../seal/Keys.ts"
import * as Exchange from "../session/Exchange.ts"
import * as Compare from "./Compare.ts"
import * as Format from "./Format.ts"
import { Machine } from "./Machine.ts"
import * as Parse from "./Parse.ts"
import * as Reporter from "./Reporter.ts"
import { Screen } from "./Screen.ts"
import * as Session from "./Session.ts"
import { DemoError, UsageError } from "./Status.ts"
import type { Verbosity } from "./View.ts"

export interface Input extends Session.Talk {
  readonly directory: Option.Option<string>
  readonly loss: number
}

const names = ["anna", "berta", "clara"] as const
const loopback = "127.0.0.1"
const waitMillis = 30_000
const timeoutMillis = 30_000

/** Beside the usual group, so that a demo does not disturb a session on this machine; the port is drawn. */
const demoGroup = "239.255.67.93"
const ports = { min: 20_000, max: 60_000 } as const

/** Room beyond the copies themselves: directories, and files rounded up to blocks. */
const spareBytes = 64 * 1024 * 1024
const blockBytes = 4096

export const demo = Effect.fn("cli.demo")(function* (input: Input) {
  const verbosity = yield* Effect.fromResult(Session.verbosityOf("demo", input))
  const screen = yield* Screen
  const say = (text: string) => {
    if (!input.json && verbosity !== "Quiet") screen.print("out", text)
  }
  const tree = yield* theTree(input.directory)
  const sinceMillis = yield* Clock.currentTimeMillis
  const sizeBytes = yield* sizeOf(tree)
  const place = yield* roomFor(sizeBytes * names.length)
  say(
    `demo: a master and ${names.length} catchers on this machine, ${input.loss} % of the datagrams lost on purpose\nsending ${Format.safe(tree)}`
  )
  yield* Session.logged(verbosity)(transfer(input, verbosity, tree, place))

  const results = yield* Effect.forEach(names, (name) =>
    Effect.tap(compared(tree, Path.join(place, name), sinceMillis), (result) =>
      Effect.sync(() => {
        const much = `${Format.plural(result.entries, "entry", "entries")}, ${Format.bytes(result.bytes)} compared`
        if (result.differences.length === 0) return say(`${name}: identical, ${much}`)
        screen.print("err", `${name}: DIFFERENT`)
        for (const difference of result.differences) screen.print("err", `  ${Format.safe(difference)}`)
      })
    )
  )
  const different = results.find((result) => result.differences.length > 0)
  if (different === undefined) return
  return yield* different.changed === undefined
    ? new DemoError({ kind: "Different", reason: "the copies differ from what was sent: please report it" })
    : new DemoError({
        kind: "Changed",
        reason: `the tree was changed while the demo ran (${Format.safe(different.changed)}): run it again, or on a tree that nobody writes to with "mrsync demo DIR"`
      })
}, Effect.scoped)

/** One master, three catchers, each with layers of its own, under fresh keys; one that fails ends all of them. */
const transfer = Effect.fnUntraced(function* (input: Input, verbosity: Verbosity, tree: string, place: string) {
  const machine = yield* Machine
  const network = yield* machine.network(loopback)
  const port = yield* Random.nextIntBetween(ports.min, ports.max)
  const group: Parse.Group = { group: demoGroup, port }
  const pageBytes = yield* Effect.fromResult(Parse.pageFor(undefined, network)).pipe(
    Effect.mapError((reason) => new UsageError({ command: "demo", reason }))
  )
  const transport = { ...group, transport: "auto", network, ttl: 0 } as const
  const keys = yield* Keys.generate

  const master = Master.run({ catchers: names.length, waitMillis, timeoutMillis, pageBytes }).pipe(
    Effect.provide(
      Layer.mergeAll(
        machine.master(transport),
        machine.source([`${tree}${Path.sep}`]),
        Reporter.layer({
          role: "Send",
          where: Session.whereOf(group, network),
          verbosity,
          json: input.json,
          live: !input.noProgress
        })
      ),
      { local: true }
    )
  )
  const catcher = Effect.fnUntraced(function* (name: string) {
    const seed = yield* Random.nextIntBetween(1, 2 ** 31)
    return yield* Catcher.run({ id: name, waitMillis, timeoutMillis }).pipe(
      Effect.provide(
        Layer.mergeAll(
          machine.lossy({ percent: input.loss, seed }).pipe(Layer.provide(machine.catcher(transport))),
          machine.store(Path.join(place, name)),
          Progress.Progress.layerNone
        ),
        { local: true }
      )
    )
  })
  const [report] = yield* Effect.all([master, Effect.forEach(names, catcher, { concurrency: "unbounded" })], {
    concurrency: "unbounded"
  }).pipe(
    Effect.provideService(Exchange.MasterProtection, { _tag: "Sealed", keys }),
    Effect.provideService(Exchange.CatcherProtection, { _tag: "Sealed", keys: Keys.forCatchers(keys) })
  )
  yield* Session.settle(report)
})

// ---- the tree and the place for its copies ----

const fileError = (path: string) => (cause: unknown) =>
  new DemoError({ kind: "File", reason: `${path}: ${cause instanceof Error ? cause.message : String(cause)}` })

const io = <A>(path: string, f: () => Promise<A>) => Effect.tryPromise({ try: f, catch: fileError(path) })

const isDirectory = (path: string) =>
  Effect.match(
    io(path, () => Fs.stat(path)),
    { onFailure: () => false, onSuccess: (stat) => stat.isDirectory() }
  )

/** What the program is installed with: node_modules inside its package, or around it; else the program itself. */
const theTree = Effect.fnUntraced(function* (directory: Option.Option<string>) {
  const { packageDirectory } = yield* Machine
  if (Option.isSome(directory)) {
    if (yield* isDirectory(directory.value)) return Path.resolve(directory.value)
    return yield* new UsageError({
      command: "demo",
      reason: `DIR "${Format.safe(directory.value)}" is no directory that can be read: expected a tree to send`
    })
  }
  if (Option.isNone(packageDirectory)) {
    const reason = "this binary has no files beside it to send: give a tree of yours, as in mrsync demo ~/photos"
    return yield* new UsageError({ command: "demo", reason })
  }
  const around = Path.dirname(packageDirectory.value)
  if (Path.basename(around) === "node_modules") return around
  const inside = Path.join(packageDirectory.value, "node_modules")
  return (yield* isDirectory(inside)) ? inside : packageDirectory.value
})

const sizeOf = Effect.fnUntraced(function* (tree: string) {
  let sizeBytes = 0
  const stack = [Buffer.from(tree)]
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    const directory = path
    const entries = yield* io(tree, () => Fs.readdir(directory, { withFileTypes: true, encoding: "buffer" }))
    const files: Array<Buffer> = []
    for (const entry of entries) {
      const child = Buffer.concat([directory, Buffer.from(Path.sep), entry.name])
      if (entry.isDirectory()) stack.push(child)
      else if (entry.isFile()) files.push(child)
    }
    const sizes = yield* io(tree, () => Promise.all(files.map((file) => Fs.lstat(file))))
    for (const { size } of sizes) sizeBytes += Math.ceil(size / blockBytes) * blockBytes
  }
  return sizeBytes
})

/** A temporary directory with room for so much, removed when the scope closes. */
const roomFor = Effect.fnUntraced(function* (neededBytes: number) {
  const { temporaryDirectory } = yield* Machine
  const { bavail, bsize } = yield* io(temporaryDirectory, () => Fs.statfs(temporaryDirectory))
  if (bavail * bsize < neededBytes + spareBytes) {
    return yield* new DemoError({
      kind: "File",
      reason: `${names.length} copies need ${Format.bytes(neededBytes + spareBytes)} in ${temporaryDirectory}, and ${Format.bytes(bavail * bsize)} are free: choose a smaller tree with "mrsync demo DIR", or another place with TMPDIR=DIR`
    })
  }
  return yield* Effect.acquireRelease(
    io(temporaryDirectory, () => Fs.mkdtemp(Path.join(temporaryDirectory, "mrsync-demo-"))),
    (place) => Effect.ignore(remove(place))
  )
})

/** Copies keep their modes: a directory that nobody may write to must be opened up before it can be emptied. */
const remove = (place: string) => {
  const whole = io(place, () => Fs.rm(place, { recursive: true, force: true }))
  return Effect.catch(whole, () => Effect.andThen(unlock(place), whole))
}

const unlock = Effect.fnUntraced(function* (place: string) {
  const stack = [Buffer.from(place)]
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    const directory = path
    yield* io(place, () => Fs.chmod(directory, 0o700))
    const entries = yield* io(place, () => Fs.readdir(directory, { withFileTypes: true, encoding: "buffer" }))
    for (const entry of entries) {
      if (entry.isDirectory()) stack.push(Buffer.concat([directory, Buffer.from(Path.sep), entry.name]))
    }
  }
})

const compared = (tree: string, copy: string, sinceMillis: number) =>
  Effect.mapError(Compare.compare(tree, copy, sinceMillis), fileError(copy))
