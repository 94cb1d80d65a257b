import { assert, describe, it } from "@effect/vitest"
import type { Entry } from "../../src/tree/Entry.ts"
import * as Policy from "../../src/tree/Policy.ts"
import * as Room from "../../src/tree/Room.ts"
import { dir, file, hardLink } from "../store/Sandbox.ts"

const space = (freeBytes?: number, freeInodes?: number): Room.Space => ({
  ...{ freeBytes, freeInodes, blockBytes: 100, keepsBytes: true }
})
const fresh = (...entries: ReadonlyArray<Entry>) => entries.map((entry) => ({ entry, standing: undefined }))
const over = (entry: Entry, size: number, bytes = size) => ({ entry, standing: { size, bytes } })
const lacks = (needs: ReadonlyArray<Room.Need>, free: Room.Space) => {
  const found = Room.shortageOf(needs, free)
  return found === undefined ? undefined : [found.of, found.needs, found.has, found.isSure]
}

describe("Room.shortageOf [M-10]", () => {
  it("files take whole blocks, and nothing lacks where there is no limit", () => {
    assert.deepStrictEqual(lacks(fresh(file("a", 1), file("b", 101)), space(299)), ["bytes", 300, 299, true])
    assert.isUndefined(lacks(fresh(file("a", 1), file("b", 101)), space(300)))
    assert.isUndefined(lacks(fresh(file("a", 2 ** 50)), space()))
  })
  it("holes of the source take nothing", () => {
    const sparse = { ...file("a", 2 ** 40), usedBytes: 250 } as Entry
    assert.isUndefined(lacks(fresh(sparse), space(250)))
    assert.deepStrictEqual(lacks(fresh(sparse), space(249)), ["bytes", 250, 249, true])
  })
  it("what is replaced gives its room back, but stands beside the new file until then", () => {
    assert.isUndefined(lacks([over(file("a", 1000), 900), over(file("b", 1000), 900)], space(1000)))
    assert.deepStrictEqual(lacks([over(file("a", 1000), 900)], space(900)), ["bytes", 1000, 900, true])
    // the second is written when the first has shrunk
    assert.isUndefined(lacks([over(file("a", 100), 1000), over(file("b", 1000), 900)], space(200)))
    assert.deepStrictEqual(lacks([over(file("a", 100), 1000), over(file("b", 1000), 900)], space(99)), [
      ...["bytes", 100, 99, true]
    ])
  })
  it("what is written where it stands needs no room twice, nor an inode [F-11]", () => {
    const bytes = 600_000
    const grown = [over(file("a", bytes + 100), bytes)]
    assert.isUndefined(Room.shortageOf(grown, space(100, 0), "InPlace"))
    assert.strictEqual(Room.shortageOf(grown, space(99, 0), "InPlace")?.needs, 100)
    assert.strictEqual(Room.shortageOf(grown, space(bytes, 0), "Anew")?.needs, bytes + 100)
    // small ones are made anew, and so is what is kept
    assert.strictEqual(Room.shortageOf([over(file("a", 1000), 900)], space(900, 1), "InPlace")?.needs, 1000)
    // a large one may share its blocks with the older one
    const large = [over(file("a", 1_100_000), 1_048_576)]
    const sharing = { ...space(100_000, 1), sharesBlocks: true }
    assert.isUndefined(Room.shortageOf(large, sharing, "Sharing"))
    assert.strictEqual(Room.shortageOf(large, { ...sharing, freeInodes: 0 }, "Sharing")?.of, "inodes")
    assert.strictEqual(Room.shortageOf(large, sharing, "Anew")?.needs, 1_100_000)
    assert.strictEqual(Room.shortageOf(large, space(100_000), "Sharing")?.needs, 1_100_000)
    assert.strictEqual(Room.shortageOf(grown, sharing, "Sharing")?.needs, bytes + 100)
    assert.strictEqual(Room.replacingOf(Policy.defaults), "Sharing")
    assert.strictEqual(Room.replacingOf({ ...Policy.defaults, sendsWhole: true }), "Anew")
    assert.strictEqual(Room.replacingOf(undefined), "Anew")
    assert.strictEqual(Room.replacingOf({ ...Policy.defaults, isInPlace: true }), "InPlace")
    const keeping = { suffix: Buffer.from("~"), directory: Buffer.alloc(0) }
    assert.strictEqual(Room.replacingOf({ ...Policy.defaults, isInPlace: true, backup: keeping }), "Sharing")
  })
  it("what may be recognised need not be written", () => {
    assert.isUndefined(lacks([over(file("a", 1000), 1000)], space(0)))
  })
  it("every new name needs an inode but a hard link; a file that replaces another has one for a while", () => {
    const tree = fresh(dir("d"), file("d/a", 0), hardLink("d/b", 1))
    assert.deepStrictEqual(lacks(tree, space(undefined, 1)), ["inodes", 2, 1, true])
    assert.isUndefined(lacks(tree, space(undefined, 2)))
    assert.isUndefined(lacks([over(dir("d"), -1)], space(undefined, 0)))
    assert.deepStrictEqual(lacks([over(file("a", 1), 2)], space(undefined, 0)), ["inodes", 1, 0, true])
  })
  it("where content may be compressed, bytes that lack are no certainty; inodes are", () => {
    const unsure = { ...space(10, 0), keepsBytes: false }
    assert.deepStrictEqual(lacks(fresh(file("a", 100)), unsure), ["bytes", 100, 10, false])
    assert.deepStrictEqual(lacks(fresh(file("a", 0)), unsure), ["inodes", 1, 0, true])
  })
})
