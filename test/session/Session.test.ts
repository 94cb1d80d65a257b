import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Roster from "../../src/protocol/group/Roster.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import type * as Session from "../../src/session/Session.ts"
import * as Chance from "../../src/transport/Chance.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import * as Codec from "../../src/wire/Codec.ts"
import type { Message } from "../../src/wire/Message.ts"
import { crowd, endpoint, inTime, master, messagesOf, puppet, type Rigged, timed } from "../phase/Rig.ts"

const joined = (session: Rigged, count: number) =>
  inTime(
    Effect.gen(function* () {
      while (Roster.present(session.roster()).length < count) yield* Effect.sleep(1)
      return Roster.present(session.roster()).map((member) => member.slot)
    })
  )

const file = 3

/** An open barrier's question, asked by hand; `asked` is its audience each time that it was sent. */
const question = (session: Rigged, audience: ReadonlyArray<number>, more: Partial<Session.Question> = {}) => {
  const asked: Array<ReadonlyArray<number>> = []
  const accepted: Array<number> = []
  const question: Session.Question = {
    file,
    audience,
    message: (slice) => {
      asked.push(slice)
      const open = {
        kind: "Single",
        size: 1,
        pageBytes: 512,
        members: 0,
        opening: 1,
        root: undefined
      } as const
      return { _tag: "Open", file, ...open, audience: slice }
    },
    accept: (slot, answer) => {
      if (answer._tag === "OpenOk") accepted.push(slot)
      return answer._tag === "OpenOk"
    },
    ...more
  }
  return { asked, accepted, answered: session.ask(question) }
}

const okFrom = (
  message: Message,
  slots: ReadonlyArray<{ slot: number; incarnation: number }>
): ReadonlyArray<Message> =>
  message._tag === "Open"
    ? slots
        .filter(({ slot }) => message.audience.includes(slot))
        .map((who) => ({ _tag: "OpenOk", session: message.session, file: message.file, opening: 1, ...who }))
    : []

