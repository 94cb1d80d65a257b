/** What send, catch and demo do alike around a session. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { AnnounceTimeout, MasterTimeout } from "../report/Errors.ts"
import type { Here } from "../report/Diagnosis.ts"
import type { Report } from "../report/Report.ts"
import { exitStatusOf } from "../report/Report.ts"
import type { Protection } from "../seal/Keys.ts"
import * as Format from "./Format.ts"
import type { Level } from "./Journal.ts"
import { Machine, type Network, type TransportKind } from "./Machine.ts"
import type * as Parse from "./Parse.ts"
import { Screen } from "./Screen.ts"
import { type Failure, Incomplete, reportReason, UsageError } from "./Status.ts"
import type { Verbosity } from "./View.ts"

export interface Talk {
  readonly verbose: boolean
  readonly quiet: boolean
  readonly json: boolean
  readonly noProgress: boolean
}

export const verbosityOf = (command: string, talk: Talk): Result.Result<Verbosity, UsageError> =>
  talk.verbose && talk.quiet
    ? Result.fail(new UsageError({ command, reason: "--verbose and --quiet contradict each other: give one of them" }))
    : Result.succeed(talk.quiet ? "Quiet" : talk.verbose ? "Verbose" : "Normal")

export const whereOf = (group: Parse.Group, network: Network): string =>
  `${group.group}:${group.port} (${network.name === network.address ? network.name : `${network.name}, ${network.address}`})`

/** Where a session is to be, as the command line says it. */
interface Place {
  readonly group: Parse.Group
  readonly network: string | undefined
  readonly transport: TransportKind
}

/** Looks at this machine, as it is for a session there. */
export const observe = Effect.fnUntraced(function* (place: Place, network: Network, role: Here["role"]) {
  const machine = yield* Machine
  const { group, port } = place.group
  const options = { group, port, transport: place.transport, network, ttl: 0 }
  const { observe } = yield* Effect.promise(() => import("../ops/Observing.ts"))
  return yield* observe({
    ...{ role, group, port, network, isAsked: place.network !== undefined },
    surroundings: yield* machine.surroundings(network.name),
    master: machine.master(options),
    catcher: machine.catcher(options)
  })
})

/**
 * A wait in vain is told with its place, and with the others: it may be the wrong network. Where nobody was heard, this machine is
 * looked at.
 */
export const located =
  (place: Place, network: Network, role: Here["role"]) =>
  <A, E extends Failure, R>(
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | AnnounceTimeout | MasterTimeout, R | Machine> => {
    const where = { where: whereOf(place.group, network), others: network.others ?? [] }
    const why = Effect.gen(function* () {
      const { causes, sentenceOf } = yield* Effect.promise(() => import("../ops/Findings.ts"))
      return causes(yield* observe(place, network, role)).map(sentenceOf)
    })
    const causesOf = (error: { readonly isUnheard: boolean }) =>
      error.isUnheard ? Effect.orElseSucceed(why, () => []) : Effect.succeed([])
    return Effect.catch(effect, (error): Effect.Effect<never, E | AnnounceTimeout | MasterTimeout, Machine> => {
      if (error._tag === "AnnounceTimeout")
        return Effect.flatMap(causesOf(error), (causes) =>
          Effect.fail(new AnnounceTimeout({ ...error, ...where, causes }))
        )
      if (error._tag !== "MasterTimeout") return Effect.fail(error)
      return Effect.flatMap(causesOf(error), (causes) => Effect.fail(new MasterTimeout({ ...error, ...where, causes })))
    })
  }

const logLevels = { error: "Error", warn: "Warn", debug: "Debug", trace: "Trace" } as const

const levels = { Quiet: "Error", Normal: "Warn", Verbose: "Debug" } as const

/** For developers: MRSYNC_LOG=trace tells of every file's states. */
const levelOf = (verbosity: Verbosity) =>
  Effect.map(Effect.option(Config.Literals(["error", "warn", "debug", "trace"], "MRSYNC_LOG")), (named) =>
    Option.match(named, { onNone: () => levels[verbosity], onSome: (name) => logLevels[name] })
  )

const importance: { readonly [level: string]: Level } = {
  Fatal: "Error",
  Error: "Error",
  Info: "Info",
  Debug: "Debug",
  Trace: "Debug"
}

/** Log lines go to standard error, above the picture if there is one. */
export const logged =
  (verbosity: Verbosity) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Screen> =>
    Effect.gen(function* () {
      const screen = yield* Screen
      const level = yield* levelOf(verbosity)
      const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
        const text = (Array.isArray(message) ? message : [message])
          .map((part) => (typeof part === "string" ? part : (JSON.stringify(part) ?? String(part))))
          .join(" ")
        screen.print("err", `mrsync: ${logLevel.toLowerCase()}: ${Format.safe(text)}`, importance[logLevel])
      })
      return yield* effect.pipe(
        Effect.provideService(Logger.CurrentLoggers, new Set([logger])),
        Effect.provideService(References.MinimumLogLevel, level)
      )
    })

/** Warns of sessions in the open. */
export const warn = ({ _tag }: Protection<unknown>): Effect.Effect<void> =>
  _tag === "Sealed" ? Effect.void : Effect.logWarning(inTheOpen)

const inTheOpen =
  "--insecure: nothing is encrypted, and any machine on this network can read what is sent, and write to the catchers"

/** A report that says less than complete ends the program as an error does. */
export const settle = (report: Report, role: "Send" | "Catch" = "Send"): Effect.Effect<void, Incomplete> => {
  const status = exitStatusOf(report)
  return status === 0 ? Effect.void : Effect.fail(new Incomplete({ status, reason: reportReason(report, role) }))
}
