/**
 * A transport that loses some of what arrives, on purpose: to show on a good network how a bad one is borne.
 */

import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Chance from "./Chance.ts"
import { type Received, Transport } from "./Transport.ts"

/** What is lost. */
export interface Options {
  /** Of a hundred datagrams that arrive, so many are lost. */
  readonly percent: number
  /** The same seed loses the same datagrams. */
  readonly seed: number
  /**
   * Where a datagram that begins at an offset ends. A transport that knows nothing of the protocol cannot tell, and
   * then datagrams that the kernel has glued together are lost together.
   */
  readonly endOf?: (bytes: Uint8Array, offset: number) => number
}

/** Wraps the transport below; what it loses is counted as dropped. */
export const layer = (options: Options): Layer.Layer<Transport, never, Transport> =>
  Layer.effect(
    Transport,
    Effect.gen(function* () {
      const below = yield* Transport
      const chance = Chance.make(options.seed)
      const probability = options.percent / 100
      let lost = 0

      const thin = (batch: ReadonlyArray<Received>): ReadonlyArray<Received> => {
        const kept: Array<Received> = []
        for (const received of batch) {
          for (const datagram of split(received, options.endOf)) {
            if (chance.hits(probability)) lost++
            else kept.push(datagram)
          }
        }
        return kept
      }

      return Transport.of({
        ...below,
        get local() {
          return below.local
        },
        receive: below.receive.pipe(
          Stream.map(thin),
          Stream.filter((batch) => batch.length > 0)
        ),
        stats: Effect.map(below.stats, (stats) => ({
          ...stats,
          received: stats.received - lost,
          dropped: stats.dropped + lost
        }))
      })
    })
  )

const split = (received: Received, endOf: Options["endOf"]): ReadonlyArray<Received> => {
  if (endOf === undefined) return [received]
  const { bytes, from } = received
  const datagrams: Array<Received> = []
  let offset = 0
  while (offset < bytes.length) {
    const end = endOf(bytes, offset)
    // A length that leads nowhere: the rest stays together, for the reader to judge.
    const stop = end > offset && end < bytes.length ? end : bytes.length
    datagrams.push({ bytes: bytes.subarray(offset, stop), from })
    offset = stop
  }
  return datagrams.length === 0 ? [received] : datagrams
}
