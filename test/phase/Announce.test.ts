import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Announce from "../../src/phase/Announce.ts"
import * as Roster from "../../src/protocol/group/Roster.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { Progress } from "../../src/report/Progress.ts"
import { CatcherExchange, CatcherProtection } from "../../src/session/Exchange.ts"
import * as Session from "../../src/session/Session.ts"
import type { Inbox } from "../../src/session/Incoming.ts"
import * as Chance from "../../src/transport/Chance.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { Transport } from "../../src/transport/Transport.ts"
import * as Codec from "../../src/wire/Codec.ts"
import type * as Message from "../../src/wire/Message.ts"
import { answering, crowd, endpoint, inTime, master, messagesOf, puppet, timed } from "./Rig.ts"

const announceOf = (session: bigint, more: Partial<Message.Announce> = {}): Message.Announce => ({
  ...{ _tag: "Announce", session, pageBytes: 700, blockPages: 64, timeoutMillis: 2000, uptimeMillis: 0 },
  ...{ spreadMillis: 0, joined: 0, wanted: 1, ...more }
})

/** A master by hand: announces now and then, and answers each join. */
const announcing = Effect.fnUntraced(function* (
  network: Simulated.Network,
  name: string,
  session: bigint,
  answer: (join: Message.Join) => Message.Welcome["guests"]
) {
  const joins: Array<Message.Join> = []
  const { transport } = yield* puppet(network.layerMasterNamed(name), (message) => {
    if (message._tag === "Join" && message.session === session) joins.push(message)
    return []
  })
  const say = (message: Message.Message) => {
    const bytes = Codec.encode(message)
    return transport.send({ bytes, datagramBytes: bytes.length })
  }
  let answered = 0
  const round = Effect.gen(function* () {
    yield* say(announceOf(session))
    yield* Effect.sleep(100)
    for (; answered < joins.length; answered++) {
      const guests = answer(joins[answered])
      if (guests.length > 0) yield* say({ _tag: "Welcome", session, guests })
    }
  })
  yield* Effect.forkScoped(Effect.forever(round))
  return { transport, joins, say }
})

const joining = Effect.fnUntraced(function* (network: Simulated.Network, options: Partial<Announce.JoinOptions> = {}) {
  const transport = yield* endpoint(network.layerCatcher("c"))
  const pull = yield* Stream.toPull(transport.receive)
  const inbox = pull as Inbox
  return Announce.join(inbox, { name: "c", waitMillis: 5000, ...options }).pipe(
    Effect.provide(Layer.provide(CatcherExchange.layer, CatcherProtection.insecure)),
    Effect.provideService(Transport, transport),
    Effect.provide(Progress.layerNone)
  )
})

const slotFor = (join: Message.Join, slot: number) => [{ incarnation: join.incarnation, slot }]

