import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Close from "../../src/phase/Close.ts"
import * as MissingRounds from "../../src/phase/MissingRounds.ts"
import * as OpenBarrier from "../../src/phase/OpenBarrier.ts"
import * as PageStream from "../../src/phase/PageStream.ts"
import * as Survey from "../../src/phase/Survey.ts"
import * as Layout from "../../src/protocol/file/Layout.ts"
import * as Roster from "../../src/protocol/group/Roster.ts"
import type { Options, Services } from "../../src/session/Session.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import * as Codec from "../../src/wire/Codec.ts"
import * as Header from "../../src/wire/Header.ts"
import type { Message } from "../../src/wire/Message.ts"
import { answering, crowd, endpoint, inTime, master, type Slots, timed } from "./Rig.ts"

const size = 20 * 512
const carried = { file: 1, kind: "Single", size, members: [] } as const
const content = PageStream.inMemory(1, Layout.make({ size, pageBytes: 512 }), new Uint8Array(size))

const reasons = (satOut: OpenBarrier.SatOut) => [...satOut].map(([slot, { reason }]) => [slot, reason])

/** A session with catchers that answer by script, and what goes over the air: pages by number, messages as "Eof 1". */
const rig = Effect.fnUntraced(function* (
  count: number,
  script: (message: Message, slots: Slots) => ReadonlyArray<Message>,
  options: Partial<Options> = {}
) {
  const network = yield* Simulated.make({ seed: 1 })
  const air: Array<number | string> = []
  const listener = yield* endpoint(network.layerCatcher("listener"))
  yield* Effect.forkScoped(
    Stream.runForEach(listener.receive, (batch) =>
      Effect.sync(() => {
        for (const { bytes } of batch) {
          Header.split(bytes, (at) => {
            if (Header.typeOf(bytes, at) === Header.types.Page) air.push(Header.indexOf(bytes, at))
            const message = Codec.decode(bytes, at)
            if (message._tag !== "Success") return
            if (message.success._tag === "Eof") air.push(`Eof ${message.success.round}`)
            if (message.success._tag === "Digests") air.push(`Digests ${message.success.first}`)
          })
        }
      })
    )
  )
  const { session } = yield* master(network, { wanted: count, ...options })
  yield* crowd(network, count, script)
  yield* inTime(
    Effect.gen(function* () {
      while (Roster.present(session.roster()).length < count) yield* Effect.sleep(1)
    })
  )
  const run = <A, E>(phase: Effect.Effect<A, E, Services>) => inTime(Effect.provide(phase, session.services))
  return { session, air, run }
})

