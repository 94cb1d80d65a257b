/** The pages of whole sessions under a seal, on the simulated network. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Memory from "../../src/store/Memory.ts"
import * as Header from "../../src/wire/Header.ts"
import * as Simulation from "./Simulation.ts"

const tree: ReadonlyArray<Memory.Given> = [
  Simulation.directory(""),
  Simulation.file("large", 400_000),
  ...Array.from({ length: 10 }, (_, i) => Simulation.file(`small ${i}`, i * 997, i)),
  Simulation.file("empty", 0)
]

const pieceBytes = 8

/** Pieces of content, by their first three bytes, so that a look at every byte of a session is quick. */
const pieces = new Set<string>()
const beginnings = new Uint8Array(2 ** 24)
const beginningOf = (bytes: Uint8Array, at: number) => bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16)
const pieceOf = (bytes: Uint8Array, at: number) => Buffer.from(bytes.subarray(at, at + pieceBytes)).toString("latin1")
for (const { content = new Uint8Array(0) } of tree) {
  for (let at = 0; at + pieceBytes <= content.length; at += pieceBytes) {
    pieces.add(pieceOf(content, at))
    beginnings[beginningOf(content, at)] = 1
  }
}
const piecesIn = (bytes: Uint8Array): number => {
  let found = 0
  for (let at = 0; at + pieceBytes <= bytes.length; at++) {
    if (beginnings[beginningOf(bytes, at)] === 1 && pieces.has(pieceOf(bytes, at))) found++
  }
  return found
}

/** What a stranger sees of the pages: pieces of content, and the session fields of pages and of parity. */
const eavesdropper = () => {
  const seen = { pieces: 0, marks: new Set<string>(), sent: new Set<string>(), parity: 0 }
  const network = ({ bytes }: { readonly bytes: Uint8Array }) => {
    seen.pieces += piecesIn(bytes)
    Header.split(bytes, (at) => {
      if (!Header.isPageType(Header.typeOf(bytes, at))) return
      if (Header.typeOf(bytes, at) === Header.types.Parity) seen.parity++
      const mark = Buffer.from(bytes.subarray(at + 8, at + 16)).toString("hex")
      seen.marks.add(mark)
      seen.sent.add(`${mark} ${Header.typeOf(bytes, at)} ${Header.fileOf(bytes, at)} ${Header.indexOf(bytes, at)}`)
    })
  }
  return { seen, observer: { network } }
}

const scenario = (master: Simulation.Scenario["master"], loss: number) => ({
  ...{ seed: 3, catchers: 3, tree, loss, delayMillis: 2, jitterMillis: 3, reorder: 0.05, duplicate: 0.05 },
  // blocks that no memory is left for are written page by page
  assemblingBlocks: 1,
  master: { pageBytes: 512, ...master }
})

const isWhole = ({ master, memories }: Simulation.Outcome) => {
  assert.strictEqual(master._tag, "Success", JSON.stringify(master))
  for (const memory of memories) assert.deepStrictEqual(Simulation.differences(tree, memory), [])
}

/** Runs it under a seal: every catcher has the tree, and nobody else has a piece of it. */
const sealed = (scenario: Simulation.Scenario) =>
  Effect.gen(function* () {
    const { observer, seen } = eavesdropper()
    isWhole(yield* Simulation.run({ ...scenario, isSealed: true, observer }))
    assert.strictEqual(seen.pieces, 0)
    // each page has a mark of its own, which it has again when it is sent again in its pass
    assert.strictEqual(seen.marks.size, seen.sent.size)
    return seen
  })

describe("the pages of a sealed session", () => {
  it.effect("lost ones are sent again, to catchers with little memory [E-3] [E-4]", () =>
    Effect.gen(function* () {
      const { parity } = yield* sealed(scenario({ repair: "resend" }, 0.1))
      assert.strictEqual(parity, 0)
    })
  )

  it.effect("lost ones are made from parity, which is of what is on the air [E-3]", () =>
    Effect.gen(function* () {
      const { parity } = yield* sealed(scenario({ repair: "parity" }, 0.2))
      assert.isAbove(parity, 50)
    })
  )

  it.effect("a catcher that comes late is sent them in a further pass, under other marks [E-1] [E-4]", () =>
    Effect.gen(function* () {
      const startMillis = (catcher: number) => (catcher === 2 ? 500 : 0)
      const late = { ...scenario({ catchers: 2 }, 0), bytesPerSecond: 400_000, startMillis }
      const { marks } = yield* sealed(late)
      assert.isAbove(marks.size, (2 * 400_000) / 512)
    })
  )

  it.effect("in the open the pieces are found, and all pages have one mark", () =>
    Effect.gen(function* () {
      const { observer, seen } = eavesdropper()
      isWhole(yield* Simulation.run({ ...scenario({}, 0), observer }))
      assert.isAbove(seen.pieces, 400_000 / pieceBytes)
      assert.strictEqual(seen.marks.size, 1)
    })
  )
})
