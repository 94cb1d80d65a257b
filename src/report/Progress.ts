/**
 * What happens in a session, as a stream of events that a terminal, JSON lines and a page read alike. Publishing never
 * waits: a reader that is too slow misses the oldest events.
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as Limits from "../protocol/Limits.ts"
import type { CatcherReport, Report } from "./Report.ts"

/** One catcher as the master sees it. */
export interface CatcherView {
  /** Its name. */
  readonly id: string
  /** Where it is now. */
  readonly address: string
  readonly state: "Receiving" | "Slow" | "Complete" | "Partial" | "Lost"
  /** Why it is behind the others, as far as it shows by now. */
  readonly straggled?: CatcherReport["straggled"]
  /** Committed there. */
  readonly files: number
  /** Held there by its own answers, committed or not. */
  readonly bytes: number
}

/** Seconds as they are told: to the millisecond. */
export const seconds = (millis: number): number => Math.round(millis) / 1000

/** Something that happened in a session. The last is the report. */
export type Event =
  /** Master: the tree was read. */
  | {
      readonly _tag: "Scanned"
      readonly files: number
      readonly directories: number
      readonly links: number
      readonly fifos: number
      readonly bytes: number
    }
  /**
   * Master: waiting for catchers, told again when another one is there or one less. Catcher: waiting for a master,
   * which has no numbers. `wanted` is left out where as many as come are. `absent`: the first names of a list of hosts that are not there. `leftSeconds`: until fewer catchers are enough, or the
   * waiting ends; undefined: it does not.
   */
  | {
      readonly _tag: "Waiting"
      readonly joined?: number
      readonly wanted?: number
      readonly absent?: ReadonlyArray<string>
      readonly leftSeconds: number | undefined
    }
  | {
      readonly _tag: "Joined"
      readonly id: string
      readonly address: string
      readonly joined: number
      readonly wanted?: number
    }
  | { readonly _tag: "Refused"; readonly id: string; readonly address: string; readonly reason: string }
  /** Both: the session runs. */
  | {
      readonly _tag: "Started"
      readonly session: string
      readonly catchers: number
      readonly files: number
      readonly bytes: number
    }
  /**
   * Both, a few times a second: how far. `bytes` of `total`: what the catcher has of what it is to get, at the master the
   * one that has least. `sentBytes`: of pages, repairs included, that were sent (master) or received (catcher).
   * `phase`: pages are sent for the first time; all were sent once, and some catcher lacks some; all is there and gets its names;
   * it has them, and other catchers are waited for (catcher).
   */
  | {
      readonly _tag: "Tick"
      readonly seconds: number
      readonly bytes: number
      readonly total: number
      readonly files: number
      readonly sentBytes: number
      readonly phase: "Sending" | "Repairing" | "Finishing" | "Finished"
      readonly repairedPages: number
      readonly catchers: ReadonlyArray<CatcherView>
    }
  /** Files that are complete: here, or (master) at every catcher that is there. The paths are made when somebody asks. */
  | { readonly _tag: "Completed"; readonly paths: () => ReadonlyArray<string> }
  | { readonly _tag: "Lost"; readonly id: string; readonly address: string; readonly reason: string }
  /** An entry that will not arrive somewhere; `catcher` is absent when it arrives nowhere. */
  | { readonly _tag: "Failed"; readonly path: string; readonly reason: string; readonly catcher?: string }
  /** A plain remark: a skipped socket, a smaller buffer than wanted. */
  | { readonly _tag: "Note"; readonly message: string }
  | Report

/**
 * The service to which a session tells what happens.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import { Catcher, Progress } from "mrsync"
 *
 * const told = Effect.gen(function* () {
 *   const progress = yield* Progress.Progress
 *   yield* Effect.forkScoped(Stream.runForEach(progress.events, (event) => Effect.log(event._tag)))
 *   return yield* Catcher.run({ ...Catcher.defaults, id: "c1" })
 * }).pipe(Effect.scoped, Effect.provide(Progress.Progress.layer))
 * ```
 */
export class Progress extends Context.Service<
  Progress,
  {
    /** Never waits, and never fails. */
    readonly publish: (event: Event) => void
    /** Events from the moment of subscribing on. */
    readonly events: Stream.Stream<Event>
  }
>()("mrsync/report/Progress") {
  static readonly layer = Layer.effect(
    Progress,
    Effect.gen(function* () {
      const pubsub = yield* PubSub.sliding<Event>(Limits.progressEvents)
      return {
        publish: (event: Event) => void PubSub.publishUnsafe(pubsub, event),
        events: Stream.fromPubSub(pubsub)
      }
    })
  )
  /** Nobody looks. */
  static readonly layerNone = Layer.succeed(Progress, { publish: () => {}, events: Stream.empty })
}
