/**
 * Of a block that an older version has in part the sums of its sub-blocks alone agree, until its hash is compared. Where a file was sent
 * with a trailer, as in smaller pages for a narrow path, a block of pages that was held whole was not hashed, though the rest of a
 * signature's block at its edge lay in the block of pages beside it: wrong content was complete.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Policy from "../../src/tree/Policy.ts"
import { exchange } from "../delta/contents.ts"
import { blockBytesOf, pageBytes } from "../store/reusing.ts"

const size = 9_000_000
const blockBytes = blockBytesOf(size)
const mtuBytes = 600
const narrowBytes = Limits.minPageBytes

/** At the edges of blocks of narrow pages: a byte before the edge is another, and behind it is a sub-block with the same sum. */
const olderThan = (content: Uint8Array): Uint8Array => {
  const old = content.slice()
  let edges = 0
  for (let edge = 128 * narrowBytes; edge < size; edge += 128 * narrowBytes) {
    if (edges === 3) break
    const start = edge - (edge % blockBytes)
    const sub = start + Math.ceil((edge - start) / pageBytes) * pageBytes
    if (sub === start || sub >= start + blockBytes || sub + pageBytes > size) continue
    edges++
    old[start] ^= 1
    exchange(old.subarray(sub, sub + pageBytes))
  }
  return old
}

describe("sub-blocks whose sums agree and whose content does not", () => {
  it.effect("are not taken for right where a narrow path needs another size of pages [Y-19]", () =>
    Effect.gen(function* () {
      const given = Tree.file("large", size)
      const content = given.content ?? new Uint8Array(0)
      const { entry } = given
      if (entry._tag !== "File") throw new Error("it is a file")
      const old = olderThan(content)
      const metadata = { ...entry.metadata, mtimeSeconds: entry.metadata.mtimeSeconds - 100 }
      const notes: Array<string> = []
      const outcome = yield* Simulation.run({
        ...{ seed: 7, catchers: 2, tree: [Tree.directory(""), given] },
        network: { delayMillis: 1, bytesPerSecond: 12_500_000 },
        master: { pageBytes, policy: Policy.defaults },
        before: (_, volume) =>
          Tree.stand(volume, [Tree.directory(""), { entry: { ...entry, metadata }, content: old }]),
        meanwhile: ({ network }) => Effect.andThen(Effect.sleep(16), network.impairLink("c2", "Group", { mtuBytes })),
        observer: { masterTells: (event) => void (event._tag === "Note" && notes.push(event.message)) }
      })
      if (outcome.master?._tag !== "Success") throw new Error(JSON.stringify(outcome.master))
      assert.match(notes.join(), /pages have 512 bytes now/)
      assert.deepStrictEqual(
        outcome.master.value.catchers.map(({ state }) => state),
        ["Complete", "Complete"]
      )
      for (const { memory } of outcome.hosts)
        assert.strictEqual(Buffer.compare(memory.tree.get("large")?.content ?? new Uint8Array(0), content), 0)
    })
  )
})
