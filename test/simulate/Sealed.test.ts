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
      ...{ seed: 7, catchers: 300, isSealed, assemblingBlocks: 8, tree: [Tree.file("image", 100_000)] },
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
