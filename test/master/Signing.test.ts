/** Signatures of files that change while they are read. [Y-17] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Blocks from "../../src/delta/Blocks.ts"
import { Ledger } from "../../src/master/Ledger.ts"
import { signed } from "../../src/master/Signing.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import { Source } from "../../src/source/Source.ts"
import { plan } from "../../src/tree/Plan.ts"

const size = 3_000_000
const { entry } = Tree.file("f", size)

/** The signature, where the file is untouched or not, and has grown or not, and something happens when half was read. */
const sign = (
  state: { readonly isUntouched: boolean; readonly hasGrown: boolean },
  change: (content: Uint8Array) => void
) => {
  const content = Tree.bytes(size, 1)
  let reads = 0
  const read = (offset: number, into: Uint8Array) =>
    Effect.sync(() => {
      if (reads++ === 0) assert.strictEqual(offset, 0)
      if (offset > size / 2 && reads < size / into.length) {
        change(content)
        reads = size
      }
      into.set(content.subarray(offset, offset + into.length))
    })
  const opened = { read, isUntouched: Effect.succeed(state.isUntouched), hasGrown: Effect.succeed(state.hasGrown) }
  const source = { open: () => Effect.succeed(opened) } as unknown as Source["Service"]
  const ledger = new Ledger([entry], plan([entry]))
  return Effect.map(Effect.provideService(signed(ledger, 0, { pageBytes: 1432 }), Source, source), (signature) => ({
    signature,
    now: signature && Blocks.ofContent(content, signature.blockBytes).strong
  }))
}

describe("a file that is signed", () => {
  const nothing = () => {}
  /** In what was read already, and in what was not. */
  const torn = (content: Uint8Array) => void content.fill(9, 1000, 1100).fill(9, size - 2000, size - 1900)

  it.effect("has a signature when it is what it was, or has only grown", () =>
    Effect.gen(function* () {
      for (const state of [
        { isUntouched: true, hasGrown: false },
        { isUntouched: false, hasGrown: true }
      ]) {
        const { now, signature } = yield* sign(state, nothing)
        assert.deepStrictEqual(signature?.strong, now)
      }
    })
  )
  it.effect("has none when it was written to as well: what was read was never there at one moment", () =>
    Effect.gen(function* () {
      for (const hasGrown of [false, true])
        assert.isUndefined((yield* sign({ isUntouched: false, hasGrown }, torn)).signature)
    })
  )
})
