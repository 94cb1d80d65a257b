/**
 * What every transport must do, whatever is below it. A transport that glues datagrams together is served too: what
 * arrives is split by the length that was sent.
 */
import { assert, describe } from "@effect/vitest"
import type { Vitest } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { type Address, type Received, Transport, type TransportError } from "../../src/transport/Transport.ts"

type Service = Transport["Service"]

/** A network of its own for one test: every call gives one more endpoint on the same group. */
export interface Lab {
  readonly master: Effect.Effect<Service, TransportError, Scope.Scope>
  readonly catcher: (name: string) => Effect.Effect<Service, TransportError, Scope.Scope>
  /** Sends a datagram to the group, or to all its catchers, whose source is written into it; without it nobody may do so here. */
  readonly forge: ((from: Address, datagram: Uint8Array) => Effect.Effect<void>) | undefined
}

export interface Subject {
  readonly lab: Effect.Effect<Lab, TransportError, Scope.Scope>
  /** `it.live` for real sockets, `it.effect` under TestClock. */
  readonly test: Vitest.Tester<Scope.Scope>
  /** Sources that cannot be answered, and reach a receiver: a kernel drops most of them. */
  readonly unanswerable: ReadonlyArray<Address>
  readonly maxDatagramBytes: number
  /** Lets a network that needs time deliver. */
  readonly settle: Effect.Effect<void>
  /** The kernel hands over several datagrams as one, and counts them so. */
  readonly glues?: boolean
  /** Datagrams of 1000 bytes that no reader's buffers hold. */
  readonly flood: number
}

export const endpoint = <E>(layer: Layer.Layer<Transport, E>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, Transport))

/** Reads one endpoint: its stream is run once, and each call takes what it needs. */
export const reading = Effect.fnUntraced(function* (transport: Service) {
  const pull: Pull.Pull<ReadonlyArray<ReadonlyArray<Received>>, TransportError> = yield* Stream.toPull(
    transport.receive
  )
  let ready: Array<Received> = []
  return {
    /** As many datagrams; glued ones are split at this length. */
    take: Effect.fnUntraced(function* (count: number, datagramBytes = Infinity) {
      while (ready.length < count) {
        for (const batch of yield* pull) {
          for (const { bytes, from } of batch) {
            assert.isFalse(Buffer.isBuffer(bytes), "a slice of a Buffer is no copy")
            if (bytes.length <= datagramBytes) ready.push({ bytes: bytes.slice(), from })
            for (let at = 0; at < bytes.length && bytes.length > datagramBytes; at += datagramBytes) {
              ready.push({ bytes: bytes.slice(at, at + datagramBytes), from })
            }
          }
        }
      }
      const taken = ready.slice(0, count)
      ready = ready.slice(count)
      return taken
    })
  }
})

/** Bytes that tell where they belong. */
export const pattern = (length: number, seed = 0) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + seed) & 255)

const one = (bytes: Uint8Array) => ({ bytes, datagramBytes: bytes.length })

