/** The door of a session: what a datagram becomes, and what becomes of one that is of no use. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Keys from "../../src/seal/Keys.ts"
import {
  type Arrived,
  CatcherExchange,
  CatcherProtection,
  displaySession,
  MasterExchange,
  messages,
  MasterProtection
} from "../../src/session/Exchange.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { Transport, TransportError } from "../../src/transport/Transport.ts"
import * as Codec from "../../src/wire/Codec.ts"
import type { PageSeal } from "../../src/seal/PageSeal.ts"
import * as Header from "../../src/wire/Header.ts"
import type { Message } from "../../src/wire/Message.ts"
import { endpoint, inTime } from "../phase/Rig.ts"

const session = 9n
const who = { session, slot: 3, incarnation: 7 }
const opened: Message = { _tag: "OpenOk", ...who, file: 5, opening: 1 }

const page = (of: bigint) => {
  const bytes = new Uint8Array(24 + 4)
  Header.put(bytes, 0, Header.types.Page, bytes.length, Header.sessionOf(of), 5, 0)
  return bytes
}

/** A master's exchange, and an endpoint from which datagrams come to it. */
const masters = Effect.gen(function* () {
  const network = yield* Simulated.make({ seed: 1 })
  const transport = yield* endpoint(network.layerMaster)
  const layer = Layer.provide(
    Layer.provide(MasterExchange.layer, MasterProtection.insecure),
    Layer.succeed(Transport, transport)
  )
  const exchange = Context.get(yield* Layer.build(layer), MasterExchange)
  const other = yield* endpoint(network.layerCatcher("c"))
  const arrived: Array<ReadonlyArray<Arrived>> = []
  yield* Effect.forkScoped(exchange.receive((batch) => Effect.sync(() => void arrived.push(...batch))))
  const come = (bytes: Uint8Array) => inTime(Effect.andThen(other.sendTo(transport.local, bytes), Effect.sleep(5)))
  return { arrived, come, exchange, from: other.local, other }
})

/** A catcher's exchange on a transport that sends nothing. */
const refusedWith = Effect.fnUntraced(function* (protection: typeof CatcherProtection.Service) {
  const network = yield* Simulated.make({ seed: 1 })
  const below = yield* endpoint(network.layerCatcher("c"))
  const error = new TransportError({ operation: "send", reason: "EINVAL" })
  const transport = Transport.of({ ...below, sendTo: () => Effect.fail(error) })
  const layer = Layer.provide(CatcherExchange.layer, Layer.succeed(Transport, transport)).pipe(
    Layer.provide(Layer.succeed(CatcherProtection, protection))
  )
  return Context.get(yield* Layer.build(layer), CatcherExchange)
})
const refused = refusedWith({ _tag: "Insecure" })

const marksOf = (pages: PageSeal) => {
  const mark = new Uint32Array(2)
  pages.marks(1, "Page", 0, mark)
  return mark
}

