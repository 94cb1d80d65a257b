/**
 * What happens in a session, as a stream of events that a terminal, JSON lines and a page read alike. Publishing never
 * waits: a reader that is too slow misses the oldest events.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as Limits from "./protocol/Limits.ts"
import type { Report } from "./Report.ts"

/** One catcher as the master sees it. */
export interface CatcherView {
  readonly id: string
  readonly address: string
  readonly state: "Receiving" | "Slow" | "Complete" | "Partial" | "Lost"
  readonly files: number
  readonly bytes: number
}

export type Event =
  /** Master: the tree was read. */
  | {
      readonly _tag: "Scanned"
      readonly files: number
      readonly directories: number
      readonly links: number
      readonly bytes: number
    }
  /**
   * Master: waiting for catchers, told again when another one is there or one less. Catcher: waiting for a master (wanted 0).
   * `absent`: the first names of a list of hosts that are not there. `leftSeconds`: until fewer catchers are enough, or the
   * waiting ends; undefined: it does not.
   */
  | {
      readonly _tag: "Waiting"
      readonly joined: number
      readonly wanted: number
      readonly absent: ReadonlyArray<string>
      readonly leftSeconds: number | undefined
    }
  | {
      readonly _tag: "Joined"
      readonly id: string
      readonly address: string
      readonly joined: number
      readonly wanted: number
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
  /** Both, a few times a second: how far. `bytes`: content on the air so far (master), or stored, at the most so far (catcher). */
  | {
      readonly _tag: "Tick"
      readonly seconds: number
      readonly bytes: number
      readonly total: number
      readonly files: number
      readonly repairedPages: number
      readonly catchers: ReadonlyArray<CatcherView>
    }
  | { readonly _tag: "Lost"; readonly id: string; readonly address: string; readonly reason: string }
  /** An entry that will not arrive somewhere; `catcher` is absent when it arrives nowhere. */
  | { readonly _tag: "Failed"; readonly path: string; readonly reason: string; readonly catcher?: string }
  /** A plain remark: a skipped socket, a smaller buffer than wanted. */
  | { readonly _tag: "Note"; readonly message: string }
  | Report

export class Progress extends Context.Service<
  Progress,
  {
    readonly publish: (event: Event) => void
    /** Events from the moment of subscribing on. */
    readonly events: Stream.Stream<Event>
  }
>()("mrsync/Progress") {
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