describe("OpenBarrier", () => {
  it.effect("ends when each has opened the file or sits it out, with the reason [O-1] [O-3]", () =>
    Effect.gen(function* () {
      const { run, session } = yield* rig(
        3,
        answering((message, slot) => {
          if (message._tag !== "Open") return undefined
          return slot === 1 ? { _tag: "SitOut", reason: "disk full", about: "File" } : { _tag: "OpenOk" }
        })
      )
      const { opened, satOut } = yield* run(
        OpenBarrier.open(carried, [0, 1, 2], { pageBytes: 512, token: content.token })
      )
      assert.sameMembers([...opened], [0, 2])
      assert.deepStrictEqual(reasons(satOut), [[1, "disk full"]])
      assert.strictEqual(Roster.present(session.roster()).length, 3)
    })
  )

  it.effect("an answer to another opening of the file does not count [O-1]", () =>
    Effect.gen(function* () {
      let asked = 0
      const { run } = yield* rig(
        1,
        answering((message) => {
          if (message._tag !== "Open") return undefined
          return { _tag: "OpenOk", opening: ++asked < 3 ? message.opening - 1 : message.opening }
        })
      )
      const { opened } = yield* run(OpenBarrier.open(carried, [0], { pageBytes: 512, token: content.token }))
      assert.deepStrictEqual([opened, asked], [[0], 3])
    })
  )

  for (const [what, coming] of [
    ["root", { root: new Uint8Array(32).fill(9) }],
    ["signature", { signed: { blockPages: 128, hash: new Uint8Array(32).fill(9) } }]
  ] as const)
    it.effect(`carries the ${what} where it is known, and tells who recognised the content [O-4] [Y-17]`, () =>
      Effect.gen(function* () {
        const heard: Array<unknown> = []
        const { run } = yield* rig(
          3,
          answering((message, slot) => {
            if (message._tag !== "Open") return undefined
            heard.push(what === "root" ? { root: message.root } : { signed: message.signed })
            if (slot === 0) return { _tag: "SitOut", reason: "disk full", about: "File" }
            return { _tag: slot === 1 ? "Complete" : "OpenOk" }
          })
        )
        const { opened, recognised, satOut } = yield* run(
          OpenBarrier.open(carried, [0, 1, 2], { pageBytes: 512, token: content.token, ...coming, wasSent: true })
        )
        assert.deepStrictEqual([opened, recognised, [...satOut.keys()]], [[2], [1], [0]])
        for (const one of heard) assert.deepStrictEqual(one, coming)
      })
    )

  it.effect(
    "a catcher that falls silent while it is waited for is left out after a quarter of the time-out [O-6]",
    () =>
      Effect.gen(function* () {
        let polls = 0
        const { session } = yield* rig(
          2,
          answering((message, slot) => {
            if (message._tag === "Open" && slot === 0) return { _tag: "OpenOk" }
            // it works on an answer at first, and then it is gone
            if (message._tag !== "Poll" || slot === 0 || polls++ >= 3) return undefined
            return { _tag: "PollOk", poll: message.poll, received: 0, dropped: 0 }
          })
        )
        const opening = Effect.provide(
          OpenBarrier.open(carried, [0, 1], { pageBytes: 512, token: content.token }),
          session.services
        )
        const { exit, millis } = yield* timed(opening)
        assert.deepStrictEqual((yield* exit).opened, [0])
        assert.isAtLeast(polls, 4)
        assert.isTrue(millis > 1000 && millis < 2000, `${millis} ms`)
        assert.isTrue(session.isAway(1))
        assert.strictEqual(Roster.present(session.roster()).length, 2)
      })
  )

  it.effect("nobody answers: OpenBarrierTimeout", () =>
    Effect.gen(function* () {
      const { run } = yield* rig(2, () => [])
      const error = yield* run(Effect.flip(OpenBarrier.open(carried, [0, 1], { pageBytes: 512, token: content.token })))
      assert.strictEqual(error._tag, "OpenBarrierTimeout")
    })
  )
})