export const conformance = (name: string, subject: Subject) => {
  const { lab, settle, test } = subject
  describe(`${name} is a transport`, () => {
    test("a glued batch arrives as its datagrams, the last one shorter", () =>
      Effect.gen(function* () {
        const { catcher, master } = yield* lab
        const [m, c] = [yield* master, yield* catcher("a")]
        const inbox = yield* reading(c)
        const bytes = pattern(1400 * 43 + 99)
        yield* m.send({ bytes, datagramBytes: 1400 })
        const got = yield* inbox.take(44, 1400)
        assert.deepStrictEqual(
          got.map((one) => one.bytes.length),
          [...Array.from({ length: 43 }, () => 1400), 99]
        )
        got.forEach((one, i) => assert.deepStrictEqual(one.bytes, bytes.slice(i * 1400, i * 1400 + 1400)))
        assert.strictEqual((yield* m.stats).sent, 44)
        assert.isAtLeast((yield* c.stats).received, 1)
      }))

    test("order is kept on a perfect path, between batches and single datagrams", () =>
      Effect.gen(function* () {
        const { catcher, master } = yield* lab
        const [m, c] = [yield* master, yield* catcher("a")]
        const inbox = yield* reading(c)
        let number = 0
        const numbered = (count: number) => {
          const words = new Uint32Array(count * 4)
          for (let i = 0; i < count; i++) words[i * 4] = number++
          return new Uint8Array(words.buffer)
        }
        for (let i = 0; i < 40; i++) yield* m.send({ bytes: numbered((i % 7) + 1), datagramBytes: 16 })
        const got = yield* inbox.take(number, 16)
        assert.deepStrictEqual(
          got.map((one) => new Uint32Array(one.bytes.buffer)[0]),
          Array.from({ length: number }, (_, i) => i)
        )
      }))

    test("answers reach the master from the catcher's own address, and catchers see the master's", () =>
      Effect.gen(function* () {
        const { catcher, master } = yield* lab
        const [m, a, b] = [yield* master, yield* catcher("a"), yield* catcher("b")]
        const [atMaster, atA, atB] = [yield* reading(m), yield* reading(a), yield* reading(b)]
        yield* m.send(one(pattern(100)))
        for (const inbox of [atA, atB]) {
          const [question] = yield* inbox.take(1)
          assert.strictEqual(question!.from, m.local)
          assert.deepStrictEqual(question!.bytes, pattern(100))
        }
        assert.strictEqual(new Set([m.local, a.local, b.local]).size, 3)
        yield* a.sendTo(m.local, pattern(20, 1))
        assert.deepStrictEqual(yield* atMaster.take(1), [{ bytes: pattern(20, 1), from: a.local }])
        yield* b.sendTo(m.local, pattern(30, 2))
        assert.deepStrictEqual(yield* atMaster.take(1), [{ bytes: pattern(30, 2), from: b.local }])
      }))

    test("what a catcher multicasts reaches the other catchers, and neither itself nor a master that does not listen", () =>
      Effect.gen(function* () {
        const { catcher, master } = yield* lab
        const [m, a, b] = [yield* master, yield* catcher("a"), yield* catcher("b")]
        const [atMaster, atA, atB] = [yield* reading(m), yield* reading(a), yield* reading(b)]
        yield* a.send(one(pattern(10, 1)))
        assert.deepStrictEqual(yield* atB.take(1), [{ bytes: pattern(10, 1), from: a.local }])
        yield* m.send(one(pattern(10, 2)))
        assert.deepStrictEqual(yield* atA.take(1), [{ bytes: pattern(10, 2), from: m.local }])
        yield* b.sendTo(m.local, pattern(10, 3))
        assert.deepStrictEqual(yield* atMaster.take(1), [{ bytes: pattern(10, 3), from: b.local }])
      }))

    test("a master that listens hears another master and not itself, until its scope closes", () =>
      Effect.gen(function* () {
        const { catcher, master } = yield* lab
        const [m, other, c] = [yield* master, yield* master, yield* catcher("a")]
        const inbox = yield* reading(m)
        // a reader that waits already hears it as well
        const next = Effect.forkChild(inbox.take(1), { startImmediately: true })
        const first = yield* next
        const scope = yield* Scope.make()
        yield* Scope.provide(m.listen, scope)
        yield* m.send(one(pattern(10, 1)))
        yield* other.send(one(pattern(10, 2)))
        assert.deepStrictEqual(yield* Fiber.join(first), [{ bytes: pattern(10, 2), from: other.local }])
        yield* c.sendTo(m.local, pattern(10, 3))
        assert.deepStrictEqual(yield* inbox.take(1), [{ bytes: pattern(10, 3), from: c.local }])
        const last = yield* next
        yield* Scope.close(scope, Exit.void)
        yield* other.send(one(pattern(10, 4)))
        yield* settle
        yield* c.sendTo(m.local, pattern(10, 5))
        assert.deepStrictEqual(yield* Fiber.join(last), [{ bytes: pattern(10, 5), from: c.local }])
      }))

    test("the memory of a batch may be used again when send completes", () =>
      Effect.gen(function* () {
        const { catcher, master } = yield* lab
        const [m, c] = [yield* master, yield* catcher("a")]
        const inbox = yield* reading(c)
        const memory = new Uint8Array(10 * 1000)
        for (let i = 0; i < 20; i++) {
          memory.fill(i)
          yield* m.send({ bytes: memory, datagramBytes: 1000 })
        }
        memory.fill(255)
        const got = yield* inbox.take(200, 1000)
        got.forEach((one, i) => assert.isTrue(one.bytes.every((byte) => byte === Math.floor(i / 10))))
      }))

    test("what nobody can answer is left out and counted, and an answer that cannot be sent is lost", () =>
      Effect.gen(function* () {
        const { catcher, forge, master } = yield* lab
        const [m, c] = [yield* master, yield* catcher("a")]
        const [atMaster, atCatcher] = [yield* reading(m), yield* reading(c)]
        if (forge !== undefined) {
          for (const from of subject.unanswerable) yield* forge(from, pattern(10))
          yield* m.send(one(pattern(20)))
          assert.deepStrictEqual(yield* atCatcher.take(1), [{ bytes: pattern(20), from: m.local }])
          assert.strictEqual((yield* c.stats).unanswerable, subject.unanswerable.length)
        }
        const port = m.local.split(":")[1]
        for (const host of ["0.0.0.0", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255", "127.255.255.255"]) {
          yield* c.sendTo(`${host}:${port}`, pattern(1))
        }
        for (const to of ["", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "localhost:80", "[::1]:80"]) {
          yield* c.sendTo(to, pattern(1))
        }
        yield* settle
        yield* c.sendTo(m.local, pattern(30))
        const last = (yield* atMaster.take(1)).find(({ bytes }) => bytes.length > 1)
        assert.deepStrictEqual(last ?? (yield* atMaster.take(1))[0], { bytes: pattern(30), from: c.local })
      }))

    test("datagrams may be empty, of one byte, and as long as UDP allows", () =>
      Effect.gen(function* () {
        const { catcher, master } = yield* lab
        const [m, c] = [yield* master, yield* catcher("a")]
        const [atMaster, atCatcher] = [yield* reading(m), yield* reading(c)]
        for (const length of [0, 1, subject.maxDatagramBytes]) {
          yield* m.send(one(pattern(length)))
          assert.deepStrictEqual(yield* atCatcher.take(1), [{ bytes: pattern(length), from: m.local }])
          yield* c.sendTo(m.local, pattern(length, 9))
          assert.deepStrictEqual(yield* atMaster.take(1), [{ bytes: pattern(length, 9), from: c.local }])
        }
      }))

    test("a receiver that reads too late loses datagrams in bounded buffers, which are counted", () =>
      Effect.gen(function* () {
        const { catcher, master } = yield* lab
        const [m, slow] = [yield* master, yield* catcher("slow")]
        const inbox = yield* reading(slow)
        const batch = { bytes: pattern(40 * 1000), datagramBytes: 1000 }
        for (let i = 0; i < subject.flood; i += 40) yield* m.send(batch)
        yield* settle
        // What was not dropped is there, and the endpoint is as good as before.
        let kept = 0
        if (subject.glues === true) {
          // glued datagrams are dropped, received and counted as one
          yield* m.send(one(pattern(77)))
          while ((yield* inbox.take(1, 1000))[0].bytes.length === 1000) kept++
          assert.isBelow(kept, subject.flood)
          assert.isAbove((yield* slow.stats).dropped, 0)
          return
        }
        // Some may still be in the kernel's buffer, and be dropped on their way out of it: those that were neither
        // taken nor dropped come.
        for (; kept + (yield* slow.stats).dropped < subject.flood; kept++) yield* inbox.take(1, 1000)
        assert.isBelow(kept, subject.flood)
        yield* m.send(one(pattern(77)))
        assert.deepStrictEqual(yield* inbox.take(1), [{ bytes: pattern(77), from: m.local }])
        const stats = yield* slow.stats
        assert.strictEqual(stats.received + stats.dropped, subject.flood + 1)
        assert.strictEqual((yield* m.stats).sent, subject.flood + 1)
      }))

    test("receiving and sending may be interrupted", () =>
      Effect.gen(function* () {
        const { catcher, master } = yield* lab
        const [m, c] = [yield* master, yield* catcher("a")]
        const reader = yield* Effect.forkChild(Stream.runDrain(c.receive), { startImmediately: true })
        yield* settle
        assert.isTrue(Exit.hasInterrupts(yield* Effect.andThen(Fiber.interrupt(reader), Fiber.await(reader))))
        const batch = { bytes: pattern(44 * 1000), datagramBytes: 1000 }
        const sender = yield* Effect.forkChild(Effect.forever(m.send(batch)), { startImmediately: true })
        yield* Effect.yieldNow
        assert.isTrue(Exit.hasInterrupts(yield* Effect.andThen(Fiber.interrupt(sender), Fiber.await(sender))))
        yield* settle
        yield* m.send(one(pattern(5, 200)))
        const inbox = yield* reading(c)
        const { sent } = yield* m.stats
        const got = yield* inbox.take(sent, 1000)
        assert.deepStrictEqual(got.at(-1), { bytes: pattern(5, 200), from: m.local })
      }))

    test("a closed endpoint fails what is asked of it, and a waiting reader", () =>
      Effect.gen(function* () {
        const { catcher, master } = yield* lab
        const m = yield* master
        const scope = yield* Scope.make()
        const c = yield* Scope.provide(catcher("a"), scope)
        const reader = yield* Effect.forkChild(Effect.flip(Stream.runDrain(c.receive)), { startImmediately: true })
        yield* settle
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual((yield* Fiber.join(reader))._tag, "TransportError")
        assert.strictEqual((yield* Effect.flip(c.send(one(pattern(5)))))._tag, "TransportError")
        assert.strictEqual((yield* Effect.flip(c.sendTo(m.local, pattern(5))))._tag, "TransportError")
        const closedMaster = yield* Scope.make()
        const gone = yield* Scope.provide(master, closedMaster)
        const waiting = yield* Effect.forkChild(Effect.flip(Stream.runDrain(gone.receive)), { startImmediately: true })
        yield* settle
        yield* Scope.close(closedMaster, Exit.void)
        assert.strictEqual((yield* Fiber.join(waiting))._tag, "TransportError")
        // One that comes later is told as well, and one that was at work on what it had read.
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(gone.receive)))._tag, "TransportError")
        const busyScope = yield* Scope.make()
        const busy = yield* Scope.provide(catcher("busy"), busyScope)
        const began = yield* Deferred.make<void>()
        const goOn = yield* Deferred.make<void>()
        const working = yield* Effect.forkChild(
          Effect.flip(
            Stream.runForEach(busy.receive, () =>
              Effect.andThen(Deferred.succeed(began, undefined), Deferred.await(goOn))
            )
          ),
          { startImmediately: true }
        )
        yield* settle
        yield* m.send(one(pattern(5)))
        yield* Deferred.await(began)
        yield* Scope.close(busyScope, Exit.void)
        yield* Deferred.succeed(goOn, undefined)
        assert.strictEqual((yield* Fiber.join(working))._tag, "TransportError")
        // Others go on.
        const late = yield* catcher("late")
        const inbox = yield* reading(late)
        yield* m.send(one(pattern(6)))
        assert.deepStrictEqual(yield* inbox.take(1), [{ bytes: pattern(6), from: m.local }])
      }))
  })
}
