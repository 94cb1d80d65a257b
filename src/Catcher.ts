/** The catcher: the phases composed. (Contract; the implementation follows.) */
import * as Effect from "effect/Effect"
import type * as Errors from "./Errors.ts"
import type { Progress } from "./Progress.ts"
import type { Report } from "./Report.ts"
import type { Store } from "./store/Store.ts"
import type { Transport } from "./transport/Transport.ts"

export interface Options {
  readonly id: string
  /** How long to wait for a master; undefined: for ever. */
  readonly waitMillis: number | undefined
  /** Silence after which the master counts as lost. */
  readonly timeoutMillis: number
}

export type Error =
  | Errors.MasterTimeout
  | Errors.JoinRefused
  | Errors.SessionAborted
  | Errors.BadManifest
  | Errors.TransportError
  | Errors.StoreError

/** One session. The last event it publishes is the report, also when it fails or is interrupted. */
export declare const run: (options: Options) => Effect.Effect<Report, Error, Transport | Store | Progress>