describe("MissingRounds", () => {
  const missing = (message: Extract<Message, { _tag: "Eof" }>, ...runs: ReadonlyArray<number>) => {
    const { count, first, round } = message
    return { _tag: "Missing", first, count, round, runs }
  }

  it.effect("sends the union of what is missing, and asks on only after it has left [Q-4] [Q-5]", () =>
    Effect.gen(function* () {
      const { air, run } = yield* rig(
        3,
        answering((message, slot) => {
          if (message._tag !== "Eof") return undefined
          if (message.round === 1 && slot < 2) return missing(message, 1 + slot, 2, 19, 1)
          if (message.round === 2 && slot === 0) return missing(message, 2, 1)
          return { _tag: "Complete" }
        })
      )
      const repaired = yield* run(MissingRounds.finish(content, new MissingRounds.Repairs(content.layout), [0, 1, 2]))
      assert.sameMembers([...repaired.complete], [0, 1, 2])
      assert.deepStrictEqual(
        air.filter((item, i) => item !== air[i - 1]),
        ["Eof 1", 1, 2, 3, 19, "Eof 2", 2, "Eof 3"]
      )
      assert.deepStrictEqual(
        [...repaired.missingPages],
        [
          [0, 4],
          [1, 3]
        ]
      )
    })
  )

  it.effect(
    "where something is spoiled: digests of what is listed, in each round; the others are served as ever [Q-15]",
    () =>
      Effect.gen(function* () {
        const bytes = new Uint8Array(300 * 512)
        const content = PageStream.inMemory(1, Layout.make({ size: bytes.length, pageBytes: 512 }), bytes)
        const { air, run } = yield* rig(
          2,
          answering((message, slot) => {
            if (message._tag !== "Eof") return undefined
            if (slot === 0) return message.round === 1 ? missing(message, 130, 2) : { _tag: "Complete" }
            if (message.round > 3) return { _tag: "Complete" }
            return { ...missing(message, 3, 1, 290, 2), spoiled: true }
          })
        )
        const repairs = new MissingRounds.Repairs(content.layout, "parity")
        const repaired = yield* run(MissingRounds.finish(content, repairs, [0, 1]))
        assert.sameMembers([...repaired.complete], [0, 1])
        const round = ["Digests 0", "Digests 288", 3, 290, 291]
        // the other one is sent parity, and no page
        assert.deepStrictEqual(
          air.filter((item, i) => item !== air[i - 1]),
          ["Eof 1", ...round, "Eof 2", ...round, "Eof 3", ...round, "Eof 4"]
        )
      })
  )

  it.effect("on a slow air too: all batches of a repair have left before the next round is asked [Q-4]", () =>
    Effect.gen(function* () {
      const bytes = new Uint8Array(400 * 512)
      const large = PageStream.inMemory(1, Layout.make({ size: bytes.length, pageBytes: 512 }), bytes)
      const { air, run } = yield* rig(
        1,
        answering((message) => {
          if (message._tag !== "Eof") return undefined
          return message.round === 1 ? missing(message, 0, 200) : { _tag: "Complete" }
        }),
        { bytesPerSecond: 200_000 }
      )
      yield* run(MissingRounds.finish(large, new MissingRounds.Repairs(large.layout), [0]))
      const second = air.indexOf("Eof 2")
      assert.strictEqual(air.slice(0, second).filter((item) => typeof item === "number").length, 200)
    })
  )

  it.effect("takes no answer to an earlier round, and none that leaves the file", () =>
    Effect.gen(function* () {
      const wrong: Array<string> = []
      const { air, run } = yield* rig(
        1,
        answering((message) => {
          if (message._tag !== "Eof") return undefined
          if (wrong.length === 0) {
            wrong.push("round")
            return { ...missing(message, 5, 1), round: message.round - 1 }
          }
          if (wrong.length === 1) {
            wrong.push("span")
            return { ...missing(message, 900, 1), first: 900, count: 1 }
          }
          return { _tag: "Complete" }
        })
      )
      const repaired = yield* run(MissingRounds.finish(content, new MissingRounds.Repairs(content.layout), [0]))
      assert.deepStrictEqual([...repaired.complete], [0])
      assert.deepStrictEqual(wrong, ["round", "span"])
      assert.deepStrictEqual(new Set(air), new Set(["Eof 1"]))
    })
  )

  it.effect("rounds of a span leave out who is slow, and end when nobody misses anything [Q-9]", () =>
    Effect.gen(function* () {
      const { run, session } = yield* rig(
        2,
        answering((message, slot) => (message._tag === "Eof" && slot === 0 ? missing(message) : undefined))
      )
      const repaired = yield* run(
        MissingRounds.span(content, new MissingRounds.Repairs(content.layout), [0, 1], [0, 10])
      )
      assert.deepStrictEqual([...repaired.complete], [])
      assert.strictEqual(repaired.satOut.size, 0)
      assert.strictEqual(Roster.present(session.roster()).length, 2)
    })
  )

  it.effect(
    "stragglers that never get on are given up as well, however often they are left for later [Q-9] [Q-11]",
    () =>
      Effect.gen(function* () {
        const bytes = new Uint8Array(2000 * 512)
        const content = PageStream.inMemory(1, Layout.make({ size: bytes.length, pageBytes: 512 }), bytes)
        const repairs = new MissingRounds.Repairs(content.layout)
        // by turns each falls far behind the other
        const { session } = yield* rig(
          2,
          answering((message, slot) => {
            if (message._tag === "Poll") return { _tag: "PollOk", poll: message.poll, received: 0, dropped: 0 }
            if (message._tag !== "Eof") return undefined
            return missing(message, 0, slot === 1 ? 150 : message.round % 2 === 1 ? 1 : 1900)
          })
        )
        const out = new Set<number>()
        yield* inTime(
          Effect.gen(function* () {
            for (let late: ReadonlyArray<number> = [0, 1]; late.length > 0;) {
              const repaired = yield* MissingRounds.finish(content, repairs, late, session.straggler)
              for (const slot of repaired.satOut.keys()) out.add(slot)
              late = repaired.late
            }
          }).pipe(Effect.provide(session.services)),
          10_000
        )
        assert.sameMembers([...out], [0, 1])
      })
  )

  it.effect("a catcher that sits out in the rounds is out; nobody at all left: RoundsExhausted", () =>
    Effect.gen(function* () {
      const { run } = yield* rig(
        2,
        answering((message, slot) =>
          message._tag === "Eof" && slot === 1 ? { _tag: "SitOut", reason: "I/O", about: "File" } : undefined
        )
      )
      const counter = new MissingRounds.Repairs(content.layout)
      const repaired = yield* run(MissingRounds.finish(content, counter, [0, 1]))
      assert.deepStrictEqual([...repaired.complete], [])
      assert.deepStrictEqual(reasons(repaired.satOut), [[1, "I/O"]])
      const error = yield* run(Effect.flip(MissingRounds.finish(content, counter, [0])))
      assert.strictEqual(error._tag, "RoundsExhausted")
    })
  )
})

