/** The master: the phases composed. (Contract; the implementation follows.) */
import * as Effect from "effect/Effect"
import type * as Errors from "./Errors.ts"
import type { Progress } from "./Progress.ts"
import type { Report } from "./Report.ts"
import type { Source } from "./store/Source.ts"
import type { Transport } from "./transport/Transport.ts"

export interface Options {
  /** Begin when this many have joined. */
  readonly catchers: number
  /** Begin when exactly these have joined; others are refused. */
  readonly hosts?: ReadonlyArray<string>
  readonly waitMillis: number
  /** After the wait, go on with those present (at least one). */
  readonly partial: boolean
  /** Silence after which a catcher counts as lost. */
  readonly timeoutMillis: number
  readonly pageBytes: number
  /** Cap on what goes on the air. */
  readonly bytesPerSecond?: number
}

export type Error = Errors.AnnounceTimeout | Errors.GroupBusy | Errors.TransportError | Errors.SourceError

/** One session. The last event it publishes is the report, also when it fails or is interrupted. */
export declare const run: (options: Options) => Effect.Effect<Report, Error, Transport | Source | Progress>