describe("a master's exchange", () => {
  it.effect("counts openings, one for each content", () =>
    Effect.gen(function* () {
      const { exchange } = yield* masters
      const [one, two] = [{}, {}]
      assert.deepStrictEqual([one, two, one, {}].map(exchange.openingOf), [1, 2, 1, 3])
      const { low, high } = Header.sessionOf(exchange.session)
      assert.deepStrictEqual([...marksOf(exchange.pages)], [low, high])
    })
  )

  it.effect("hands over what came glued together as one list, and of pages those of another session", () =>
    Effect.gen(function* () {
      const { arrived, come, exchange, from } = yield* masters
      yield* come(
        Buffer.concat([
          Codec.encode(opened),
          page(exchange.session),
          page(8n),
          page(exchange.session),
          Codec.encode(opened)
        ])
      )
      const message = { _tag: "Message", from, message: opened }
      assert.deepStrictEqual(arrived as unknown, [[message, { _tag: "OtherPage", from }, message]])
      assert.strictEqual(exchange.unreadable(), 0)
    })
  )

  it.effect("counts what cannot be read, and takes what is around it [W-1] [W-7]", () =>
    Effect.gen(function* () {
      const { arrived, come, exchange } = yield* masters
      const damaged = Codec.encode(opened)
      damaged[25] ^= 1
      yield* come(Buffer.concat([damaged, Codec.encode(opened), Buffer.from("any bytes")]))
      yield* come(Buffer.from("any bytes"))
      assert.deepStrictEqual(
        arrived.map((glued) => glued.length),
        [1, 0]
      )
      assert.strictEqual(exchange.unreadable(), 3)
    })
  )

  it.effect("sends copies of a probe glued together, and says how many bytes they took", () =>
    Effect.gen(function* () {
      const { exchange, other } = yield* masters
      const heard: Array<Message> = []
      yield* Effect.forkScoped(
        Stream.runForEach(other.receive, (batch) =>
          Effect.sync(() => void heard.push(...batch.flatMap(({ bytes }) => messages(bytes))))
        )
      )
      const train = {
        _tag: "Probe",
        session,
        probing: 1,
        train: 2,
        pageBytes: 700,
        isGlued: true,
        audience: []
      } as const
      const bytes = yield* inTime(Effect.tap(exchange.sendProbe(train, 3), Effect.sleep(5)))
      assert.strictEqual(bytes, 3 * 724)
      assert.deepStrictEqual(heard, [train, train, train])
    })
  )
})

describe("a catcher's exchange", () => {
  it.effect("under a seal takes no pages of a session that it has no secret of, nor any in the open [E-4]", () =>
    Effect.gen(function* () {
      const keys = Keys.forCatchers(Keys.ofSecrets(new Uint8Array(32), new Uint8Array(32)))
      const sealed = refusedWith({ _tag: "Sealed", keys })
      const marks = (exchange: CatcherExchange["Service"]) => marksOf(exchange.pagesOf(session))
      const { high, low } = Header.sessionOf(session)
      const [one, two] = [marks(yield* sealed), marks(yield* sealed)]
      assert.notDeepEqual(one, two)
      assert.notDeepEqual([...one], [low, high])
      assert.deepStrictEqual([...marks(yield* refused)], [low, high])
    })
  )

  it.effect("fails when its master cannot be answered, and not when an address that may be forged cannot [P-4]", () =>
    Effect.gen(function* () {
      const { answer, tell } = yield* refused
      const left = { _tag: "Aborted", ...who, file: undefined } as const
      assert.strictEqual((yield* Effect.flip(answer("10.0.0.1:1", left))).reason, "EINVAL")
      yield* tell("0.0.0.0:0", left)
    })
  )

  it.effect("sends as many failures as fit into a datagram, and says where to ask on [F-2]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const below = yield* endpoint(network.layerCatcher("c"))
      const sent: Array<Uint8Array> = []
      const sendTo = (_: string, bytes: Uint8Array) => Effect.sync(() => void sent.push(bytes))
      const transport = Layer.succeed(Transport, Transport.of({ ...below, sendTo }))
      const context = yield* Layer.build(
        Layer.provide(Layer.provide(CatcherExchange.layer, CatcherProtection.insecure), transport)
      )
      const failures = Array.from({ length: 20 }, (_, entry) => ({ entry: 10 + entry, reason: "x".repeat(200) }))
      const closed = { _tag: "CloseOk", ...who, file: 5, from: 0, failures, next: undefined } as const
      yield* Context.get(context, CatcherExchange).answer("10.0.0.1:1", closed)
      const [said] = messages(sent[0])
      const fitting = said._tag === "CloseOk" ? said.failures : []
      assert.isTrue(fitting.length > 1 && fitting.length < 20)
      assert.deepStrictEqual(said as unknown, { ...closed, failures: fitting, next: 10 + fitting.length })
    })
  )
})

it("a session is shown as 16 digits", () => {
  assert.strictEqual(displaySession(0xabcn), "0000000000000abc")
})
