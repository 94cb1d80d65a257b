/** The network in memory: a transport like any other, and one whose faults come from a seed. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as VirtualTime from "../../../src/simulate/VirtualTime.ts"
import * as Simulated from "../../../src/transport/simulated/Network.ts"
import type { Transport } from "../../../src/transport/Transport.ts"
import { conformance, endpoint, pattern, reading } from "../conformance.ts"

const labOf = (options: Simulated.Options) =>
  Effect.map(Simulated.make(options), (network) => {
    let masters = 0
    return {
      master: Effect.suspend(() => endpoint(network.layerMasterNamed(`master ${++masters}`))),
      catcher: (name: string) => endpoint(network.layerCatcher(name)),
      forge: (from: string, datagram: Uint8Array) => Effect.sync(() => network.forge(from, "a", datagram))
    }
  })

/** Turns enough for everything that is under way without a delay. */
const turns = Effect.repeat(Effect.yieldNow, { times: 20 })

/** Sources that nobody can answer: port 0, groups, nobody, everybody, and a machine of a link without the link. */
const unanswerable = [
  "10.0.0.9:0",
  "0.0.0.0:5000",
  "[ff02::1]:5000",
  "[::]:5000",
  "[fe80::9]:5000",
  "224.0.0.1:5000",
  "239.1.2.3:5000",
  "255.255.255.255:5000"
]

conformance("Simulated, under TestClock", {
  lab: labOf({ seed: 1 }),
  test: it.effect,
  unanswerable,
  maxDatagramBytes: 65_507,
  settle: turns,
  flood: 8000
})

conformance("Simulated with a delay, in real time", {
  lab: labOf({ seed: 1, delayMillis: 3 }),
  test: it.live,
  unanswerable,
  maxDatagramBytes: 65_507,
  settle: Effect.sleep(30),
  flood: 8000
})

/** Every datagram of a session that one catcher saw: its number and when. */
const traceOf = (
  options: Simulated.Options,
  datagrams = 2000,
  act: (network: Simulated.Network) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<
  { readonly traces: ReadonlyArray<ReadonlyArray<string>>; readonly counters: Simulated.Counters },
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const network = yield* Simulated.make(options)
    const m = yield* endpoint(network.layerMaster)
    const traces: Array<Array<string>> = []
    for (const name of ["a", "b"]) {
      const trace: Array<string> = []
      traces.push(trace)
      yield* record(yield* endpoint(network.layerCatcher(name)), trace)
    }
    yield* act(network)
    const words = new Uint32Array(10 * 4)
    for (let i = 0; i < datagrams; i += 10) {
      for (let k = 0; k < 10; k++) words[k * 4] = i + k
      yield* m.send({ bytes: new Uint8Array(words.buffer), datagramBytes: 16 })
      yield* TestClock.adjust(1)
    }
    yield* TestClock.adjust(1000)
    return { traces, counters: yield* network.counters }
  }).pipe(Effect.orDie)

const record = (transport: Transport["Service"], trace: Array<string>) =>
  Effect.forkScoped(
    Stream.runForEach(transport.receive, (batch) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        for (const { bytes } of batch) trace.push(`${now}:${new Uint32Array(bytes.slice().buffer).join(".")}`)
      })
    ),
    { startImmediately: true }
  )

const numbers = (trace: ReadonlyArray<string>) => trace.map((entry) => Number(entry.split(/[:.]/)[1]))

const rough = { loss: 0.1, duplicate: 0.05, reorder: 0.05, corrupt: 0.05, delayMillis: 5, jitterMillis: 3 }

