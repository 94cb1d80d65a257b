import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Header from "../../src/wire/Header.ts"

describe("300 catchers under a seal", () => {
  /** Virtual milliseconds until the first page. */
  const firstPage = Effect.fnUntraced(function* (isSealed: boolean) {
    let now = () => 0
    let millis: number | undefined
    const { catchers } = yield* Simulation.run({
      ...{ seed: 7, catchers: 300, isSealed, assemblingBlocks: 8, tree: [Tree.file("image", 2000)] },
      network: { delayMillis: 1, bytesPerSecond: 125_000_000, glued: true },
      master: { pageBytes: Limits.defaultPageBytes },
      meanwhile: (world) => Effect.sync(() => void (now = world.now)),
      observer: {
        network: ({ _tag, bytes }) => {
          if (_tag === "Sent" && Header.typeOf(bytes, 0) === Header.types.Page) millis ??= now()
        }
      }
    })
    assert.isTrue(catchers.every((exit) => exit?._tag === "Success"))
    return millis ?? Infinity
  })

  it.effect(
    "are in at most 0.1 s later than in the open",
    () =>
      Effect.gen(function* () {
        const [sealed, inTheOpen] = [yield* firstPage(true), yield* firstPage(false)]
        console.log(`first page after ${sealed.toFixed(0)} ms, in the open ${inTheOpen.toFixed(0)} ms`)
        assert.isAtMost(sealed, inTheOpen + 100)
      }),
    180_000
  )
})

describe("a way of 0.6 s there and back", () => {
  it.effect("a catcher joins: the answer to its hail comes after it has hailed again [K-6]", () =>
    Effect.gen(function* () {
      const { catchers, millis } = yield* Simulation.run({
        ...{ seed: 7, catchers: 2, isSealed: true, tree: [Tree.file("image", 10_000)] },
        network: { delayMillis: 300 }
      })
      for (const exit of catchers) assert.strictEqual(exit?._tag, "Success")
      assert.isBelow(millis, 15_000)
    })
  )
})

describe("a catcher that was cut off, and whose master has died meanwhile", () => {
  const timeoutMillis = 5000
  /** After how many virtual milliseconds it ends, counted from the time when it could hear again. */
  const endsAfter = Effect.fnUntraced(function* (isReplayed: boolean) {
    const recorded: Array<Uint8Array> = []
    let isCutOff = false
    let fromMillis = 0
    const { hosts } = yield* Simulation.run({
      ...{ seed: 7, catchers: 1, isSealed: true, timeoutMillis, tree: [Tree.file("image", 3_000_000)] },
      ...{ network: { delayMillis: 1 }, master: { bytesPerSecond: 300_000 } },
      observer: {
        network: ({ bytes, isCatcher }) => {
          if (isCutOff && !isCatcher && !Header.isPageType(Header.typeOf(bytes, 0))) recorded.push(bytes.slice())
        }
      },
      meanwhile: ({ master, network, now }) =>
        Effect.gen(function* () {
          const address = network.addressOf("master")!
          yield* Effect.sleep(1000)
          isCutOff = true
          yield* network.partition("c1")
          yield* Effect.sleep(3000)
          yield* master.crash
          yield* network.unpartition("c1")
          isCutOff = false
          fromMillis = now()
          assert.isAbove(recorded.length, 20)
          if (!isReplayed) return
          for (const datagram of recorded) {
            network.forge(address, "c1", datagram)
            yield* Effect.sleep(300)
          }
        })
    })
    const [{ exit, exitMillis }] = hosts
    assert.strictEqual(exit?._tag, "Failure")
    return exitMillis - fromMillis
  })

  it.effect("waits no longer where what it had not heard is said again [K-12]", () =>
    Effect.gen(function* () {
      const [alone, replayed] = [yield* endsAfter(false), yield* endsAfter(true)]
      assert.approximately(replayed, alone, timeoutMillis / 4)
    })
  )
})
