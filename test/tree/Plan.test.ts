/** The plan of what carries the entries, which is the same at both ends. */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Limits from "../../src/protocol/Limits.ts"
import type { Entry } from "../../src/tree/Entry.ts"
import { decode, encode } from "../../src/tree/Manifest.ts"
import { carriersOf, plan, revise, listFile } from "../../src/tree/Plan.ts"
import { dir, file, hardLink, symlink } from "../store/Sandbox.ts"
import { whole } from "./generators.ts"

describe("plan", () => {
  const sizes = [0, 1, 1000, Limits.smallFileBytes - 1, Limits.smallFileBytes, Limits.smallFileBytes + 1, 10_000_000]

  const anyTree = Arbitrary.map(
    Arbitrary.array(Arbitrary.all({ kind: whole(0, 4), size: whole(0, sizes.length - 1) }), { maxLength: 200 }),
    (drawn) =>
      drawn.map(({ kind, size }, i): Entry => {
        if (kind === 0) return dir(`d${i}`)
        if (kind === 1) return hardLink(`h${i}`, 0)
        return file(`f${i}`, sizes[size])
      })
  )

  const check = (entries: ReadonlyArray<Entry>) => {
    const carried: Array<number> = []
    plan(entries).forEach((one, index) => {
      assert.strictEqual(one.file, index + 1)
      let offset = 0
      for (const member of one.members) {
        const entry = entries[member.entry]
        assert.isTrue(entry._tag === "File" && entry.size === member.size)
        assert.strictEqual(member.offset, offset)
        offset += member.size
        carried.push(member.entry)
      }
      assert.strictEqual(one.size, offset)
      if (one.kind === "Single") {
        assert.strictEqual(one.members.length, 1)
        assert.isAbove(one.size, Limits.smallFileBytes)
        return
      }
      assert.strictEqual(one.kind, "Bundle")
      assert.isAtMost(one.members.length, Limits.bundleFiles)
      assert.isAtMost(one.size, Limits.bundleBytes)
      assert.isTrue(one.members.every((member) => member.size <= Limits.smallFileBytes))
    })
    const files = entries.flatMap((entry, index) => (entry._tag === "File" ? [index] : []))
    assert.deepStrictEqual(
      carried.toSorted((a, b) => a - b),
      files
    )
  }

  it.prop("carries every file exactly once, back to back, within the limits", { entries: anyTree }, ({ entries }) =>
    check(entries)
  )

  it.prop("is the same at both ends, [M-3]", { entries: anyTree }, ({ entries }) => {
    assert.deepStrictEqual(plan(Result.getOrThrow(decode(encode(entries)))), plan(entries))
  })

  it("fills bundles to their limits", () => {
    const many = Array.from({ length: Limits.bundleFiles + 1 }, (_, i) => file(`f${i}`, 1))
    check(many)
    assert.deepStrictEqual(
      plan(many).map(({ members }) => members.length),
      [Limits.bundleFiles, 1]
    )
    const large = Array.from({ length: 9 }, (_, i) => file(`f${i}`, Limits.smallFileBytes))
    check(large)
    assert.deepStrictEqual(
      plan(large).map(({ size }) => size),
      [Limits.bundleBytes, Limits.smallFileBytes]
    )
  })

  it("of nothing is nothing, and an empty file is carried", () => {
    assert.deepStrictEqual(plan([]), [])
    assert.deepStrictEqual(plan([dir("d"), symlink("l", "x")]), [])
    assert.strictEqual(plan([file("f", 0)])[0].size, 0)
  })

  it("with revisions, the last file that carries an entry is the one that counts [M-8]", () => {
    const large = Limits.smallFileBytes + 1
    const entries = [file("a", 1), file("b", large), file("c", 2), file("d", large)]
    const first = plan(entries)
    const last = first.length
    const again = Result.getOrThrow(revise(entries, [file("a", 3), file("b", 4)], last + 1))
    const whole = [...first, listFile("Revision", last + 1, 100), ...again.plan]
    const before = carriersOf(first, new Set([0, 1]))
    const after = carriersOf(whole, new Set([0, 1, 2]))
    const fileOf = (entry: number) =>
      first.find(({ members }) => members.some((member) => member.entry === entry))?.file
    assert.deepStrictEqual([before.get(0), before.get(1)], [fileOf(0), fileOf(1)])
    assert.deepStrictEqual([after.get(0), after.get(1), after.get(2)], [last + 2, last + 2, fileOf(2)])
    // of others nothing is said
    assert.deepStrictEqual([before.size, after.size], [2, 3])
  })
})