describe("Simulated", () => {
  it.effect("the same seed gives the same trace, another seed another", () =>
    Effect.gen(function* () {
      const first = yield* traceOf({ seed: 7, ...rough })
      // The clock has moved on meanwhile: compare numbers and the pauses between them.
      const again = yield* traceOf({ seed: 7, ...rough })
      const other = yield* traceOf({ seed: 8, ...rough })
      const shape = (trace: ReadonlyArray<string>) => {
        const start = Number(trace[0]!.split(":")[0])
        return trace.map((entry) => `${Number(entry.split(":")[0]) - start}:${entry.split(":")[1]}`)
      }
      assert.deepStrictEqual(again.traces.map(shape), first.traces.map(shape))
      assert.deepStrictEqual(again.counters, first.counters)
      assert.notDeepEqual(other.traces.map(shape), first.traces.map(shape))
      assert.notDeepEqual(first.traces[0], first.traces[1])
    })
  )

  it.effect("each fault comes about as often as asked, for each receiver by itself", () =>
    Effect.gen(function* () {
      const about = (count: number, probability: number) =>
        assert.approximately(count / 40_000, probability, 0.01, `${count} of 40,000`)
      const { counters, traces } = yield* traceOf(
        { seed: 3, loss: 0.2, duplicate: 0.1, reorder: 0.05, corrupt: 0.03 },
        20_000
      )
      about(counters.lost, 0.2)
      about(counters.duplicated, 0.8 * 0.1)
      about(counters.reordered, 0.8 * 1.1 * 0.05)
      about(counters.corrupted, 0.8 * 1.1 * 0.03)
      assert.strictEqual(counters.sent, 20_000)
      assert.strictEqual(counters.delivered, 40_000 - counters.lost + counters.duplicated)
      assert.strictEqual(traces[0]!.length + traces[1]!.length, counters.delivered)
      // What one lost says nothing of the other.
      const [a, b] = traces.map((trace) => new Set(numbers(trace)))
      let both = 0
      for (let i = 0; i < 20_000; i++) if (!a!.has(i) && !b!.has(i)) both++
      assert.approximately(both / 20_000, 0.2 * 0.2, 0.01)
    })
  )

  it.effect("answers are lost as well", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 5, loss: 0.25 })
      const [m, c] = [yield* endpoint(network.layerMaster), yield* endpoint(network.layerCatcher("a"))]
      for (let i = 0; i < 2000; i++) yield* c.sendTo(m.local, pattern(10))
      yield* turns
      const { delivered, lost } = yield* network.counters
      assert.approximately(lost / 2000, 0.25, 0.04)
      assert.strictEqual(delivered + lost, 2000)
    })
  )

  it.effect("a datagram held back is passed by later ones; without faults nothing is", () =>
    Effect.gen(function* () {
      const disorder = (trace: ReadonlyArray<number>) => trace.filter((n, i) => i > 0 && n < trace[i - 1]!).length
      const held = yield* traceOf({ seed: 1, reorder: 0.1 })
      const straight = yield* traceOf({ seed: 1, delayMillis: 20 })
      assert.isAbove(disorder(numbers(held.traces[0]!)), 50)
      assert.strictEqual(held.counters.delivered, 4000)
      assert.strictEqual(disorder(numbers(straight.traces[0]!)), 0)
      assert.strictEqual(straight.counters.delivered, 4000)
    })
  )

  it.effect("a delay is kept to the millisecond, jitter within its bound", () =>
    Effect.gen(function* () {
      const times = (delayMillis: number, jitterMillis: number) =>
        Effect.gen(function* () {
          const network = yield* Simulated.make({ seed: 2, delayMillis, jitterMillis })
          const [m, c] = [yield* endpoint(network.layerMaster), yield* endpoint(network.layerCatcher("a"))]
          const trace: Array<string> = []
          yield* record(c, trace)
          const start = yield* Clock.currentTimeMillis
          yield* m.send({ bytes: new Uint8Array(4 * 100), datagramBytes: 4 })
          yield* TestClock.adjust(100)
          return trace.map((entry) => Number(entry.split(":")[0]) - start)
        })
      assert.deepStrictEqual(new Set(yield* times(30, 0)), new Set([30]))
      const jittered = yield* times(30, 10)
      assert.strictEqual(jittered.length, 100)
      assert.isAtLeast(Math.min(...jittered), 30)
      assert.isAtMost(Math.max(...jittered), 40)
      assert.isAtLeast(new Set(jittered).size, 8)
    })
  )

  it.effect("something sent later that is due earlier does not wait", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 2, delayMillis: 500 })
      const [m, c] = [yield* endpoint(network.layerMaster), yield* endpoint(network.layerCatcher("a"))]
      const trace: Array<string> = []
      yield* record(c, trace)
      yield* m.send({ bytes: Uint8Array.of(1, 0, 0, 0), datagramBytes: 4 })
      yield* TestClock.adjust(1)
      yield* network.impair({ delayMillis: 10 })
      yield* m.send({ bytes: Uint8Array.of(2, 0, 0, 0), datagramBytes: 4 })
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(trace, ["11:2", "500:1"])
    })
  )

  it.effect("damage flips one bit, for one receiver", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 2, corrupt: 0.5 })
      const m = yield* endpoint(network.layerMaster)
      const [a, b] = [yield* endpoint(network.layerCatcher("a")), yield* endpoint(network.layerCatcher("b"))]
      const [atA, atB] = [yield* reading(a), yield* reading(b)]
      const sent = pattern(100)
      yield* m.send({ bytes: pattern(100 * 100).map((_, i) => sent[i % 100]!), datagramBytes: 100 })
      const bits = (bytes: Uint8Array) =>
        bytes.reduce((sum, byte, i) => sum + (byte ^ sent[i]!).toString(2).replaceAll("0", "").length, 0)
      const [flippedA, flippedB] = [
        (yield* atA.take(100)).map((one) => bits(one.bytes)),
        (yield* atB.take(100)).map((one) => bits(one.bytes))
      ]
      assert.deepStrictEqual(new Set([...flippedA, ...flippedB]), new Set([0, 1]))
      assert.notDeepEqual(flippedA, flippedB)
    })
  )

  it.effect("a parted endpoint neither hears nor is heard, and what was under way to it is gone", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 2, delayMillis: 10 })
      const m = yield* endpoint(network.layerMaster)
      const [a, b] = [yield* endpoint(network.layerCatcher("a")), yield* endpoint(network.layerCatcher("b"))]
      const traces: Record<string, Array<string>> = { m: [], a: [], b: [] }
      yield* record(m, traces.m!)
      yield* record(a, traces.a!)
      yield* record(b, traces.b!)
      const say = (n: number) => m.send({ bytes: Uint8Array.of(n, 0, 0, 0), datagramBytes: 4 })
      const answer = (from: Transport["Service"], n: number) => from.sendTo(m.local, Uint8Array.of(n, 0, 0, 0))
      yield* say(1)
      yield* network.partition("a")
      yield* TestClock.adjust(20)
      yield* say(2)
      yield* answer(a, 3)
      yield* answer(b, 4)
      yield* TestClock.adjust(20)
      yield* network.unpartition("a")
      yield* say(5)
      yield* answer(a, 6)
      yield* TestClock.adjust(20)
      const values = (name: string) => numbers(traces[name]!)
      assert.deepStrictEqual([values("a"), values("b"), values("m")], [[5], [1, 2, 5], [4, 6]])
      assert.strictEqual((yield* network.counters).parted, 3)
    })
  )

  it.effect("a full receive buffer drops and counts", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 2, receiveBufferBytes: 10_000 })
      const [m, c] = [yield* endpoint(network.layerMaster), yield* endpoint(network.layerCatcher("a"))]
      assert.strictEqual(c.receiveBufferBytes, 10_000)
      yield* m.send({ bytes: pattern(44 * 1000), datagramBytes: 1000 })
      yield* turns
      assert.strictEqual((yield* c.stats).dropped, 34)
      assert.strictEqual((yield* network.counters).overflowed, 34)
      const inbox = yield* reading(c)
      yield* inbox.take(10)
      // Empty datagrams cost something too.
      for (let i = 0; i < 100; i++) yield* m.send({ bytes: new Uint8Array(0), datagramBytes: 0 })
      yield* turns
      assert.strictEqual((yield* c.stats).dropped, 34 + 100 - Math.floor(10_000 / Simulated.leastBufferedBytes))
    })
  )

  it.effect("a catcher built again under its name has another address", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 2 })
      const once = Effect.scoped(Effect.map(endpoint(network.layerCatcher("a")), (catcher) => catcher.local))
      assert.notStrictEqual(yield* once, yield* once)
    })
  )

  it.live(
    "three hundred endpoints take ten thousand datagrams each within seconds",
    () =>
      Effect.gen(function* () {
        const network = yield* Simulated.make({ seed: 2, loss: 0.01 })
        const m = yield* endpoint(network.layerMaster)
        let received = 0
        for (let i = 0; i < 300; i++) {
          const c = yield* endpoint(network.layerCatcher(`c${i}`))
          yield* Effect.forkScoped(
            Stream.runForEach(c.receive, (batch) => Effect.sync(() => void (received += batch.length)))
          )
        }
        const bytes = pattern(44 * 1000)
        for (let i = 0; i < 10_000; i += 44) yield* m.send({ bytes, datagramBytes: 1000 })
        yield* turns
        const { delivered, lost, overflowed } = yield* network.counters
        assert.strictEqual(delivered + lost, Math.ceil(10_000 / 44) * 44 * 300)
        assert.strictEqual(overflowed, 0)
        assert.strictEqual(received, delivered)
      }),
    20_000
  )
})

