/**
 * A transport of one's own: it wraps any other one and counts the bytes that pass, for a master and a catcher as they are.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Catcher, Exchange, Master, MemoryStore, Progress, Simulated, Transport } from "mrsync"

export interface Meter {
  sentBytes: number
  receivedBytes: number
}

/** Counts in the meter what goes through the transport below. */
export const metered = (meter: Meter) =>
  Layer.effect(
    Transport.Transport,
    Effect.map(Transport.Transport, (below) => ({
      ...below,
      send: (batch) => {
        meter.sentBytes += batch.bytes.length
        return below.send(batch)
      },
      sendTo: (to, datagram) => {
        meter.sentBytes += datagram.length
        return below.sendTo(to, datagram)
      },
      receive: Stream.tap(below.receive, (batch) =>
        Effect.sync(() => {
          for (const { bytes } of batch) meter.receivedBytes += bytes.length
        })
      )
    }))
  )

const metadata = { mode: 0o644, mtimeSeconds: 0, mtimeNanos: 0, uid: 0, gid: 0 }
const path = new TextEncoder().encode("file")

export const program = Effect.fn("metered")(
  function* (content: Uint8Array) {
    const network = yield* Simulated.make({ seed: 1 })
    const master: Meter = { sentBytes: 0, receivedBytes: 0 }
    const catcher: Meter = { sentBytes: 0, receivedBytes: 0 }
    const memory = MemoryStore.make()
    const tree = MemoryStore.sourceLayer([{ entry: { _tag: "File", path, metadata, size: content.length }, content }])
    const times = { waitMillis: 5000, timeoutMillis: 5000 }
    const sending = Master.run({ ...times, catchers: 1, pageBytes: 1432 }).pipe(
      Effect.provide([Layer.provide(metered(master), network.layerMaster), tree])
    )
    const receiving = Catcher.run({ ...times, id: "a" }).pipe(
      Effect.provide([Layer.provide(metered(catcher), network.layerCatcher("a")), MemoryStore.layer(memory)])
    )
    yield* Effect.all([sending, receiving], { concurrency: 2 })
    return { master, catcher, arrived: memory.tree.get("file")?.content }
  },
  Effect.provide([Exchange.MasterProtection.insecure, Exchange.CatcherProtection.insecure]),
  Effect.provide(Progress.Progress.layerNone),
  Effect.scoped
)