describe("Announce.join", () => {
  it.effect("a catcher that hears a master joins it, and knows all it needs once it is welcomed [J-1]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { joins, transport } = yield* announcing(network, "m", 5n, (join) => [
        { incarnation: join.incarnation ^ 1, slot: 3 },
        { incarnation: join.incarnation, slot: 4 }
      ])
      const membership = yield* inTime(yield* joining(network))
      const { incarnation, name, receiveBufferBytes } = joins[0]
      assert.strictEqual(name, "c")
      assert.strictEqual(receiveBufferBytes, Simulated.defaultReceiveBufferBytes)
      assert.deepStrictEqual(membership, {
        ...{ session: 5n, slot: 4, incarnation, master: transport.local, pageBytes: 700, blockPages: 64 },
        timeoutMillis: 2000,
        place: { local: network.addressOf("c")!, key: joins[0].key, moves: 0 },
        delay: membership.delay,
        pages: membership.pages
      })
      assert.isFalse(membership.pages.isSealed)
    })
  )

  it.effect("nobody there: MasterTimeout after the wait", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { exit, millis } = yield* timed(Effect.flip(yield* joining(network)))
      assert.strictEqual((yield* exit)._tag, "MasterTimeout")
      assert.approximately(millis, 5000, 50)
    })
  )

  it.effect("a name that is taken is asked for again, until it is free [J-3]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      let asked = 0
      yield* announcing(network, "m", 5n, (join) =>
        ++asked < 4 ? [{ incarnation: join.incarnation, refusal: "NameTaken" }] : slotFor(join, 0)
      )
      assert.strictEqual((yield* inTime(yield* joining(network))).slot, 0)
      assert.strictEqual(asked, 4)
    })
  )

  it.effect("a name that stays taken until the wait ends: JoinRefused, which says what to do [J-3]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      yield* announcing(network, "m", 5n, ({ incarnation }) => [{ incarnation, refusal: "NameTaken" }])
      const { exit, millis } = yield* timed(Effect.flip(yield* joining(network)))
      const error = yield* exit
      assert.strictEqual(error._tag, "JoinRefused")
      assert.include(error.message, "--id")
      assert.approximately(millis, 5000, 50)
    })
  )

  it.effect("given up before it has heard of its slot: it asks again as another incarnation [J-7]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      let first: number | undefined
      const { joins } = yield* announcing(network, "m", 5n, (join) => {
        first ??= join.incarnation
        return join.incarnation === first ? [{ incarnation: first, refusal: "Started" }] : slotFor(join, 3)
      })
      const { incarnation, session, slot } = yield* inTime(yield* joining(network))
      assert.deepStrictEqual([session, slot], [5n, 3])
      assert.strictEqual(joins[0].incarnation, first)
      assert.notStrictEqual(incarnation, first)
    })
  )

  it.effect("what was overheard of it in one session is of no use in the next: another incarnation asks [J-1]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const joined = yield* Effect.forkScoped(yield* joining(network))
      const first = yield* announcing(network, "m", 5n, () => [])
      yield* inTime(Effect.sleep(300))
      yield* first.say({ _tag: "Bye", session: 5n })
      const second = yield* announcing(network, "n", 6n, (join) => slotFor(join, 2))
      const { incarnation } = yield* inTime(Fiber.join(joined))
      const asked = (joins: ReadonlyArray<Message.Join>) => [...new Set(joins.map((join) => join.incarnation))]
      assert.strictEqual(asked(first.joins).length, 1)
      assert.deepStrictEqual(asked(second.joins), [incarnation])
      assert.notDeepEqual(asked(first.joins), asked(second.joins))
      assert.notStrictEqual(first.joins[0].key, second.joins[0].key)
    })
  )

  for (const refusal of ["NotListed", "Full", "TooOften"] as const) {
    it.effect(`${refusal}: JoinRefused at once [J-3]`, () =>
      Effect.gen(function* () {
        const network = yield* Simulated.make({ seed: 1 })
        yield* announcing(network, "m", 5n, ({ incarnation }) => [{ incarnation, refusal }])
        const { exit, millis } = yield* timed(Effect.flip(yield* joining(network)))
        assert.strictEqual((yield* exit)._tag, "JoinRefused")
        assert.isBelow(millis, 1000)
      })
    )
  }

  it.effect("a catcher that serves for ever passes over a session that refused it, and joins the next [J-3]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const first = yield* announcing(network, "m", 5n, ({ incarnation }) => [{ incarnation, refusal: "NotListed" }])
      yield* Effect.forkScoped(
        Effect.andThen(
          Effect.sleep(3000),
          announcing(network, "n", 6n, (join) => slotFor(join, 2))
        )
      )
      const { session, slot } = yield* inTime(yield* joining(network, { waitMillis: undefined }))
      assert.deepStrictEqual([session, slot], [6n, 2])
      assert.strictEqual(first.joins.length, 1)
    })
  )

  it.effect("of two masters it holds on to the one heard first, and takes no welcome from another address [J-2]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const joined = yield* joining(network)
      let rounds = 0
      const first = yield* announcing(network, "m", 5n, (join) => (++rounds > 3 ? slotFor(join, 1) : []))
      const second = yield* announcing(network, "n", 6n, (join) => slotFor(join, 2))
      // the second also welcomes in the name of the first
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.gen(function* () {
            yield* Effect.sleep(10)
            for (const join of first.joins) {
              yield* second.say({ _tag: "Welcome", session: 5n, guests: slotFor(join, 9) })
            }
          })
        )
      )
      const membership = yield* inTime(joined)
      assert.deepStrictEqual([membership.session, membership.slot], [5n, 1])
      assert.strictEqual(membership.master, first.transport.local)
      assert.strictEqual(second.joins.length, 0)
    })
  )

  it.effect(
    "its master is dead, and a stranger ends the next session before that is heard: it joins it [J-2] [J-5]",
    () =>
      Effect.gen(function* () {
        const network = yield* Simulated.make({ seed: 1 })
        const joined = yield* Effect.forkScoped(yield* joining(network))
        const speaker = (name: string) =>
          Effect.map(
            puppet(network.layerMasterNamed(name), () => []),
            (it) => it.transport
          )
        const [dead, stranger] = [yield* speaker("m"), yield* speaker("x")]
        const say = (from: typeof dead, message: Message.Message) => {
          const bytes = Codec.encode(message)
          return from.send({ bytes, datagramBytes: bytes.length })
        }
        yield* say(dead, announceOf(5n))
        yield* inTime(Effect.sleep(Limits.forgetMillis + 500))
        yield* say(stranger, { _tag: "Bye", session: 6n })
        yield* say(stranger, { _tag: "Abort", session: 6n, file: undefined, reason: "forged", audience: [] })
        yield* inTime(Effect.sleep(100))
        yield* announcing(network, "n", 6n, (join) => slotFor(join, 2))
        const { session, slot } = yield* inTime(Fiber.join(joined))
        assert.deepStrictEqual([session, slot], [6n, 2])
      })
  )

  it.effect("any bytes on the group are ignored", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const joined = yield* joining(network)
      const noise = yield* endpoint(network.layerMasterNamed("noise"))
      const chance = Chance.make(5)
      const model = Codec.encode(announceOf(7n))
      const garbage = Effect.gen(function* () {
        for (let i = 0; i < 50; i++) {
          // random bytes, and announcements with one byte wrong where it shows
          const bytes = i % 2 === 0 ? model.slice() : new Uint8Array(1 + Math.floor(chance.next() * 80))
          if (i % 2 === 0) bytes[[0, 1, 2, 4, 6][(i / 2) % 5]] ^= 0x15
          else for (let k = 0; k < bytes.length; k++) bytes[k] = Math.floor(chance.next() * 256)
          yield* noise.send({ bytes, datagramBytes: bytes.length })
        }
        yield* Effect.sleep(20)
      })
      yield* Effect.forkScoped(Effect.forever(garbage))
      yield* Effect.forkScoped(
        Effect.andThen(
          Effect.sleep(500),
          announcing(network, "m", 5n, (join) => slotFor(join, 0))
        )
      )
      assert.strictEqual((yield* inTime(joined)).session, 5n)
    })
  )
})

