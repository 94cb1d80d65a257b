/** `mrsync catch`: a catcher over this machine's network and disk, for one session or for session after session. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Catcher from "../catcher/Catcher.ts"
import * as Exchange from "../session/Exchange.ts"
import type * as Keys from "../seal/Keys.ts"
import type { Checked, Where } from "../store/Store.ts"
import * as Choosing from "./Choosing.ts"
import * as Keyring from "./Keyring.ts"
import { Machine, type Network, type TransportKind } from "./Machine.ts"
import * as Parse from "./Parse.ts"
import * as Reporter from "./Reporter.ts"
import * as Serve from "./Serve.ts"
import * as Session from "./Session.ts"
import * as Status from "./Status.ts"
import * as Watching from "./Watching.ts"

export interface Input extends Session.Talk, Keyring.Given, Choosing.Vetoing, Pick<Watching.Input, "metrics"> {
  readonly group: Parse.Group
  readonly network: string | undefined
  readonly transport: TransportKind
  readonly timeoutMillis: number
  readonly id: string | undefined
  readonly serve: boolean
  readonly onStart: string | undefined
  readonly onComplete: string | undefined
  readonly fsync: boolean
  readonly fakeSuper: boolean
  readonly noPartial: boolean
  readonly partialDir: string | undefined
  readonly waitMillis: number | undefined
  readonly destination: string
}

/** What an effect that is made so needs. */
type Needs<F extends (...args: never) => Effect.Effect<unknown, unknown, unknown>> = Effect.Services<ReturnType<F>>

const usage = (reason: string) => new Status.UsageError({ command: "catch", reason })

/** Where what has arrived of a large file is kept. */
const partialsOf = ({ noPartial, partialDir }: Input): Effect.Effect<Where, Status.UsageError> => {
  if (partialDir === undefined) return Effect.succeed(noPartial ? "Nowhere" : "Beside")
  return noPartial
    ? Effect.fail(usage("--no-partial and --partial-dir contradict each other: give one of them"))
    : Effect.succeed({ directory: Buffer.from(partialDir) })
}

const ownName = (hostName: string): Effect.Effect<string, Status.UsageError> =>
  Effect.fromResult(
    Result.mapError(Parse.name(hostName), (reason) =>
      usage(`the host's name "${hostName}" cannot be used, ${reason}: choose another with --id NAME`)
    )
  )

/** Loaded where there are any. */
const hooksOf = (commands: Input, id: string) =>
  commands.onStart === undefined && commands.onComplete === undefined
    ? Effect.succeed({})
    : Effect.flatMap(
        Effect.promise(() => import("../ops/Hooks.ts")),
        ({ make }) => make({ ...commands, id })
      )

/** `given`: what protects the session, where the command line does not say it. */
export const catching = Effect.fn("cli.catch")(function* (input: Input, given?: Keys.Protection<Keys.CatcherKeys>) {
  const machine = yield* Machine
  const verbosity = yield* Effect.fromResult(Session.verbosityOf("catch", input))
  if (input.destination === "") return yield* usage('DEST is empty: to receive into the directory you are in, say "."')
  const id = input.id ?? (yield* ownName(machine.hostName))
  const veto = yield* Choosing.vetoOf(input)
  const partials = yield* partialsOf(input)
  const protection = given ?? (yield* Keyring.forCatcher(input, input.json))
  yield* Session.logged(verbosity)(Session.warn(protection))

  const stage = yield* Session.logged(verbosity)(Serve.stage)
  // of two catchers with one name, on one group of one network, only one is taken in
  const ownerOf = ({ address }: Network) => `${id} ${input.group.group}:${input.group.port} ${address}`
  // Layers of its own for every session: nothing of one is left in the next.
  const layersOn = (network: Network, checked: Checked) =>
    Layer.mergeAll(
      machine.catcher({ ...input.group, transport: input.transport, network, follows: input.network, ttl: 1 }),
      machine.store(input.destination, {
        owner: ownerOf(network),
        checked,
        veto,
        syncs: input.fsync,
        fakesSuper: input.fakeSuper,
        partials
      }),
      Layer.provideMerge(
        Layer.mergeAll(stage.layer, Watching.counted(input)),
        Reporter.layer({
          role: "Catch",
          where: Session.whereOf(input.group, network),
          verbosity,
          json: input.json,
          live: !input.noProgress
        })
      )
    )
  // The interface of one session may be gone in the next, or have another address.
  const network = machine.network(input.network)
  const options: Catcher.Options = {
    id,
    waitMillis: input.waitMillis ?? (input.serve ? undefined : Catcher.defaults.waitMillis),
    timeoutMillis: input.timeoutMillis,
    hooks: stage.attended(yield* hooksOf(input, id)),
    beat: stage.beat
  }
  const session = (keys: typeof protection, checked: Checked) =>
    Effect.flatMap(network, (found) =>
      Catcher.run(options).pipe(
        Effect.provideService(Exchange.CatcherProtection, keys),
        Effect.provide(layersOn(found, checked), { local: true }),
        Session.located(input, found, "Catcher")
      )
    ).pipe(Effect.flatMap((report) => Session.settle(report, "Catch")))
  yield* Watching.figuresOfAll(input, input)
  if (!input.serve) return yield* Session.logged(verbosity)(session(protection, "AtOnce"))

  // A socket or a destination that cannot be had at all ends the program; what goes wrong later does not, and the masters
  // of the sessions in which it does are told.
  const checked = Effect.flatMap(network, (found) => Effect.scoped(Layer.build(layersOn(found, "AtOnce"))))
  const serving: Serve.Serving<Needs<typeof session>> = {
    ...{ json: input.json, destination: input.destination, given: input, protection },
    isLimited: input.waitMillis !== undefined,
    session: (keys) => session(keys, "InSession")
  }
  return yield* Session.logged(verbosity)(Effect.andThen(checked, Serve.serve(stage, serving)))
}, Effect.scoped)
