/** Runs what `mrsync simulate` runs, on a screen that keeps what is said. */
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LastLine from "../../src/cli/LastLine.ts"
import { Machine } from "../../src/cli/Machine.ts"
import { Screen } from "../../src/cli/Screen.ts"
import { type Input, simulate } from "../../src/cli/Simulate.ts"
import { recording } from "./recording.ts"

/** Nothing is asked of it where no page is to be watched. */
const machine = Layer.mergeAll(Layer.succeed(Machine, {} as Machine["Service"]), SecureRandom.layerWebCrypto)

export const input: Input = {
  catchers: 4,
  sizeBytes: 1_000_000,
  pageBytes: 1432,
  lossPercent: 1,
  bytesPerSecond: 12_500_000,
  delayMillis: 1,
  seed: 1,
  slow: 0,
  slowLossPercent: undefined,
  slowBytesPerSecond: undefined,
  crash: 0,
  repair: "auto",
  web: undefined,
  speed: undefined,
  verbose: false,
  json: false
}

/** `out` and `err` are filled, line by line, while it runs. */
export const simulating = (changes: Partial<Input>) => {
  const { said, screen } = recording()
  const wanted = { ...input, ...changes }
  const run = simulate(wanted).pipe(
    LastLine.ending(wanted.json),
    Effect.provideService(Screen, screen),
    Effect.provide(machine)
  )
  return { ...said, run }
}

/** The same, run to its end. */
export const simulated = Effect.fnUntraced(function* (changes: Partial<Input>) {
  const { run, ...said } = simulating(changes)
  return { ...said, exit: yield* Effect.exit(run) }
})
