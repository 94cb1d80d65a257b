/**
 * A catcher of whose answers one in ten arrived was given up at its ninth silent poll, and held up every barrier for seconds:
 * the others had a tree of half a second after twenty.
 */
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Roster from "../../src/protocol/group/Roster.ts"
import type * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { answering, crowd, inTime, master } from "../phase/Rig.ts"
import { mostly } from "../seldom.ts"
import * as Simulation from "../sessions/Simulation.ts"

for (const every of mostly([10], [8])) {
  it.effect(`one answer in ${every} keeps a catcher in the session [Q-10]`, () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const { session } = yield* master(network, { timeoutMillis: 2000 })
      let polls = 0
      const pollOk = answering((message) => {
        if (message._tag !== "Poll" || ++polls % every !== 0) return undefined
        return { _tag: "PollOk", poll: message.poll, received: 0, dropped: 0 }
      })
      yield* crowd(network, 1, pollOk)
      yield* Effect.forkScoped(session.rollCall)
      yield* inTime(Effect.sleep(60_000), 61_000)
      assert.deepStrictEqual(
        Roster.participants(session.roster()).map(({ lost, name }) => [name, lost]),
        [["c1", undefined]]
      )
      assert.isAbove(polls, 30)
    }).pipe(Effect.scoped)
  )
}

const tree = Array.from({ length: 16 }, (_, i) => Simulation.file(`f${i}`, 500_000, i))

/** Four catchers; after how long all but the first have every file, and how often each page was sent. */
const run = Effect.fnUntraced(function* (seed: number, answerLoss: number, groupLoss = 0) {
  let othersMillis: number | undefined
  const memories: Array<Memory.Memory> = []
  const outcome = yield* Simulation.run({
    ...{ seed, catchers: 4, tree, memories, bytesPerSecond: 20_000_000, delayMillis: 1 },
    master: { pageBytes: 1432 },
    meanwhile: (network) =>
      Effect.gen(function* () {
        yield* network.impairLink("c1", "Answers", { loss: answerLoss, delayMillis: 1 })
        yield* network.impairLink("c1", "Group", { loss: groupLoss, delayMillis: 1 })
        while (memories.slice(1).some((memory) => memory.tree.size < tree.length)) yield* Effect.sleep(10)
        othersMillis = yield* Clock.currentTimeMillis
      })
  })
  if (outcome.master._tag !== "Success") return assert.fail(JSON.stringify(outcome.master))
  const { catchers, pages, seconds } = outcome.master.value
  for (const memory of memories) assert.deepStrictEqual(Simulation.differences(tree, memory), [])
  assert.strictEqual(catchers.find(({ id }) => id === "c1")?.state, "Complete")
  const beganMillis = outcome.millis - seconds * 1000
  return { othersMillis: (othersMillis ?? Infinity) - beganMillis, copies: pages.sent / pages.needed }
})

const quietly = Effect.runSync(Effect.cached(run(1, 0)))

/** What the others lose until it is known that the answers of one are lost, and not late. */
const untilKnown = mostly(
  [{ loss: 0.95, millis: 3000 }],
  [
    { loss: 0.6, millis: 500 },
    { loss: 0.9, millis: 800 }
  ]
)

for (const { loss, millis } of untilKnown) {
  it.effect(`answers of which ${100 * loss} % are lost hold up the others for ${millis} ms at most [Q-14]`, () =>
    Effect.gen(function* () {
      const quiet = yield* quietly
      // the worst of the first ten
      for (const seed of [5, 7, 8]) {
        const { copies, othersMillis } = yield* run(seed, loss)
        assert.isBelow(othersMillis, quiet.othersMillis + millis)
        assert.isBelow(copies, 2.1)
      }
    })
  )
}

it.effect("a path that loses most of all datagrams, both ways, keeps nobody but its own catcher [Q-14]", () =>
  Effect.gen(function* () {
    for (const seed of mostly([3], [1])) {
      const { othersMillis } = yield* run(seed, 0.8, 0.8)
      assert.isBelow(othersMillis, 20_000)
    }
  })
)
