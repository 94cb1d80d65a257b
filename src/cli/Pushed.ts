/**
 * `mrsync catch --pushed`: the catcher that `mrsync push` starts on a host. It says hello, takes from standard input what it needs, and
 * lives as long as that is open.
 */
import * as Config from "effect/Config"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Path from "node:path"
import * as Handover from "../ops/Handover.ts"
import { MasterTimeout } from "../report/Errors.ts"
import * as Keys from "../seal/Keys.ts"
import { InterfaceError } from "../system/Interfaces.ts"
import * as Header from "../wire/Header.ts"
import * as Catch from "./Catch.ts"
import * as LastLine from "./LastLine.ts"
import { Machine } from "./Machine.ts"
import { Screen } from "./Screen.ts"
import { UsageError } from "./Status.ts"
import * as Version from "./Version.ts"

const usage = (reason: string) => new UsageError({ command: "catch", reason })

const input = "standard input"

export const pushed = Effect.gen(function* () {
  const { stdin, stdinIsTerminal } = yield* Stdio.Stdio
  if (yield* stdinIsTerminal)
    return yield* usage("--pushed is how mrsync push starts a catcher: to receive here, say DEST instead")
  const screen = yield* Screen
  const connection = yield* connectionHere
  const hello = { version: Version.version, protocol: Header.version, ...connection }
  for (const line of Handover.printHello(hello).split("\n")) screen.print("json", line)
  const handed = yield* Deferred.make<string>()
  const lines = new Handover.Lines(Handover.mostBytes)
  const hear = (piece: Uint8Array) =>
    Effect.sync(() => lines.push(piece).forEach((line) => Deferred.doneUnsafe(handed, Effect.succeed(line))))
  // the master has gone, or wants it to end
  const closed = Effect.andThen(Effect.ignore(Stream.runForEach(stdin, hear)), Effect.interrupt)
  return yield* Effect.raceFirst(Effect.flatMap(Deferred.await(handed), caught), closed)
}).pipe(LastLine.ending(true))

/** Receives as it was told. */
const caught = Effect.fnUntraced(function* (line: string) {
  const machine = yield* Machine
  const told = yield* Effect.fromResult(Result.mapError(Handover.read(line), usage))
  const keys = yield* Effect.fromResult(
    Result.mapError(
      Result.flatMap(Keys.parse(Redacted.value(told.key)), Keys.catcherOf),
      (reason) => new Keys.KeyError({ path: input, reason })
    )
  )
  const { group, master, name, port, timeoutMillis, transport, waitMillis } = told
  return yield* Catch.catching(
    {
      ...{ verbose: false, quiet: true, json: true, noProgress: true },
      ...{ key: undefined, phrase: undefined, insecure: false },
      ...{ protect: [], protectFrom: [], noDelete: false, maxDelete: undefined },
      ...{ onStart: undefined, onComplete: undefined, metrics: undefined },
      ...{ serve: false, fsync: false, fakeSuper: false, noPartial: false, partialDir: undefined },
      ...{ timeoutMillis, transport, waitMillis, id: name, group: { group, port } },
      network: yield* networkTo(master),
      destination: yield* Effect.fromResult(destinationIn(machine.homeDirectory, told.destination))
    },
    { _tag: "Sealed", keys }
  ).pipe(Effect.catchTag("MasterTimeout", (error) => Effect.fail(new MasterTimeout({ ...error, pushed: true }))))
})

/** DEST as a shell would have it that starts in the home directory. */
const destinationIn = (home: string, destination: string): Result.Result<string, UsageError> => {
  if (/^~[^/]/.test(destination))
    return Result.fail(usage(`DEST "${destination}": only ~/ is understood: say the whole path of another's home`))
  return Result.succeed(Path.resolve(home, destination.replace(/^~\/*/, "")))
}

/**
 * The interface from which answers reach the master, by its address here. It may be another than that of the connection, which may
 * come over a network of its own.
 */
const networkTo = Effect.fnUntraced(function* (master: string) {
  const machine = yield* Machine
  const address = (yield* machine.towards(master)) ?? (yield* connectionHere).to
  const reason = `no route leads from here to the master, ${master}`
  if (address === undefined) return yield* new InterfaceError({ reason, usable: [] })
  const { name } = yield* machine.network(address)
  // an interface is followed by its name, where that leads to the address
  const named = yield* Effect.option(machine.network(name))
  return Option.exists(named, (found) => found.address === address) ? name : address
})

/** The two ends of the connection over which this was started, where the remote shell tells them. */
const connectionHere = Effect.map(
  Effect.orElseSucceed(Config.String("SSH_CONNECTION"), () => ""),
  (text): Pick<Handover.Hello, "from" | "to"> => {
    const [from, , to] = text.split(" ")
    return from === "" || to === undefined ? {} : { from, to }
  }
)