describe("Close", () => {
  const closeOk = (from: number, next: number | undefined, ...entries: ReadonlyArray<number>) => ({
    ...{ _tag: "CloseOk", from, next, failures: entries.map((entry) => ({ entry, reason: "no" })) }
  })

  it.effect("asks on for failures until all are known, each catcher by itself [F-2]", () =>
    Effect.gen(function* () {
      const { run } = yield* rig(
        3,
        answering((message, slot) => {
          if (message._tag !== "Close") return undefined
          if (slot === 0) return closeOk(message.from, undefined)
          if (slot === 1 && message.from === 0) return closeOk(0, 8, 1, 7)
          if (slot === 1) return closeOk(message.from, undefined, message.from)
          return { _tag: "SitOut", reason: "EXDEV", about: "File" }
        })
      )
      const { committed, satOut } = yield* run(Close.close(1, [0, 1, 2]))
      const entries = [...committed].map(([slot, failures]) => [slot, failures.map(({ entry }) => entry)] as const)
      assert.deepStrictEqual(Object.fromEntries(entries), { 0: [], 1: [1, 7, 8] })
      assert.deepStrictEqual(reasons(satOut), [[2, "EXDEV"]])
    })
  )

  it.effect("a catcher that is lost while it lists its failures has committed nothing that is known [F-2]", () =>
    Effect.gen(function* () {
      const { run } = yield* rig(
        2,
        answering((message, slot) => {
          if (message._tag !== "Close") return undefined
          if (slot === 0) return closeOk(message.from, undefined)
          return message.from === 0 ? closeOk(0, 8, 1) : undefined
        })
      )
      const { committed } = yield* run(Close.close(1, [0, 1]))
      assert.deepStrictEqual([...committed], [[0, []]])
    })
  )

  it.effect("of an entry at which an answer ends all is told by the next one, once [F-2]", () =>
    Effect.gen(function* () {
      const { run } = yield* rig(
        1,
        answering((message) => {
          if (message._tag !== "Close") return undefined
          return message.from === 0 ? closeOk(0, 7, 1, 7) : closeOk(7, undefined, 7, 7)
        })
      )
      const { committed } = yield* run(Close.close(1, [0]))
      assert.deepStrictEqual(
        committed.get(0)?.map(({ entry }) => entry),
        [1, 7, 7]
      )
    })
  )

  it.effect("a catcher that would be asked for ever is not [F-2]", () =>
    Effect.gen(function* () {
      const { run } = yield* rig(
        1,
        answering((message) => (message._tag === "Close" ? closeOk(message.from, message.from, 3) : undefined))
      )
      const { committed } = yield* run(Close.close(1, [0]))
      assert.strictEqual(committed.get(0)?.length, 1)
    })
  )

  it.effect("nobody answers: CloseTimeout; abort ends as well", () =>
    Effect.gen(function* () {
      const { run } = yield* rig(1, () => [])
      assert.strictEqual((yield* run(Effect.flip(Close.close(1, [0]))))._tag, "CloseTimeout")
      yield* run(Close.abort(1, "changed", [0]))
    })
  )

  for (const [what, known, expected] of [
    ["is waited for as long as it gets on, where it may have to", { readBytes: 1e9 }, "committed"],
    ["is not waited for beyond the time that is given", { readBytes: 1e9, patienceMillis: 500 }, "silent"],
    ["is given up where there is nothing to read", {}, "CloseTimeout"]
  ] as const)
    it.effect(`a catcher that reads its file before the commit ${what} [F-11]`, () =>
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        let beganMillis: number | undefined
        const { session } = yield* rig(
          1,
          answering((message) => {
            if (message._tag === "Poll") return { _tag: "PollOk", poll: message.poll, received: 0, dropped: 0 }
            if (message._tag !== "Close") return undefined
            const now = clock.currentTimeMillisUnsafe()
            beganMillis ??= now
            const hashed = Math.floor(((now - beganMillis) / 30_000) * 1e9)
            if (hashed >= 1e9) return closeOk(message.from, undefined)
            return { _tag: "Comparing", file: 1, from: 0, looked: 0, hashed, toHash: 1e9 }
          }),
          { timeoutMillis: 1000 }
        )
        const closing = Effect.provide(Effect.result(Close.close(1, [0], known)), session.services)
        const { exit, millis } = yield* timed(closing)
        const closed = yield* exit
        if (closed._tag === "Failure") return assert.strictEqual(closed.failure._tag, expected)
        assert.strictEqual(closed.success.silent.length > 0 ? "silent" : "committed", expected)
        assert.strictEqual(millis > 29_000, expected === "committed", `${millis} ms`)
      })
    )

  it.effect("abort asks until each has said so [F-4]", () =>
    Effect.gen(function* () {
      const reasons: Array<string | undefined> = []
      const { run, session } = yield* rig(
        2,
        answering((message) => {
          if (message._tag !== "Abort") return undefined
          reasons.push(message.reason)
          return reasons.length > 3 ? { _tag: "Aborted" } : undefined
        })
      )
      yield* run(Close.abort(1, "changed", [0, 1]))
      assert.isAtLeast(reasons.length, 5)
      assert.strictEqual(reasons[0], "changed")
      reasons.length = 0
      yield* run(Close.putOff(1, [0, 1]))
      assert.deepStrictEqual([...new Set(reasons)], [undefined])
      assert.strictEqual(Roster.present(session.roster()).length, 2)
    })
  )
})

