/** Catchers are started by commands that are made up here, under virtual time. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { ChildProcessSpawner, ExitCode, make, makeHandle, ProcessId } from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type * as ChildProcess from "effect/process/ChildProcess"
import * as Handover from "../../src/ops/Handover.ts"
import * as Install from "../../src/ops/Install.ts"
import * as Launch from "../../src/ops/Launch.ts"
import * as RemoteShell from "../../src/ops/RemoteShell.ts"

const here = { version: "1.0.0", protocol: 3 }

type Failed = { readonly name: string; readonly reason: string }

/** A command that runs, as the test drives it. */
interface Command {
  readonly host: string
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly exit: (status: number) => void
  /** What has come on its standard input. */
  readonly told: () => string
  readonly isClosed: () => boolean
}

/** Every command that is started, in its order; one ends when its standard input does. */
const shell = () => {
  const commands: Array<Command> = []
  let living = 0
  let most = 0
  const spawn = (command: ChildProcess.Command) =>
    Effect.gen(function* () {
      if (command._tag !== "StandardCommand") return assert.fail("a pipe")
      const [out, err] = [yield* Queue.unbounded<Uint8Array>(), yield* Queue.unbounded<Uint8Array>()]
      const ended = yield* Deferred.make<ExitCode>()
      const { stdin } = command.options
      let told = ""
      let isClosed = false
      most = Math.max(most, ++living)
      const exit = (status: number) => Deferred.doneUnsafe(ended, Exit.succeed(ExitCode(status)))
      if (typeof stdin !== "object" || !("stream" in stdin) || !Stream.isStream(stdin.stream))
        return assert.fail("stdin")
      yield* Effect.forkScoped(
        Effect.tap(
          Stream.runForEach(stdin.stream, (piece) => Effect.sync(() => (told += Buffer.from(piece).toString()))),
          () => Effect.sync(() => ((isClosed = true), exit(20)))
        )
      )
      yield* Effect.forkScoped(Effect.tap(Deferred.await(ended), () => Effect.sync(() => living--)))
      commands.push({
        host: String(command.args.at(-4)),
        out: (text) => void Queue.offerUnsafe(out, Buffer.from(text)),
        err: (text) => void Queue.offerUnsafe(err, Buffer.from(text)),
        exit,
        told: () => told,
        isClosed: () => isClosed
      })
      return makeHandle({
        pid: ProcessId(1),
        exitCode: Deferred.await(ended),
        isRunning: Effect.succeed(true),
        kill: () => Effect.void,
        stdin: Sink.drain,
        stdout: Stream.fromQueue(out),
        stderr: Stream.fromQueue(err),
        all: Stream.empty,
        getInputFd: () => Sink.drain,
        getOutputFd: () => Stream.empty,
        unref: Effect.succeed(Effect.void)
      })
    })
  return { commands, most: () => most, layer: Layer.succeed(ChildProcessSpawner, make(spawn)) }
}

const named = (...names: ReadonlyArray<string>) =>
  names.map((name) => ({ name, host: name, user: undefined, port: undefined }))

const options = (fanout: number) => ({
  shell: Result.getOrThrow(RemoteShell.parse("rsh")),
  ...{ program: "mrsync", connectMillis: 5000, asks: false, fanout, here }
})

const hello = `${Handover.printHello(here)}\n`

const handoverOf = (name: string): Handover.Handover => ({
  ...{ key: Redacted.make("the key"), group: "239.255.1.1", port: 8889, transport: "auto", name },
  ...{ destination: "/srv", master: "10.0.0.1", waitMillis: 1000, timeoutMillis: 1000 }
})

/** Everything that needs no time has happened. */
const settled = Effect.repeat(
  Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve))),
  { times: 20 }
)

/** Why a command that there is not was not started. */
const unstarted = Effect.scoped(
  Effect.gen(function* () {
    const shell = Result.getOrThrow(RemoteShell.parse("/no/such/shell"))
    const fleet = yield* Launch.launch(named("a"), { ...options(1), shell })
    return (yield* Stream.runCollect(fleet.failures)).map(({ reason }) => reason)
  })
).pipe(Effect.provide(NodeServices.layer))

/** Launches at these hosts; the scope closes with `close`. */
const launched = Effect.fnUntraced(function* (
  names: ReadonlyArray<string>,
  fanout = 9,
  install?: Install.Program,
  rsh = "rsh"
) {
  const { commands, layer, most } = shell()
  const scope = yield* Scope.make()
  const failures: Array<Failed> = []
  const fleet = yield* Launch.launch(named(...names), {
    ...options(fanout),
    shell: Result.getOrThrow(RemoteShell.parse(rsh)),
    ...(install === undefined ? {} : { install })
  }).pipe(Scope.provide(scope), Effect.provide(layer))
  yield* Effect.forkIn(
    Stream.runForEach(fleet.failures, (failure) => Effect.sync(() => failures.push(failure))),
    scope
  )
  yield* settled
  return { fleet, commands, failures, most, close: Scope.close(scope, Exit.void) }
})

