import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Limits from "../../src/protocol/Limits.ts"
import type { Entry } from "../../src/tree/Entry.ts"
import * as Holes from "../../src/tree/Holes.ts"
import * as Manifest from "../../src/tree/Manifest.ts"
import { plan } from "../../src/tree/Plan.ts"
import { int } from "../protocol/generators.ts"
import { file } from "../store/Sandbox.ts"

const block = 4096

/** Gaps and lengths, one after the other. */
const Steps = Schema.Array(int(1, 20_000)).check(Schema.isMaxLength(40))

const runsOf = (steps: ReadonlyArray<number>, tail: number) => {
  const runs: Array<number> = []
  let end = 0
  for (let at = 0; at + 1 < steps.length; at += 2) {
    runs.push(end + steps[at], steps[at + 1])
    end += steps[at] + steps[at + 1]
  }
  return { runs, size: end + tail }
}

const has = (runs: ReadonlyArray<number>, at: number) => {
  for (let run = 0; run < runs.length; run += 2) if (at >= runs[run] && at < runs[run] + runs[run + 1]) return true
  return false
}

/** A file's content: no zero in its runs, nothing but zeros between them. */
const contentOf = (size: number, runs: ReadonlyArray<number>) => {
  const content = new Uint8Array(size)
  for (let run = 0; run < runs.length; run += 2) {
    for (let at = runs[run]; at < runs[run] + runs[run + 1]; at++) content[at] = 1 + (at % 251)
  }
  return content
}

describe("runs of data [M-12]", () => {
  it.prop(
    "are rounded outwards, are no more than they may be, and are what a manifest takes",
    [Steps, int(1, 20_000), int(1, 6)],
    (given) => {
      const [steps, tail, most] = given
      const { runs, size } = runsOf(steps, tail)
      const told = Holes.bounded(size, runs, most)
      if (told === undefined) return assert.isFalse(runs.length === 0 && size > block)
      assert.isUndefined(Holes.wrong(size, told))
      assert.isAtMost(told.length, 2 * most)
      for (let run = 0; run < told.length; run += 2) {
        assert.strictEqual(told[run] % block, 0)
        assert.isTrue(told[run] + told[run + 1] === size || told[run + 1] % block === 0)
      }
      for (let run = 0; run < runs.length; run += 2) {
        assert.isTrue(has(told, runs[run]) && has(told, runs[run] + runs[run + 1] - 1))
      }
    }
  )

  it("beyond the bound are joined over the smallest gaps", () => {
    const runs = [0, 1, 10, 1, 13, 1, 30, 1].map((n) => n * block)
    assert.deepStrictEqual(
      Holes.bounded(40 * block, runs, 3),
      [0, 1, 10, 4, 30, 1].map((n) => n * block)
    )
    assert.deepStrictEqual(
      Holes.bounded(40 * block, runs, 2),
      [0, 14, 30, 1].map((n) => n * block)
    )
    assert.deepStrictEqual(Holes.bounded(40 * block, runs, 1), [0, 31 * block])
    assert.isUndefined(Holes.bounded(31 * block, runs, 1))
    assert.isUndefined(Holes.bounded(0, [], 1))
    assert.deepStrictEqual(Holes.bounded(3 * block, [], 1), [0, block])
  })

  it.prop("and the gaps between them are the file, each byte in one of them", [Steps, int(1, 20_000)], (given) => {
    const { runs, size } = runsOf(...given)
    const gaps = Holes.gaps({ size, data: runs })
    const sum = (all: ReadonlyArray<number>) => all.reduce((bytes, n, at) => bytes + (at % 2) * n, 0)
    assert.strictEqual(sum(gaps) + sum(runs), size)
    for (let gap = 0; gap < gaps.length; gap += 2) assert.isFalse(has(runs, gaps[gap]))
  })

  it.prop(
    "of any range of what is carried: its pieces lie where they are in the file",
    [Steps, int(1, 99), int(0, 1e6), int(0, 1e5)],
    (given) => {
      const [steps, tail, a, b] = given
      const { runs, size } = runsOf(steps, tail)
      const content = contentOf(size, runs)
      const extent = { size, data: runs }
      const whole = Holes.carriedOf(content, extent) ?? assert.fail()
      assert.strictEqual(whole.length, Holes.carriedBytes(extent))
      assert.isFalse(whole.includes(0))
      const offset = Math.min(a, whole.length)
      const into = new Uint8Array(Math.min(b, whole.length - offset))
      for (const { at, bytes } of new Holes.Carried(extent).pieces(offset, into))
        bytes.set(content.subarray(at, at + bytes.length))
      assert.isTrue(Buffer.from(into).equals(whole.subarray(offset, offset + into.length)))
      const [gap] = Holes.gaps(extent)
      content[gap] = 1
      assert.isUndefined(Holes.carriedOf(content, extent))
    }
  )

  it.prop("of a shorter file: so much of what is carried lies in it", [Steps, int(1, 99), int(0, 500_000)], (given) => {
    const [steps, tail, bytes] = given
    const { runs, size } = runsOf(steps, tail)
    const content = contentOf(size, runs)
    const count = content.subarray(0, bytes).filter((byte) => byte !== 0).length
    assert.strictEqual(new Holes.Carried({ size, data: runs }).before(bytes), count)
  })

  const sparse = (size: number, data: ReadonlyArray<number>): Entry => ({ ...file("f", size), usedBytes: 0, data })

  for (const [what, data, reason] of [
    ["none", [], "no run of data"],
    ["overlapping", [0, 10, 5, 10], "overlapping or unsorted"],
    ["touching", [0, 10, 10, 10], "overlapping or unsorted"],
    ["unsorted", [50, 10, 5, 10], "overlapping or unsorted"],
    ["empty", [5, 0], "an empty run"],
    ["beyond the size", [90, 11], "beyond its size"],
    ["far beyond it", [100, Number.MAX_SAFE_INTEGER], "beyond its size"],
    ["too many", Array.from({ length: 2 * Limits.dataRuns + 2 }, (_, i) => i), "1025 runs"]
  ] as const) {
    it(`that are ${what} are refused with a reason`, () => {
      const decoded = Manifest.decode(Manifest.encode([sparse(100, data)]))
      assert.strictEqual(decoded._tag, "Failure")
      if (decoded._tag === "Failure") assert.include(decoded.failure, reason)
    })
  }

  it("a file that has them is carried alone, as so many bytes as they are", () => {
    const [alone] = plan([sparse(2 ** 40, [0, 7, 100, 5])])
    assert.deepInclude(alone, { kind: "Single", size: 12 })
    assert.strictEqual(alone.members[0].extent?.size, 2 ** 40)
  })
})
