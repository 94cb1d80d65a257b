/** Segmentation offload on real sockets, on the loopback interface with TTL 0 only. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Datagram from "../../src/transport/Datagram.ts"
import * as Offload from "../../src/transport/Offload.ts"
import type { Options } from "../../src/transport/Udp.ts"
import { conformance, endpoint, pattern, reading } from "./conformance.ts"
import { forger } from "./Raw.ts"

const supported = Effect.runSync(Offload.supported)
if (!supported) console.warn("tests of segmentation offload are skipped: it needs Linux and koffi")

let tests = 0
const options = (): Options => {
  const run = process.pid % 1000
  tests++
  return { group: `239.254.${run & 255}.${tests}`, port: 20_000 + run * 30 + tests, interface: "127.0.0.1", ttl: 0 }
}

describe.skipIf(!supported)("on Linux", () => {
  conformance("Offload", {
    lab: Effect.sync(() => {
      const on = options()
      return {
        master: endpoint(Offload.layerMaster(on)),
        catcher: () => endpoint(Offload.layerCatcher(on)),
        forge: forger(on)
      }
    }),
    test: it.live,
    unanswerable: ["127.0.0.1:0"],
    maxDatagramBytes: 65_507,
    settle: Effect.sleep(30),
    flood: 100_000,
    glues: true
  })

  conformance("Offload to Datagram", {
    lab: Effect.sync(() => {
      const on = options()
      return {
        master: endpoint(Offload.layerMaster(on)),
        catcher: () => endpoint(Datagram.layerCatcher(on)),
        forge: forger(on)
      }
    }),
    test: it.live,
    unanswerable: ["127.0.0.1:0"],
    maxDatagramBytes: 65_507,
    settle: Effect.sleep(30),
    flood: 8000
  })

  it.live("glued datagrams of one size, then of another, then a short one", () =>
    Effect.gen(function* () {
      const on = options()
      const [m, c] = [yield* endpoint(Offload.layerMaster(on)), yield* endpoint(Datagram.layerCatcher(on))]
      const inbox = yield* reading(c)
      yield* m.send({ bytes: pattern(4400), datagramBytes: 100 })
      yield* m.send({ bytes: pattern(2500), datagramBytes: 1000 })
      yield* m.send({ bytes: pattern(7), datagramBytes: 7 })
      const lengths = (yield* inbox.take(48)).map(({ bytes }) => bytes.length)
      assert.deepStrictEqual(lengths, [...Array.from({ length: 44 }, () => 100), 1000, 1000, 500, 7])
    })
  )
})