describe("Session.ask", () => {
  it.effect("repeats a question to those who owe an answer, and takes each answer once [Q-1]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { session } = yield* master(network)
      let turn = 0
      yield* crowd(network, 3, (message, slots) => {
        if (message._tag !== "Open") return []
        turn++
        // the second is deaf twice, and everybody answers twice over
        const answers = okFrom(message, slots).filter((answer) => !("slot" in answer && answer.slot === 1 && turn < 3))
        return [...answers, ...answers]
      })
      const slots = yield* joined(session, 3)
      const { accepted, answered, asked } = question(session, slots)
      assert.sameMembers([...(yield* inTime(answered))], [0, 1, 2])
      assert.deepStrictEqual(asked, [[0, 1, 2], [1], [1]])
      assert.deepStrictEqual(accepted.sort(), [0, 1, 2])
    })
  )

  it.effect("asks slices, so that answers do not implode [Q-3]", () =>
    Effect.gen(function* () {
      const fits = 64
      const network = yield* Simulated.make({ seed: 1, receiveBufferBytes: fits * Limits.answerBytes })
      const count = 2 * fits + 10
      const { session } = yield* master(network, { wanted: count })
      yield* crowd(network, count, okFrom)
      const slots = yield* joined(session, count)
      const { answered, asked } = question(session, slots)
      assert.strictEqual((yield* inTime(answered)).length, count)
      assert.isTrue(asked.every((slice) => slice.length <= fits))
      assert.deepStrictEqual(asked[0], slots.slice(0, fits))
      assert.deepStrictEqual([...new Set(asked.flat())], slots)
    })
  )

  it.effect("asks the next slice, and again, when nearly all have answered, and waits for nobody else [Q-16]", () =>
    Effect.gen(function* () {
      const [fits, delayMillis] = [64, 5]
      const receiveBufferBytes = fits * Limits.answerBytes
      const network = yield* Simulated.make({ seed: 1, receiveBufferBytes, delayMillis })
      const { session } = yield* master(network, { wanted: 2 * fits })
      // in each slice one is deaf for the first time
      const deaf = new Set([0, fits])
      yield* crowd(network, 2 * fits, (message, slots) => {
        if (message._tag !== "Open") return []
        const heard = slots.filter(({ slot }) => !(message.audience.includes(slot) && deaf.delete(slot)))
        return okFrom(message, heard)
      })
      const slots = yield* joined(session, 2 * fits)
      const { answered, asked } = question(session, slots)
      const { exit, millis } = yield* timed(answered)
      assert.strictEqual((yield* exit).length, 2 * fits)
      assert.deepStrictEqual(asked, [slots.slice(0, fits), slots.slice(fits), [0, fits]])
      // a round trip each, and as much again for the last that are late
      assert.isBelow(millis, 4 * 2 * delayMillis + Limits.restMillis)
    })
  )

  it.effect("a question that leaves the rest ends when nearly all have answered, and tells who has not [Q-16]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1, delayMillis: 5 })
      const { session } = yield* master(network, { wanted: 32 })
      const deaf = new Set([4, 17])
      yield* crowd(network, 32, (message, slots) =>
        okFrom(
          message,
          slots.filter(({ slot }) => !deaf.has(slot))
        )
      )
      const slots = yield* joined(session, 32)
      const rests: Array<ReadonlyArray<number>> = []
      const few = question(session, slots, { leavesRest: (rest) => void rests.push(rest) })
      assert.strictEqual((yield* inTime(few.answered)).length, 30)
      assert.deepStrictEqual([few.asked.length, rests], [1, [[4, 17]]])
      // five are more than an eighth
      for (const slot of [9, 10, 11]) deaf.add(slot)
      const many = question(session, slots, { leavesRest: (rest) => void rests.push(rest), patienceMillis: 100 })
      assert.strictEqual((yield* inTime(many.answered)).length, 27)
      assert.isAbove(many.asked.length, 1)
      assert.strictEqual(rests.length, 1)
      assert.deepStrictEqual(Roster.present(session.roster()).length, 32)
    })
  )

  it.effect("loses who is silent for the time-out, and nobody else [Q-2]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { session } = yield* master(network)
      yield* crowd(network, 2, (message, slots) => okFrom(message, slots.slice(0, 1)))
      const slots = yield* joined(session, 2)
      const { exit, millis } = yield* timed(question(session, slots).answered)
      assert.deepStrictEqual(yield* exit, [0])
      assert.isTrue(millis >= 2000 && millis < 2000 + 2 * Limits.maxQuestionMillis, `${millis} ms`)
      const [first, second] = session.roster().members
      assert.isUndefined(first.lost)
      assert.match(second.lost!, /silent for 2 s/)
      // who is lost is not asked again
      const again = question(session, slots)
      yield* inTime(again.answered)
      assert.deepStrictEqual(again.asked, [[0]])
    })
  )

  it.effect("a join from another address is no sign of life of who joined [R-2]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { session, transport } = yield* master(network)
      yield* crowd(network, 1, () => [])
      const slots = yield* joined(session, 1)
      const stranger = yield* endpoint(network.layerCatcher("stranger"))
      const who = { incarnation: 1, key: 7, moves: 1, name: "c1", receiveBufferBytes: 4_000_000 }
      const join = Codec.encode({ _tag: "Join", session: session.id, ...who })
      const joining = Effect.andThen(stranger.sendTo(transport.local, join), Effect.sleep(100))
      yield* Effect.forkScoped(Effect.forever(joining))
      const { exit, millis } = yield* timed(question(session, slots).answered)
      assert.deepStrictEqual(yield* exit, [])
      assert.isBelow(millis, 2000 + 2 * Limits.maxQuestionMillis)
    })
  )

  it.effect("a catcher that lives but does not answer is given up after many time-outs [Q-2]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { session } = yield* master(network, { timeoutMillis: 1000 })
      yield* crowd(network, 1, (message, slots) =>
        okFrom(message, slots).map((answer) => ({ ...answer, file: file + 1 }) as Message)
      )
      const slots = yield* joined(session, 1)
      const { exit, millis } = yield* timed(question(session, slots).answered)
      assert.deepStrictEqual(yield* exit, [])
      assert.isAtLeast(millis, 1000 * Limits.questionTimeouts)
      assert.match(session.roster().members[0].lost!, /alive/)
    })
  )

  it.effect("with patience of its own it leaves out who is late, and loses nobody", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { session } = yield* master(network)
      yield* crowd(network, 2, (message, slots) => okFrom(message, slots.slice(0, 1)))
      const slots = yield* joined(session, 2)
      const { exit, millis } = yield* timed(question(session, slots, { patienceMillis: 300 }).answered)
      assert.deepStrictEqual(yield* exit, [0])
      assert.isTrue(millis >= 300 && millis < 700, `${millis} ms`)
      assert.isUndefined(session.roster().members[1].lost)
    })
  )

  it.effect("counts and ignores answers of a wrong incarnation, slot, session or address [R-2]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { session, transport } = yield* master(network)
      let opened = false
      yield* crowd(network, 1, (message, slots) =>
        okFrom(message, slots).flatMap((answer): ReadonlyArray<Message> => {
          if (opened || answer._tag !== "OpenOk") return [answer]
          return [
            { ...answer, incarnation: 99 },
            { ...answer, slot: 7 },
            { ...answer, session: answer.session + 1n }
          ]
        })
      )
      const slots = yield* joined(session, 1)
      const stranger = yield* endpoint(network.layerCatcher("stranger"))
      const right: Message = { _tag: "OpenOk", session: session.id, file, opening: 1, slot: 0, incarnation: 1 }
      yield* stranger.sendTo(transport.local, Codec.encode(right))
      const before = session.ignored()
      const asked = question(session, slots, { patienceMillis: 300 })
      assert.deepStrictEqual(yield* inTime(asked.answered), [])
      assert.deepStrictEqual(asked.accepted, [])
      assert.isAtLeast(session.ignored() - before, 3)
      opened = true
      assert.deepStrictEqual(yield* inTime(question(session, slots).answered), [0])
    })
  )

  it.effect("counts and ignores any bytes, and goes on", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { session, transport } = yield* master(network)
      yield* crowd(network, 1, okFrom)
      const slots = yield* joined(session, 1)
      const stranger = yield* endpoint(network.layerCatcher("stranger"))
      const chance = Chance.make(3)
      for (let i = 0; i < 500; i++) {
        const bytes = Uint8Array.from({ length: 1 + (i % 90) }, () => Math.floor(chance.next() * 256))
        yield* stranger.sendTo(transport.local, bytes)
      }
      assert.deepStrictEqual(yield* inTime(question(session, slots).answered), [0])
      assert.isAtLeast(session.ignored(), 500)
    })
  )
})