describe("Announce.gather", () => {
  const gathering = Effect.fnUntraced(function* (
    network: Simulated.Network,
    options: Partial<Announce.GatherOptions> & { readonly hosts?: ReadonlyArray<string> } = {}
  ) {
    const { hosts, ...gather } = options
    const { session, transport } = yield* master(network, hosts === undefined ? {} : { hosts })
    const gathered = Announce.gather({ wanted: 2, waitMillis: 3000, ...gather }).pipe(
      Effect.provideService(Transport, transport),
      Effect.provide(session.services),
      Effect.provide(Progress.layerNone)
    )
    return { session, gathered }
  })

  it.effect("waits until as many have joined, and gives their slots [J-1]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { gathered } = yield* gathering(network)
      const { heard } = yield* crowd(network, 2, () => [])
      assert.deepStrictEqual(yield* inTime(gathered), [0, 1])
      const [announce] = messagesOf(heard, "Announce")
      assert.strictEqual(announce.pageBytes, 512)
      assert.strictEqual(announce.blockPages, Limits.blockPages)
    })
  )

  it.effect("listens twice as long as its catchers took to join, and 50 ms at most [J-4]", () =>
    Effect.gen(function* () {
      const listened = Effect.fnUntraced(function* (delayMillis: number) {
        const network = yield* Simulated.make({ seed: 1, delayMillis })
        const { gathered, session } = yield* gathering(network)
        yield* crowd(network, 2, () => [])
        const { isKnown } = Context.get(session.services, Session.Paths)
        let tookMillis = 0
        const areThere = () => Roster.present(session.roster()).filter(({ slot }) => isKnown(slot)).length === 2
        const watching = Effect.forever(
          Effect.andThen(
            Effect.sync(() => (tookMillis += areThere() ? 0 : 1)),
            Effect.sleep(1)
          )
        )
        const { exit, millis } = yield* timed(Effect.raceFirst(gathered, watching))
        assert.deepStrictEqual(yield* exit, [0, 1])
        return { tookMillis, millis }
      })
      for (const delayMillis of [0, 2]) {
        const { millis, tookMillis } = yield* listened(delayMillis)
        assert.isAbove(tookMillis, Limits.leastListenMillis / 2)
        assert.isBelow(tookMillis, Limits.listenMillis / 2)
        assert.closeTo(millis, 2 * tookMillis, 2)
      }
      const { millis, tookMillis } = yield* listened(5)
      assert.isAbove(tookMillis, Limits.listenMillis / 2)
      assert.strictEqual(millis, Limits.listenMillis)
    })
  )

  /** Those who are asked say that they are there. */
  const alive = answering((message) =>
    message._tag === "Poll" ? { _tag: "PollOk", poll: message.poll, received: 0, dropped: 0 } : undefined
  )

  it.effect("a catcher that joins and dies meanwhile is not waited with: it is lost, and may come again", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const dead = yield* gathering(network, { waitMillis: 5000 })
      yield* crowd(network, 1, () => [])
      assert.deepInclude(yield* inTime(Effect.flip(dead.gathered)), { _tag: "AnnounceTimeout", joined: 0 })
      assert.include(dead.session.roster().members[0].lost, "silent")
      const other = yield* Simulated.make({ seed: 1 })
      const living = yield* gathering(other, { waitMillis: 5000 })
      yield* crowd(other, 1, alive)
      assert.deepInclude(yield* inTime(Effect.flip(living.gathered)), { _tag: "AnnounceTimeout", joined: 1 })
    })
  )

  it.effect("too few in time: AnnounceTimeout names the absent; enough: goes on with those present", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const options = { wanted: 2, hosts: ["c1", "x"] }
      const strict = yield* gathering(network, options)
      yield* crowd(network, 1, alive)
      const error = yield* inTime(Effect.flip(strict.gathered))
      assert.deepInclude(error, { _tag: "AnnounceTimeout", joined: 1, wanted: 2, absent: ["x"] })
      const other = yield* Simulated.make({ seed: 1 })
      const enough = yield* gathering(other, { ...options, atLeast: 1 })
      yield* crowd(other, 1, alive)
      assert.deepStrictEqual(yield* inTime(enough.gathered), [0])
    })
  )

  it.effect("one is enough, and nobody at all: AnnounceTimeout", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { gathered } = yield* gathering(network, { atLeast: 1 })
      assert.strictEqual((yield* inTime(Effect.flip(gathered)))._tag, "AnnounceTimeout")
    })
  )

  const otherMaster = Effect.fnUntraced(function* (network: Simulated.Network, bytes: (session: bigint) => Uint8Array) {
    const { gathered, session } = yield* gathering(network)
    const other = yield* endpoint(network.layerMasterNamed("otherMaster"))
    const datagram = bytes(session.id)
    yield* Effect.forkScoped(
      Effect.forever(Effect.andThen(other.send({ bytes: datagram, datagramBytes: datagram.length }), Effect.sleep(100)))
    )
    return { error: yield* inTime(Effect.flip(gathered)), address: other.local }
  })

  it.effect("an older master on the group: GroupBusy, with its address [J-4]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { address, error } = yield* otherMaster(network, () =>
        Codec.encode(announceOf(1n, { uptimeMillis: 60_000 }))
      )
      assert.deepInclude(error, { _tag: "GroupBusy", address })
    })
  )

  it.effect(
    "one that has ended shortly before the wait does: AnnounceTimeout names it, and how long it was waited for",
    () =>
      Effect.gen(function* () {
        for (const [firstMillis, lastMillis] of [
          [0, 9900],
          [3000, 6000]
        ]) {
          const network = yield* Simulated.make({ seed: 1 })
          const { gathered } = yield* gathering(network, { waitMillis: 10_000 })
          const other = yield* endpoint(network.layerMasterNamed("otherMaster"))
          const say = (message: Message.FromMaster) => {
            const bytes = Codec.encode(message)
            return other.send({ bytes, datagramBytes: bytes.length })
          }
          const calls = Effect.andThen(say(announceOf(1n, { uptimeMillis: 60_000 })), Effect.sleep(100))
          yield* Effect.sleep(firstMillis).pipe(
            Effect.andThen(Effect.timeoutOption(Effect.forever(calls), lastMillis - firstMillis)),
            Effect.andThen(say({ _tag: "Bye", session: 1n })),
            Effect.forkScoped
          )
          const error = yield* inTime(Effect.flip(gathered))
          assert.strictEqual(error._tag, "AnnounceTimeout")
          if (error._tag !== "AnnounceTimeout") return
          assert.strictEqual(error.otherMasters?.length, 1)
          const [{ address, forMillis, sinceMillis }] = error.otherMasters!
          assert.strictEqual(address, other.local)
          assert.closeTo(sinceMillis, firstMillis, 100)
          assert.closeTo(forMillis, lastMillis - firstMillis, 100)
          assert.include(error.message, `another master (${address}) had the group for `)
        }
      })
  )

  it.effect("a younger one's call is answered while that one listens, and so are no more than one in 5 ms [J-4]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1, delayMillis: 1 })
      const { gathered, session } = yield* gathering(network, { waitMillis: 10_000 })
      yield* Effect.forkScoped(Effect.ignore(gathered))
      const heard: Array<Message.Message> = []
      const { transport } = yield* puppet(network.layerMasterNamed("younger"), (message) => {
        heard.push(message)
        return []
      })
      yield* Effect.forkScoped(transport.listen)
      const call = Effect.suspend(() => {
        const bytes = Codec.encode(announceOf(session.id + 1n))
        return transport.send({ bytes, datagramBytes: bytes.length })
      })
      const ours = () => messagesOf(heard, "Announce").filter((announce) => announce.session === session.id).length
      yield* inTime(Effect.sleep(Limits.announceMillis / 2))
      const before = ours()
      yield* call
      yield* inTime(Effect.sleep(Limits.leastListenMillis))
      assert.strictEqual(ours(), before + 1)
      yield* inTime(Effect.forEach(Array.from({ length: 50 }), () => Effect.andThen(call, Effect.sleep(1))))
      assert.closeTo(ours() - before, 50 / Limits.leastAnnounceMillis, 2)
    })
  )

  it.effect("a younger one yields to us [J-4]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { error } = yield* otherMaster(network, (id) => Codec.encode(announceOf(id + 1n)))
      assert.strictEqual(error._tag, "AnnounceTimeout")
    })
  )
})