describe("Launch", () => {
  it.effect("reaches so many at a time, and goes on as they answer or fail", () =>
    Effect.gen(function* () {
      const { commands, failures, most } = yield* launched(["a", "b", "c", "d"], 2)
      assert.deepStrictEqual(
        commands.map(({ host }) => host),
        ["a", "b"]
      )
      commands[0].out(hello)
      yield* settled
      assert.deepStrictEqual(
        commands.map(({ host }) => host),
        ["a", "b", "c"]
      )
      commands[1].err("b: no route\n")
      commands[1].exit(255)
      yield* TestClock.adjust(600)
      assert.deepStrictEqual(
        commands.map(({ host }) => host),
        ["a", "b", "c", "d"]
      )
      assert.deepStrictEqual(failures, [{ name: "b", reason: "b: no route" }])
      assert.isAtMost(most(), 3)
    })
  )

  it.effect("hands the key over only to a catcher that has said hello, whatever was said before", () =>
    Effect.gen(function* () {
      const { commands, failures, fleet } = yield* launched(["a", "b"])
      yield* fleet.tell(handoverOf)
      commands[0].out("Welcome!\nmrsync-pushed is not yet")
      commands[1].out("Welcome!\n")
      yield* settled
      assert.deepStrictEqual([commands[0].told(), commands[1].told()], ["", ""])
      commands[0].out(hello)
      yield* settled
      const read = Handover.read(commands[0].told().trimEnd())
      assert.deepStrictEqual(Result.getOrThrow(read), handoverOf("a"))
      // the other one is given up in time
      yield* TestClock.adjust(25_000)
      assert.deepStrictEqual(failures, [{ name: "b", reason: "no answer within 25 s" }])
      assert.strictEqual(commands[1].told(), "")
      assert.isTrue(commands[1].isClosed())
      assert.isFalse(commands[0].isClosed())
    })
  )

  it.effect("tells both versions where they differ, and hands nothing over", () =>
    Effect.gen(function* () {
      const { commands, failures, fleet } = yield* launched(["a"])
      yield* fleet.tell(handoverOf)
      commands[0].out(`${Handover.printHello({ version: "0.9.0", protocol: 2 })}\n`)
      yield* TestClock.adjust(4000)
      assert.isUndefined(yield* fleet.first)
      assert.strictEqual(commands[0].told(), "")
      assert.match(
        failures[0].reason,
        /^there is mrsync 0\.9\.0 \(protocol 2\), and here mrsync 1\.0\.0 \(protocol 3\)/
      )
    })
  )

  it.effect("tells a catcher's own words before those of the shell, and nothing of one whose session ended", () =>
    Effect.gen(function* () {
      const { commands, failures, fleet } = yield* launched(["a", "b"])
      yield* fleet.tell(handoverOf)
      for (const command of commands) command.out(hello)
      yield* settled
      const time = "2026-01-31T12:00:00.000Z"
      commands[0].out(`${JSON.stringify({ _tag: "Error", time, status: 30, reason: "no master was heard" })}\n`)
      commands[0].err("Connection to a closed.\n")
      commands[1].out(`${JSON.stringify({ _tag: "Report", time, status: 23, reason: "1 entry is not" })}\n`)
      const report = {
        ...{ _tag: "Report", time, status: 23, reason: "one is missing", session: "0", sealed: true, seconds: 1 },
        ...{ files: 0, directories: 0, links: 0, specials: 0, bytes: 0, skipped: 0, failures: [], catchers: [] },
        pages: { needed: 0, sent: 0, repaired: 0, parity: 0 }
      }
      commands[1].out(`${JSON.stringify(report)}\n`)
      yield* settled
      commands[0].exit(30)
      commands[1].exit(23)
      yield* TestClock.adjust(600)
      yield* fleet.ended(new Set(["a", "b"]))
      assert.deepStrictEqual(failures, [{ name: "a", reason: "no master was heard" }])
    })
  )

  it.effect("tries again where a server dropped the connection at once, and a few times only", () =>
    Effect.gen(function* () {
      const { commands, failures, fleet } = yield* launched(["a", "b"], 9, undefined, "ssh")
      yield* fleet.tell(handoverOf)
      const drop = (at: number) => {
        commands[at].err("kex_exchange_identification: read: Connection reset by peer\r\n")
        commands[at].exit(255)
      }
      drop(0)
      drop(1)
      yield* TestClock.adjust(2000)
      assert.lengthOf(commands, 4)
      const again = commands.slice(2).find(({ host }) => host === "a")
      again?.out(hello)
      yield* settled
      assert.match(again?.told() ?? "", /"name":"a"/)
      for (const pause of [2500, 5000]) {
        drop(commands.findLastIndex(({ host }) => host === "b"))
        yield* TestClock.adjust(pause + 600)
      }
      assert.lengthOf(commands, 6)
      assert.deepStrictEqual(failures, [])
      drop(5)
      yield* TestClock.adjust(600)
      assert.deepStrictEqual(failures, [
        { name: "b", reason: "kex_exchange_identification: read: Connection reset by peer" }
      ])
      yield* TestClock.adjust(60_000)
      assert.lengthOf(commands, 6)
    })
  )

  it.effect("tells of a connection that breaks what was said then, and not what a banner said before", () =>
    Effect.gen(function* () {
      const { commands, failures, fleet } = yield* launched(["a", "b"], 9, undefined, "ssh")
      yield* fleet.tell(handoverOf)
      for (const command of commands) command.err("*** Authorised use only ***\n")
      yield* settled
      for (const command of commands) command.out(hello)
      yield* settled
      commands[1].err("Connection to b closed by remote host.\n")
      for (const command of commands) command.exit(255)
      yield* TestClock.adjust(600)
      assert.deepStrictEqual(failures, [
        { name: "a", reason: "its connection ended" },
        { name: "b", reason: "its connection ended: Connection to b closed by remote host" }
      ])
    })
  )

  it.effect("says when those have ended that are asked for, whatever becomes of others", () =>
    Effect.gen(function* () {
      const { commands, fleet } = yield* launched(["a", "b", "hangs"])
      const ended = yield* Effect.forkChild(fleet.ended(new Set(["a", "b"])))
      yield* settled
      commands[0].exit(1)
      yield* TestClock.adjust(600)
      assert.isUndefined(ended.pollUnsafe())
      commands[1].exit(1)
      yield* TestClock.adjust(600)
      assert.isDefined(ended.pollUnsafe())
    })
  )

  it.effect("brings the program to hosts that ask for it, before all else, and to none of another kind", () =>
    Effect.gen(function* () {
      const content = Stream.make(Buffer.from("the "), Buffer.from("program"))
      const install = { bytes: 11, hash: "0", kind: "Linux x86_64", content }
      const { commands, failures, fleet } = yield* launched(["a", "b", "c"], 9, install)
      yield* fleet.tell(handoverOf)
      commands[0].out("\nmrsync-wanted Linux x86_64\n")
      commands[1].out("\nmrsync-wanted Linux aarch64\n")
      commands[2].out(hello)
      yield* settled
      assert.strictEqual(commands[0].told(), "the program")
      assert.match(commands[2].told(), /^\{/)
      // it may take longer than an answer
      yield* TestClock.adjust(60_000)
      assert.deepStrictEqual(failures, [
        {
          name: "b",
          reason: "the host is a machine of another kind, Linux aarch64, than the program to install, Linux x86_64"
        }
      ])
      assert.strictEqual(commands[1].told(), "")
      commands[0].out(hello)
      yield* settled
      assert.match(commands[0].told(), /^the program\{.*"name":"a"/)
    })
  )

  it.effect("closes every standard input at the end, and waits for those that end then", () =>
    Effect.gen(function* () {
      const { close, commands, fleet } = yield* launched(["a", "b"])
      yield* fleet.tell(handoverOf)
      commands[0].out(hello)
      yield* settled
      assert.deepStrictEqual(
        commands.map((one) => one.isClosed()),
        [false, false]
      )
      yield* close
      assert.deepStrictEqual(
        commands.map((one) => one.isClosed()),
        [true, true]
      )
    })
  )
})

describe("Handover", () => {
  it("splits lines wherever they are cut, and drops those that are too long", () => {
    const lines = new Handover.Lines(5)
    const heard = ["ab", "c\nde", "\n\n123456", "789\nok\n", "12345\n123456\nlast"].flatMap((text) =>
      lines.push(Buffer.from(text))
    )
    assert.deepStrictEqual(heard, ["abc", "de", "", "ok", "12345"])
  })

  it("keeps the end of what was said", () => {
    const tail = new Handover.Tail(4)
    for (const text of ["abc", "de", "f"]) tail.push(Buffer.from(text))
    assert.strictEqual(tail.text(), "cdef")
  })

  it("repeats nothing of a line that it cannot read", () => {
    const read = Handover.read('{"key":"secret"}')
    assert.isTrue(Result.isFailure(read) && !read.failure.includes("secret"))
    assert.notInclude(JSON.stringify(handoverOf("a")), "the key")
  })

  it.live("a command that there is not is told in the system's words", () =>
    Effect.map(unstarted, (reasons) =>
      assert.deepStrictEqual(reasons, ["/no/such/shell cannot be started: no such file or directory (ENOENT)"])
    )
  )
})