describe("Survey", () => {
  const changes = { created: 1, updated: 2, described: 3, kept: 4, deleted: 5 }
  const lacks = ({ found }: Survey.Surveyed) => [...found].map(([slot, { lacks }]) => [slot, lacks])
  const surveyOk = (from: number, count: number, ...runs: ReadonlyArray<number>) => ({
    _tag: "SurveyOk",
    file: 0,
    from,
    count,
    runs,
    doubted: 0,
    doubts: [],
    changes
  })

  const alive = (message: Message) =>
    message._tag === "Poll"
      ? { _tag: "PollOk", poll: message.poll, received: 0, dropped: 0, held: 0, worked: 0 }
      : undefined

  it.effect("asks from entry to entry, each catcher by itself, until each has told of all [Y-1]", () =>
    Effect.gen(function* () {
      const { run } = yield* rig(
        2,
        answering((message, slot) => {
          if (message._tag !== "Survey") return undefined
          if (slot === 0) return surveyOk(message.from, Math.min(8192, 20_000 - message.from))
          return surveyOk(message.from, Math.min(6000, 20_000 - message.from), message.from, 1)
        })
      )
      const surveyed = yield* run(Survey.survey(20_000, [0, 1], { patienceMillis: 2000, progress: new Map() }))
      assert.deepStrictEqual(lacks(surveyed), [
        [0, []],
        [1, [0, 1, 6000, 1, 12_000, 1, 18_000, 1]]
      ])
    })
  )

  it.effect("asks no more where answers go on without an end: small slices, a step back, small lists of items", () =>
    Effect.gen(function* () {
      let asked = 0
      const item = { _tag: "Change", entry: 1, change: 1 } as const
      const { run } = yield* rig(
        4,
        answering((message, slot) => {
          if (message._tag === "Itemize") {
            asked++
            const items = slot === 0 ? [] : [item]
            return { _tag: "ItemizeOk", file: 0, from: message.from, total: 0xffff_ffff, items }
          }
          if (message._tag !== "Survey") return alive(message)
          const { from } = message
          if (slot === 0) return surveyOk(from, Math.min(8192, 100_000 - from))
          if (slot === 1) return surveyOk(from, 1)
          return slot === 2 ? surveyOk(from === 0 ? 0 : from - 1, 5000) : surveyOk(from, 0)
        })
      )
      const surveyed = yield* run(Survey.survey(100_000, [0, 1, 2, 3], { patienceMillis: 2000, progress: new Map() }))
      assert.deepStrictEqual(lacks(surveyed), [[0, []]])
      const told = new Map<number, number>()
      yield* run(
        Survey.itemize([0, 1], (slot, items) =>
          Effect.sync(() => void told.set(slot, (told.get(slot) ?? 0) + items.length))
        )
      )
      assert.isAtMost(asked, 40)
      assert.isAtMost(told.get(1) ?? 0, 40)
    })
  )

  it.effect(
    "believes no answer that goes beyond the manifest, or tells of nothing; one that sits out says no more",
    () =>
      Effect.gen(function* () {
        const { run } = yield* rig(
          3,
          answering((message, slot) => {
            if (message._tag !== "Survey") return undefined
            if (slot === 0) return surveyOk(message.from, 10)
            if (slot === 1) return { _tag: "SitOut", file: 0, reason: "ENOSPC", about: "Tree" }
            return surveyOk(message.from, message.from === 0 ? 11 : 0)
          })
        )
        assert.deepStrictEqual(
          lacks(yield* run(Survey.survey(10, [0, 1, 2], { patienceMillis: 2000, progress: new Map() }))),
          [[0, []]]
        )
      })
  )

  it.effect("one that takes long is left out after a time-out, while others are here [Y-3]", () =>
    Effect.gen(function* () {
      const { run } = yield* rig(
        2,
        answering((message, slot) => {
          if (message._tag === "Poll")
            return { _tag: "PollOk", poll: message.poll, received: 0, dropped: 0, held: 0, worked: 0 }
          return message._tag === "Survey" && slot === 0 ? surveyOk(0, 10) : undefined
        })
      )
      assert.deepStrictEqual(
        lacks(yield* run(Survey.survey(10, [0, 1], { patienceMillis: 2000, progress: new Map() }))),
        [[0, []]]
      )
    })
  )

  const comparing = (looked: number) => ({ _tag: "Comparing", file: 0, from: 0, looked, hashed: 0, toHash: 0 })
  it.effect("one that compares, and gets on, is asked until it answers, or for so long [Y-8]", () =>
    Effect.gen(function* () {
      let looked = 0
      const { run, session } = yield* rig(
        2,
        answering((message, slot) => {
          if (message._tag !== "Survey") return alive(message)
          return slot === 0 || looked > 5000 ? surveyOk(message.from, 5000 - message.from) : comparing(looked++)
        })
      )
      const first = yield* run(Survey.survey(5000, [0, 1], { patienceMillis: 2000, progress: new Map() }))
      assert.deepStrictEqual([lacks(first), first.comparing], [[[0, []]], [1]])
      looked = 4990
      assert.deepStrictEqual(
        lacks(yield* run(Survey.survey(5000, [1], { patienceMillis: 2000, progress: new Map() }))),
        [[1, []]]
      )
      assert.strictEqual(Roster.present(session.roster()).length, 2)
    })
  )

  it.effect("one that compares without an end is lost [Y-8]", () =>
    Effect.gen(function* () {
      const { run, session } = yield* rig(
        1,
        answering((message) => (message._tag === "Survey" ? comparing(17) : alive(message)))
      )
      assert.strictEqual(
        (yield* run(Effect.flip(Survey.survey(5000, [0], { patienceMillis: 2000, progress: new Map() }))))._tag,
        "SurveyTimeout"
      )
      assert.strictEqual(Roster.present(session.roster()).length, 0)
    })
  )

  it.effect("one that is in doubt although it holds all hashes is lost, and the others go on [Y-12]", () =>
    Effect.gen(function* () {
      const { run, session } = yield* rig(
        2,
        answering((message, slot) => {
          if (message._tag !== "Survey") return alive(message)
          return { ...surveyOk(0, 10), ...(slot === 0 ? {} : { doubted: 1, doubts: [3, 1] }) }
        })
      )
      const options = { patienceMillis: 2000, progress: new Map() }
      const { found } = yield* run(Survey.survey(10, [0, 1], options))
      assert.deepStrictEqual(
        [...found].map(([slot, { doubts }]) => [slot, doubts]),
        [
          [0, []],
          [1, [3, 1]]
        ]
      )
      const settled = { ...options, isSettled: true }
      assert.deepStrictEqual(lacks(yield* run(Survey.survey(10, [0, 1], settled))), [[0, []]])
      yield* run(Effect.sleep(13 * 2000))
      assert.deepStrictEqual(
        Roster.present(session.roster()).map(({ slot }) => slot),
        [0]
      )
    })
  )

  it.effect("nobody answers: SurveyTimeout; of no entry nobody is asked", () =>
    Effect.gen(function* () {
      const { run } = yield* rig(1, () => [])
      assert.deepStrictEqual(lacks(yield* run(Survey.survey(0, [0], { patienceMillis: 2000, progress: new Map() }))), [
        [0, []]
      ])
      assert.strictEqual(
        (yield* run(Effect.flip(Survey.survey(10, [0], { patienceMillis: 2000, progress: new Map() }))))._tag,
        "SurveyTimeout"
      )
    })
  )
})
