import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Faults from "../../src/simulate/Faults.ts"
import * as Sweep from "../../src/simulate/Sweep.ts"

/** The session of a seed has nothing wrong. */
export const check = (seed: number, settled?: Faults.Settled) =>
  Effect.map(Sweep.run(seed, settled), ({ problems }) => {
    const kinds = [settled?.lies && "--lies", settled?.isSync && "--sync", settled?.isDelta && "--delta"].filter(
      Boolean
    )
    assert.deepStrictEqual(problems, [], ["replay: npm run sim --", "--seed", seed, "--verbose", ...kinds].join(" "))
  })