describe("a master that stands back [J-4]", () => {
  it.effect("again and again uses up no joins of those that it lets go [R-4], and no slots [R-5]", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { session } = yield* master(network)
      let incarnation = 1
      yield* puppet(network.layerCatcher("c1"), (message) => {
        const who = { session: message.session, incarnation }
        if (message._tag === "Announce") {
          return [{ _tag: "Join", ...who, key: 7, moves: 0, name: "c1", receiveBufferBytes: 4_000_000 }]
        }
        if (message._tag === "Welcome") {
          const own = message.guests.find((guest) => guest.incarnation === incarnation)
          if (own !== undefined && "refusal" in own) incarnation++
        }
        if (message._tag !== "Poll") return []
        return message.audience.map((slot) => ({
          ...{ _tag: "PollOk", ...who, slot, poll: 0, received: 0, dropped: 0, held: 0, worked: 0 }
        }))
      })
      for (let times = 0; times < Limits.joinsOfName + 2; times++) {
        yield* joined(session, 1)
        yield* inTime(Effect.scoped(session.standBack))
      }
      assert.strictEqual((yield* joined(session, 1)).length, 1)
      assert.strictEqual(session.roster().members.length, 1)
    })
  )
})

describe("the last words of a master [F-5]", () => {
  /** Two catchers, of which those slots answer a bye, and one says that it leaves before it is asked. */
  const leave = Effect.fnUntraced(function* (answering: ReadonlyArray<number>, delayMillis = 0) {
    const network = yield* Simulated.make({ seed: 1, delayMillis })
    const { session } = yield* master(network)
    const { heard } = yield* crowd(network, 2, ({ _tag, session }, slots) =>
      _tag === "Poll" || _tag === "Bye"
        ? slots
            .filter(({ slot }) => (_tag === "Bye" ? answering.includes(slot) : slot === 0))
            .map((who) => ({ _tag: "ByeOk", session, ...who }))
        : []
    )
    yield* joined(session, 2)
    const { millis } = yield* timed(session.lastWords({ _tag: "Bye" }))
    yield* inTime(Effect.sleep(delayMillis))
    return { millis, byes: messagesOf(heard, "Bye").length }
  })
  const allMillis = (Limits.lastWords - 1) * Limits.lastWordsMillis

  it.effect("end when each catcher has answered", () =>
    Effect.gen(function* () {
      const { byes, millis } = yield* leave([0, 1])
      assert.strictEqual(byes, 1)
      assert.isBelow(millis, Limits.lastWordsMillis)
      assert.strictEqual((yield* leave([0, 1], 3)).byes, 2)
    })
  )

  it.effect("are said four times where one does not answer, or did so before it was asked", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* leave([0]), { millis: allMillis, byes: Limits.lastWords })
      assert.deepStrictEqual(yield* leave([1]), { millis: allMillis, byes: Limits.lastWords })
      assert.deepStrictEqual(yield* leave([]), { millis: allMillis, byes: Limits.lastWords })
    })
  )
})