describe("what a simulator needs of it", () => {
  /** Every datagram that one catcher received, its number and when, after `act` beside 2000 sent ones a millisecond apart. */
  const numbered = (options: Simulated.Options, act?: (network: Simulated.Network) => Effect.Effect<void>) =>
    Effect.map(traceOf(options, 2000, act), ({ counters, traces }) => ({ counters, got: traces.map(numbers) }))

  it.effect("glued datagrams come in runs, without those that were lost", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 3, glued: true, loss: 0.2 })
      const [m, c] = [yield* endpoint(network.layerMaster), yield* endpoint(network.layerCatcher("a"))]
      const sizes: Array<number> = []
      yield* Effect.forkScoped(
        Stream.runForEach(c.receive, (batch) =>
          Effect.sync(() => sizes.push(...batch.map(({ bytes }) => bytes.length)))
        ),
        { startImmediately: true }
      )
      for (let i = 0; i < 50; i++) yield* m.send({ bytes: pattern(39 * 1000 + 1), datagramBytes: 1000 })
      yield* turns
      const { delivered, lost } = yield* network.counters
      assert.strictEqual(delivered + lost, 50 * 40)
      assert.approximately(lost / 2000, 0.2, 0.04)
      assert.isAbove(sizes.length, 100)
      assert.isBelow(sizes.length, lost + 50)
      assert.isTrue(sizes.every((size) => size % 1000 <= 1))
      assert.strictEqual((yield* c.stats).received, delivered)
    })
  )

  it.effect("bursts lose what they lose in a row; the sender's losses are everybody's", () =>
    Effect.gen(function* () {
      const burst = { apartMillis: 30, lastsMillis: 10, loss: 1 }
      const { counters, got } = yield* numbered({ seed: 4, burst })
      assert.approximately(counters.lost / 4000, 0.25, 0.12)
      // ten datagrams a millisecond: few gaps, and long ones
      const gaps = got[0].filter((n, i) => i > 0 && n > got[0][i - 1] + 1).length
      assert.isBelow(gaps, counters.lost / 2 / 10)
      assert.notDeepEqual(got[0], got[1])
      const shared = yield* numbered({ seed: 4, lossAtSender: 0.1, burstAtSender: burst })
      assert.strictEqual(shared.counters.lost, 0)
      assert.isAbove(shared.counters.lostAtSender, 200)
      assert.deepStrictEqual(shared.got[0], shared.got[1])
    })
  )

  it.effect("a link that stands still loses nothing and delivers in order when it flows again", () =>
    Effect.gen(function* () {
      const clog = (network: Simulated.Network) =>
        Effect.asVoid(
          Effect.forkDetach(
            Effect.sleep(50).pipe(
              Effect.andThen(network.clog("a")),
              Effect.andThen(Effect.sleep(100)),
              Effect.andThen(network.unclog("a"))
            )
          )
        )
      const { counters, traces } = yield* traceOf({ seed: 5 }, 2000, clog)
      assert.strictEqual(counters.delivered, 4000)
      assert.deepStrictEqual(numbers(traces[0]), numbers(traces[1]))
      const times = traces[0].map((entry) => Number(entry.split(":")[0]))
      assert.isAbove(Math.max(...times.map((time, i) => (i === 0 ? 0 : time - times[i - 1]))), 90)
    })
  )

  it.effect("an echo comes long after; one link may be worse than the others, one way", () =>
    Effect.gen(function* () {
      const { counters, traces } = yield* traceOf({ seed: 6, duplicate: 0.1, echoMillis: 500 })
      assert.approximately(counters.duplicated / 4000, 0.1, 0.02)
      const late = numbers(traces[0]).filter((n, i, all) => i > 0 && n < all[i - 1] - 500).length
      assert.isAbove(late, 50)
      const worse = yield* numbered({ seed: 6 }, (network) => network.impairLink("b", "Group", { loss: 0.5 }))
      assert.strictEqual(worse.got[0].length, 2000)
      assert.approximately(worse.got[1].length, 1000, 100)
    })
  )

  it.effect("a link of so many bytes a second spreads datagrams, and makes a sender wait whose buffer is full", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 7, bytesPerSecond: 1_000_000 })
      const [m, c] = [yield* endpoint(network.layerMaster), yield* endpoint(network.layerCatcher("a"))]
      const trace: Array<string> = []
      yield* record(c, trace)
      const bytes = 100 * 972
      const sending = yield* Effect.forkChild(
        Effect.forEach([1, 2, 3, 4], () => m.send({ bytes: new Uint8Array(bytes), datagramBytes: 972 }))
      )
      yield* TestClock.adjust(50)
      // 1000 bytes with their headers: one a millisecond
      assert.approximately(trace.length, 50, 3)
      assert.isUndefined(sending.pollUnsafe())
      yield* TestClock.adjust(200)
      assert.isDefined(sending.pollUnsafe())
      yield* TestClock.adjust(200)
      assert.strictEqual(trace.length, 400)
    })
  )

  it.effect("a receiver that gives way to others between looking and waiting is woken all the same", () =>
    Effect.gen(function* () {
      // so few steps at a time that it does so at every place
      for (let steps = 3; steps <= 12; steps++) {
        const heard = yield* VirtualTime.run(() =>
          Effect.scoped(
            Effect.gen(function* () {
              const network = yield* Simulated.make({ seed: 1 })
              const [m, c] = [yield* endpoint(network.layerMaster), yield* endpoint(network.layerCatcher("a"))]
              let heard = 0
              const hear = Stream.runForEach(c.receive, (batch) => Effect.sync(() => void (heard += batch.length)))
              yield* Effect.forkScoped(hear)
              for (let i = 0; i < 40; i++) {
                yield* m.send({ bytes: pattern(1), datagramBytes: 1 })
                for (let turn = 0; turn < i % 7; turn++) yield* Effect.yieldNow
              }
              yield* Effect.sleep(10)
              return heard
            })
          ).pipe(Effect.provideService(References.MaxOpsBeforeYield, steps))
        )
        assert.strictEqual(heard, 40, `${steps} steps at a time`)
      }
    })
  )

  it.effect("forged datagrams have the address that they claim; a detached endpoint hears no more", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const observe = (event: Simulated.Event) => void seen.push(`${event._tag} ${event.name}`)
      const network = yield* Simulated.make({ seed: 8, observe })
      const [m, c] = [yield* endpoint(network.layerMaster), yield* endpoint(network.layerCatcher("a"))]
      const inbox = yield* reading(m)
      network.forge(network.addressOf("a")!, "master", pattern(5))
      assert.deepStrictEqual(yield* inbox.take(1), [{ bytes: pattern(5), from: c.local }])
      yield* m.send({ bytes: pattern(10), datagramBytes: 10 })
      assert.deepStrictEqual(seen, ["Sent master"])
      yield* network.detach("a")
      assert.isUndefined(network.addressOf("a"))
      assert.strictEqual((yield* Effect.flip(c.sendTo(m.local, pattern(1))))._tag, "TransportError")
      yield* turns
      assert.deepStrictEqual((yield* network.traffic).get("master"), {
        sent: 1,
        received: 1,
        dropped: 0,
        peakBufferBytes: Simulated.leastBufferedBytes
      })
    })
  )
})
