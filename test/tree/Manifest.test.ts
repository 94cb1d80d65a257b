/**
 * The manifest is total and both ends understand it alike: bytes, refusals, and the plan of what carries it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Limits from "../../src/protocol/Limits.ts"
import type { Entry, Metadata } from "../../src/tree/Manifest.ts"
import {
  base64Of,
  bytesOf,
  carriersOf,
  decode,
  display,
  encode,
  plan,
  refused,
  revise,
  revisionFile
} from "../../src/tree/Manifest.ts"
import { bytes, dir, fifo, file, hardLink, symlink } from "../store/Sandbox.ts"

// ---- arbitrary entries ----

const whole = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

const data = (maxLength: number) =>
  Arbitrary.map(Arbitrary.array(whole(0, 255), { maxLength }), (bytes) => Uint8Array.from(bytes))

const anyMetadata: Arbitrary.Arbitrary<Metadata> = Arbitrary.all({
  mode: whole(0, 0o7777),
  mtimeSeconds: whole(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  mtimeNanos: whole(0, 999_999_999),
  uid: whole(0, 0xffff_ffff),
  gid: whole(0, 0xffff_ffff)
})

const anyEntry: Arbitrary.Arbitrary<Entry> = Arbitrary.map(
  Arbitrary.all({
    kind: whole(0, 5),
    path: data(40),
    target: data(40),
    metadata: anyMetadata,
    size: whole(0, Number.MAX_SAFE_INTEGER),
    leader: whole(0, 0xffff_ffff)
  }),
  ({ kind, leader, metadata, path, size, target }): Entry =>
    [
      { _tag: "Directory", path, metadata } as const,
      { _tag: "File", path, metadata, size } as const,
      { _tag: "Symlink", path, metadata, target } as const,
      { _tag: "HardLink", path, leader } as const,
      { _tag: "Fifo", path, metadata } as const,
      { _tag: "File", path, metadata, size, usedBytes: Math.floor(size / 2) } as const
    ][kind]
)

const anyEntries = Arbitrary.array(anyEntry, { maxLength: 30 })

// ---- bytes ----

const decoded = (bytes: Uint8Array): ReadonlyArray<Entry> => Result.getOrThrow(decode(bytes))

describe("bytes", () => {
  it.prop("decode what was encoded", { entries: anyEntries }, ({ entries }) => {
    assert.deepStrictEqual(decoded(encode(entries)), entries)
  })

  it.prop("are understood at any offset of a larger buffer", { entries: anyEntries }, ({ entries }) => {
    const encoded = encode(entries)
    const larger = new Uint8Array(encoded.length + 7).fill(255)
    larger.set(encoded, 3)
    assert.deepStrictEqual(decoded(larger.subarray(3, 3 + encoded.length)), entries)
  })

  it.prop("that end early, or too late, are refused with a reason", { entries: anyEntries }, ({ entries }) => {
    const encoded = encode(entries)
    for (let length = 0; length < encoded.length; length++) {
      const result = decode(encoded.subarray(0, length))
      assert.isTrue(Result.isFailure(result) && result.failure.length > 0)
    }
    assert.isTrue(Result.isFailure(decode(Buffer.concat([encoded, Buffer.from([0])]))))
  })

  it.prop(
    "at random never throw, nor does what they decode to",
    { noise: data(400), entries: anyEntries, at: whole(0, 10_000), value: whole(0, 255) },
    ({ at, entries, noise, value }) => {
      decode(noise)
      // A right beginning gets further than noise does.
      decode(Buffer.concat([Buffer.from([1, 0, 0, 0, 255, 255, 255, 255]), noise]))
      const damaged = encode(entries)
      damaged[at % damaged.length] = value
      const result = decode(damaged)
      if (Result.isSuccess(result)) {
        refused(result.success)
        plan(result.success)
        for (const { path } of result.success) display(path)
      }
    },
    { arbitrary: { runs: 500 } }
  )

  it("of another version, of an unknown type, with numbers out of range", () => {
    const reason = (change: (view: DataView) => void, entry: Entry = file("f", 1)) => {
      const encoded = encode([entry])
      change(new DataView(encoded.buffer, encoded.byteOffset))
      return Result.getFailure(decode(encoded))
    }
    const path = 8 + 1 + 2 + 1
    for (const change of [
      (view: DataView) => view.setUint32(0, 2, true),
      (view: DataView) => view.setUint8(8, 5),
      (view: DataView) => view.setUint16(9, Limits.pathBytes + 1, true),
      (view: DataView) => view.setUint32(path + 2 + 4 + 4 + 8, 1_000_000_000, true),
      (view: DataView) => view.setBigInt64(path + 2 + 4 + 4 + 8 + 4, -1n, true),
      (view: DataView) => view.setBigInt64(path + 2 + 4 + 4 + 8 + 4, 1n << 60n, true)
    ]) {
      assert.strictEqual(reason(change)._tag, "Some")
    }
    assert.strictEqual(reason(() => {})._tag, "None")
  })

  it("of a count without entries take no memory for it", () => {
    assert.isTrue(Result.isFailure(decode(Uint8Array.of(1, 0, 0, 0, 255, 255, 255, 255))))
  })
})

// ---- checks ----

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
})

// ---- plan ----

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
        assert.isTrue(member.entry >= one.firstEntry && member.entry < one.firstEntry + one.entryCount)
        carried.push(member.entry)
      }
      assert.strictEqual(one.size, offset)
      assert.strictEqual(one.firstEntry, one.members[0].entry)
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
    assert.deepStrictEqual(plan(decoded(encode(entries))), plan(entries))
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
    const whole = [...first, revisionFile(last + 1, 100), ...again.plan]
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

// ---- display ----

describe("display", () => {
  for (const [path, expected] of [
    ["", "."],
    ["a/b c", "a/b c"],
    ["ä/日本/🦊", "ä/日本/🦊"],
    ["new\nline", "new\\x0aline"],
    ["\x1b[31m", "\\x1b[31m"],
    ["\x7f", "\\x7f"],
    [Uint8Array.of(0xff, 0x61), "\\xffa"],
    [Uint8Array.of(0xc3, 0xa4, 0xc3), "ä\\xc3"],
    [Uint8Array.of(0xe2, 0x82), "\\xe2\\x82"],
    [bytes("\u0085"), "\\xc2\\x85"],
    ["a\\b", "a\\\\b"],
    // the four characters, and the byte
    ["\\xfe", "\\\\xfe"],
    [Uint8Array.of(0xfe), "\\xfe"],
    [".", "\\x2e"],
    ["..\n", "..\\x0a"],
    // what cannot be seen
    ["\ufeffa", "\\xef\\xbb\\xbfa"],
    ["a\u200bb", "a\\xe2\\x80\\x8bb"],
    ["a\u202eb", "a\\xe2\\x80\\xaeb"],
    ["\ufffd", "\\xef\\xbf\\xbd"],
    // joined letters and emoji stay
    ["👩‍💻", "👩‍💻"]
  ] as const) {
    it(JSON.stringify(expected), () => assert.strictEqual(display(bytes(path)), expected))
  }

  it.prop("never throws, and prints in one line", { path: data(60) }, ({ path }) => {
    assert.notMatch(display(path), /\p{Cc}/u)
  })

  // bytes of which escapes are made, and of which UTF-8 is
  const tricky = Arbitrary.map(Arbitrary.array(whole(0, 15), { maxLength: 12 }), (picks) =>
    Uint8Array.from(
      picks,
      (at) => [0x5c, 0x78, 0x66, 0x65, 0x30, 0x2e, 0x0a, 0xfe, 0xef, 0xbb, 0xbf, 0xbd, 0xe2, 0x80, 0x8b, 0xc3][at]
    )
  )

  it.prop(
    "shows no two paths alike: what is shown is one path",
    { any: data(60), tricky },
    ({ any, tricky }) => {
      for (const path of [any, tricky]) assert.deepStrictEqual(Uint8Array.from(bytesOf(display(path))), path)
    },
    { arbitrary: { runs: 500 } }
  )

  it("base64 where a path is not UTF-8", () => {
    assert.isUndefined(base64Of(display(bytes("ä\n\\xff"))))
    assert.strictEqual(base64Of(display(Uint8Array.of(0x61, 0xff))), Buffer.from([0x61, 0xff]).toString("base64"))
  })
})