describe("a newcomer [J-14]", () => {
  /** It joins, and says all of this in one datagram when it is welcomed. */
  const newcomer = Effect.fnUntraced(function* (
    network: Simulated.Network,
    say: (who: { session: bigint; slot: number; incarnation: number }) => ReadonlyArray<Message>
  ) {
    const { session, transport } = yield* master(network)
    const welcomed = Latch.makeUnsafe(false)
    const { transport: own } = yield* puppet(network.layerCatcher("c1"), (message) => {
      if (message._tag === "Welcome") welcomed.openUnsafe()
      const who = { incarnation: 1, key: 7, moves: 0, name: "c1", receiveBufferBytes: 4_000_000 }
      return message._tag === "Announce" ? [{ _tag: "Join", session: message.session, ...who }] : []
    })
    const answer = Effect.suspend(() => {
      const said = say({ session: session.id, slot: 0, incarnation: 1 })
      return own.sendTo(transport.local, Buffer.concat(said.map((message) => Codec.encode(message))))
    })
    yield* inTime(welcomed.await)
    return { session, answer: inTime(Effect.andThen(answer, Effect.sleep(100))) }
  })

  const pollOk = (who: { session: bigint; slot: number; incarnation: number }) =>
    ({ _tag: "PollOk", ...who, poll: 0, received: 0, dropped: 0, held: 0, worked: 0 }) as const

  it.effect("that gives two answers in one datagram takes part", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { answer, session } = yield* newcomer(network, (who) => [pollOk(who), pollOk(who)])
      yield* answer
      assert.deepStrictEqual(
        Roster.present(session.roster()).map(({ slot }) => slot),
        [0]
      )
      assert.deepStrictEqual(session.turnedAway(), [])
    })
  )

  it.effect("that answers after the end is not taken in", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { answer, session } = yield* newcomer(network, (who) => [pollOk(who)])
      session.end()
      yield* answer
      assert.deepStrictEqual(Roster.participants(session.roster()), [])
    })
  )
})
