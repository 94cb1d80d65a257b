/** What a catcher may not make, and what it may. */
import { assert, describe, it } from "@effect/vitest"
import { refused } from "../../src/tree/Validate.ts"
import { device, dir, fifo, file, hardLink, socket, symlink } from "../store/Sandbox.ts"
import * as Arbitrary from "effect/Arbitrary"
import { anyEntries, whole } from "./generators.ts"

const paths = ["", "a", "b", "a/a", "a/b", "b/a", "a/b/a", "a/b/b", "/a", "a//b", "a/"]
const anyPaths = Arbitrary.array(
  Arbitrary.map(
    Arbitrary.all({ at: whole(0, paths.length - 1), isFile: whole(0, 3) }),
    ({ at, isFile }) => [paths[at], isFile === 0] as const
  ),
  { maxLength: 16 }
)

describe("refused", () => {
  const fine = [
    dir(""),
    dir("d"),
    dir("d/e"),
    file("d/e/f", 1),
    hardLink("h", 3),
    symlink("l", "/any/../where"),
    fifo("p")
  ]

  it("nothing of a sound manifest", () => {
    assert.strictEqual(refused(fine).size, 0)
    // a link, a FIFO, a socket and a device may have several names, too [M-2]
    const others = [symlink("l", "x"), fifo("p"), socket("s"), device("c", 259)]
    assert.strictEqual(refused([...others, ...others.map((_, i) => hardLink(`h${i}`, i))]).size, 0)
    assert.strictEqual(
      refused([file("..x", 1), file("x..", 1), file("...", 1), file(" ", 1), file("a\\..", 1)]).size,
      0
    )
    assert.strictEqual(refused([file(Uint8Array.of(0xff, 0x80), 1)]).size, 0)
  })

  for (const [what, entry] of [
    ["..", file("..", 1)],
    [".", dir(".")],
    ["a leading ..", file("../x", 1)],
    ["a .. within", file("d/../x", 1)],
    ["a trailing ..", dir("d/..")],
    ["a . within", file("d/./x", 1)],
    ["an absolute path", file("/x", 1)],
    ["the root", dir("/")],
    ["an empty component", file("d//x", 1)],
    ["a trailing slash", dir("d/x/")],
    ["a NUL byte", file("x\0", 1)],
    ["a file at the destination's own path", file("", 1)],
    ["a link at the destination's own path", symlink("", "x")],
    ["a missing parent", file("none/x", 1)],
    ["a parent that is a file", file("d/e/f/x", 1)],
    ["a parent that is a link", file("l/x", 1)],
    ["a parent that is a FIFO", file("p/x", 1)],
    ["a path twice", file("d/e/f", 1)],
    ["a directory twice", dir("d")],
    ["a directory where a link is", dir("l")],
    ["a link where a directory is", symlink("d", "/")],
    ["a link without a target", symlink("x", "")],
    ["a link with a NUL byte in its target", symlink("x", "a\0b")],
    ["a hard link to a directory", hardLink("x", 1)],
    ["a hard link to a hard link", hardLink("x", 4)],
    ["a hard link to itself", hardLink("x", 7)],
    ["a hard link to nothing", hardLink("x", 99)]
  ] as const) {
    it(what, () => assert.deepStrictEqual(Array.from(refused([...fine, entry]).keys()), [7]))
  }

  it("a parent that comes later, [M-1], and a leader that comes later, [M-2]", () => {
    assert.deepStrictEqual(Array.from(refused([file("d/f", 1), dir("d")]).keys()), [0])
    assert.deepStrictEqual(Array.from(refused([hardLink("h", 1), file("f", 1)]).keys()), [0])
  })

  it("what is in a refused directory, and a link to a refused file", () => {
    const entries = [dir("../d"), dir("../d/e"), file("../d/e/f", 1), hardLink("h", 2), file("fine", 1)]
    assert.deepStrictEqual(Array.from(refused(entries).keys()), [0, 1, 2, 3])
  })

  it.prop("never throws, and what it leaves is confined", { entries: anyEntries }, ({ entries }) => {
    const refusals = refused(entries)
    entries.forEach(({ path }, index) => {
      if (refusals.has(index) || path.length === 0) return
      const names = Buffer.from(path).toString("latin1").split("/")
      assert.isFalse(names.some((name) => name === "" || name === "." || name === ".." || name.includes("\0")))
    })
  })

  it.prop("knows every path that was there before, in whatever order [M-1]", { drawn: anyPaths }, ({ drawn }) => {
    const refusals = refused(drawn.map(([path, isFile]) => (isFile ? file(path, 1) : dir(path))))
    drawn.forEach(([path, isFile], index) => {
      const isTwice = drawn.slice(0, index).some(([other]) => other === path)
      assert.strictEqual(refusals.get(index) === "the manifest names it twice", isTwice)
      const parent = path.slice(0, path.lastIndexOf("/"))
      const made = drawn.findIndex(([other]) => other === parent)
      const isIn = !path.includes("/") || (made >= 0 && made < index && !drawn[made][1] && !refusals.has(made))
      const isSound = isIn && !["/a", "a//b", "a/"].includes(path) && (path !== "" || !isFile)
      assert.strictEqual(refusals.has(index), isTwice || !isSound)
    })
  })
})
