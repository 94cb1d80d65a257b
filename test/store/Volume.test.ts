/** A small file system in memory: names as a real one resolves them, and contents that cost only what differs. */
import { assert, describe, it } from "@effect/vitest"
import { Content, Volume } from "../../src/store/Volume.ts"
import * as Chance from "../../src/transport/Chance.ts"

const bytesFrom = (chance: Chance.Chance, length: number) =>
  Uint8Array.from({ length }, () => Math.floor(chance.next() * 3))

describe("contents", () => {
  it("are what was written, whatever was expected", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const chance = Chance.make(seed)
      const size = Math.floor(chance.next() * 40)
      const expected = chance.hits(0.7) ? bytesFrom(chance, size) : undefined
      const content = new Content(size, expected)
      const model = new Uint8Array(size)
      let usedBytes = 0
      for (let i = 0; i < 30; i++) {
        const offset = Math.floor(chance.next() * (size + 1))
        const length = Math.floor(chance.next() * (size - offset + 1))
        const isExpected = expected !== undefined && chance.hits(0.6)
        const bytes = isExpected ? expected.slice(offset, offset + length) : bytesFrom(chance, length)
        content.write(offset, bytes)
        model.set(bytes, offset)
        bytes.forEach((byte, at) => void (byte === 0 || (usedBytes = Math.max(usedBytes, offset + at + 1))))
        bytes.fill(9)
        const from = Math.floor(chance.next() * (size + 1))
        const into = new Uint8Array(Math.floor(chance.next() * (size - from + 1))).fill(7)
        content.read(from, into)
        assert.deepStrictEqual(into, model.slice(from, from + into.length), `seed ${seed}`)
      }
      assert.deepStrictEqual(content.bytes, model)
      assert.strictEqual(content.usedBytes, usedBytes)
      assert.isTrue(content.equals(model))
      if (expected !== undefined) assert.strictEqual(content.equals(expected), Buffer.compare(expected, model) === 0)
      if (size > 0) {
        model[size - 1] ^= 1
        assert.isFalse(content.equals(model))
      }
      assert.isFalse(content.equals(new Uint8Array(size + 1)))
    }
  })
})

describe("a volume", () => {
  const make = () => {
    const changes: Array<string> = []
    const volume = new Volume({ capacityBytes: 100 })
    volume.mkdir("a")
    volume.mkdir("a/b")
    volume.observe = ({ operation, path }) => void changes.push(`${operation} ${path}`)
    return { volume, changes }
  }
  const code = (refused: { readonly _tag: string; readonly failure?: unknown }) => refused.failure

  it("follows links on the way to a name, and not the name itself", () => {
    const { changes, volume } = make()
    volume.symlink("a/up", "..")
    volume.symlink("a/root", "/a/b")
    volume.symlink("loop", "loop")
    volume.create("a/up/one", 1)
    volume.create("a/root/two", 1)
    assert.deepStrictEqual(changes.slice(-2), ["create one", "create a/b/two"])
    assert.strictEqual(volume.find("a/up")?._tag, "Symlink")
    assert.strictEqual(volume.find("a/b/../../one")?._tag, "File")
    assert.strictEqual(code(volume.mkdir("loop/x")), "ELOOP")
    assert.strictEqual(code(volume.mkdir("one/x")), "ENOTDIR")
    assert.strictEqual(code(volume.mkdir("nowhere/x")), "ENOENT")
  })

  it("replaces with a rename, shares with a link, and keeps directories that are not empty", () => {
    const { volume } = make()
    const file = volume.create("one", 10)
    volume.create("two", 1)
    if (file._tag === "Failure") return assert.fail("no file")
    volume.link("one", "a/twin")
    volume.rename("one", "two")
    assert.isUndefined(volume.find("one"))
    assert.strictEqual(volume.find("two"), volume.find("a/twin"))
    assert.deepStrictEqual([...file.success.names].sort(), ["a/twin", "two"])
    assert.strictEqual(code(volume.unlink("a")), "ENOTEMPTY")
    assert.strictEqual(code(volume.rename("two", "a")), "EISDIR")
    assert.strictEqual(code(volume.mkdir("a")), "EEXIST")
  })

  it("is full when its files take all it has; what is removed makes room once nobody has it open", () => {
    const { volume } = make()
    const file = volume.create("one", 200)
    const other = volume.create("two", 200)
    if (file._tag === "Failure" || other._tag === "Failure") return assert.fail("no file")
    assert.strictEqual(volume.write(file.success, 0, new Uint8Array(80).fill(1))._tag, "Success")
    assert.strictEqual(code(volume.write(other.success, 0, new Uint8Array(21).fill(1))), "ENOSPC")
    assert.strictEqual(volume.write(other.success, 0, new Uint8Array(100))._tag, "Success")
    volume.unlink("one")
    assert.strictEqual(volume.usedBytes, 80)
    volume.close(file.success)
    assert.strictEqual(volume.usedBytes, 0)
  })
})
