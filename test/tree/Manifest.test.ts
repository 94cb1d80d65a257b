/** The manifest's bytes are total, and both ends understand them alike. */
import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Limits from "../../src/protocol/Limits.ts"
import type { Attributes } from "../../src/tree/Attributes.ts"
import type { Entry } from "../../src/tree/Entry.ts"
import { decode, encode, Packing } from "../../src/tree/Manifest.ts"
import { display } from "../../src/tree/Names.ts"
import * as Packed from "../../src/tree/Packed.ts"
import { plan } from "../../src/tree/Plan.ts"
import { refused } from "../../src/tree/Validate.ts"
import { file } from "../store/Sandbox.ts"
import { anyEntries, data, whole } from "./generators.ts"

const decoded = (bytes: Uint8Array): ReadonlyArray<Entry> => Result.getOrThrow(decode(bytes)).map(Packed.plain)

describe("bytes", () => {
  it.prop("decode what was encoded", { entries: anyEntries }, ({ entries }) => {
    assert.deepStrictEqual(decoded(encode(entries)), entries)
  })

  it.prop("are what is kept of entries [M-11]", { entries: anyEntries }, ({ entries }) => {
    const packing = new Packing()
    const many = Array.from({ length: 40 }, () => entries).flat()
    const packed = many.map((entry) => packing.add(entry))
    assert.deepStrictEqual(packed.map(Packed.plain), many)
    assert.deepStrictEqual(encode(packed), encode(many))
    packed.forEach((entry, index) => assert.strictEqual(Packed.isPackable(many[index]), entry !== many[index]))
    const read = Result.getOrThrow(decode(encode(packed)))
    assert.deepStrictEqual(encode(read.toReversed()), encode(many.toReversed()))
  })

  it("of entries with long paths are kept together, too", () => {
    const packing = new Packing()
    const long = Array.from({ length: 100 }, (_, size) => file(new Uint8Array(Limits.pathBytes).fill(size + 1), size))
    assert.deepStrictEqual(long.map((entry) => packing.add(entry)).map(Packed.plain), long)
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
      decode(Buffer.concat([Buffer.from([2, 0, 0, 0, 255, 255, 255, 255]), noise]))
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
    const path = 8 + 4 + 1 + 2 + 1
    for (const change of [
      (view: DataView) => view.setUint32(0, 1, true),
      (view: DataView) => view.setUint8(12, 6 + 4),
      (view: DataView) => view.setUint16(13, Limits.pathBytes + 1, true),
      (view: DataView) => view.setUint32(path + 2 + 4 + 4 + 8, 1_000_000_000, true),
      (view: DataView) => view.setBigInt64(path + 2 + 4 + 4 + 8 + 4, -1n, true),
      (view: DataView) => view.setBigInt64(path + 2 + 4 + 4 + 8 + 4, 1n << 60n, true)
    ]) {
      assert.strictEqual(reason(change)._tag, "Some")
    }
    assert.strictEqual(reason(() => {})._tag, "None")
  })

  // what the encoder wrote, with each entry's length changed, and with bytes put at the entry's end
  const rewritten = (
    entries: ReadonlyArray<Entry>,
    lengthOf: (length: number, index: number) => number,
    extra: Uint8Array
  ) => {
    const encoded = Buffer.from(encode(entries))
    const parts: Array<Uint8Array> = [encoded.subarray(0, 8)]
    let at = 8
    entries.forEach((_, index) => {
      const length = encoded.readUInt32LE(at)
      const head = Buffer.alloc(4)
      head.writeUInt32LE(lengthOf(length, index))
      parts.push(head, encoded.subarray(at + 4, at + 4 + length), extra)
      at += 4 + length
    })
    return Buffer.concat([...parts, encoded.subarray(at)])
  }

  it.prop(
    "that an entry has after the fields that are known are passed over [M-11]",
    { entries: anyEntries, extra: data(50) },
    ({ entries, extra }) => {
      assert.deepStrictEqual(decoded(rewritten(entries, (length) => length + extra.length, extra)), entries)
    }
  )

  it.prop(
    "of an entry that ends inside of a field are refused, and those of one that goes beyond all of it [M-11]",
    { entries: anyEntries, one: whole(0, 1000), cut: whole(1, 100) },
    ({ cut, entries, one }) => {
      if (entries.length === 0) return
      const index = one % entries.length
      const changing = (to: (length: number) => number) =>
        decode(rewritten(entries, (length, at) => (at === index ? to(length) : length), new Uint8Array(0)))
      assert.deepStrictEqual(
        changing((length) => Math.max(0, length - cut)),
        Result.fail(`it has entry ${index} cut short`)
      )
      for (const length of [0x7fff_ffff, 0xffff_ffff]) assert.isTrue(Result.isFailure(changing(() => length)))
    }
  )

  const metadata = { mode: 0o640, uid: 1, gid: 0x1_0002, mtimeSeconds: -2, mtimeNanos: 999_999_999 }
  const plainHex = "a001 01000000 02000100 feffffffffffffff ffc99a3b"
  const utf8 = (text: string) => new TextEncoder().encode(text)

  for (const [what, entries, hex] of [
    ["no entry", [], "02000000 00000000"],
    [
      "a directory",
      [{ _tag: "Directory", path: utf8(""), metadata }],
      `02000000 01000000 19000000 00 0000 ${plainHex}`
    ],
    [
      "a file",
      [{ _tag: "File", path: utf8("ab"), metadata, size: 0x1_0000_0003 }],
      `02000000 01000000 23000000 01 0200 6162 ${plainHex} 0300000001000000`
    ],
    [
      "a file with holes",
      [{ _tag: "File", path: utf8("a"), metadata, size: 5, usedBytes: 4 }],
      `02000000 01000000 2a000000 08 0100 61 ${plainHex} 0500000000000000 0400000000000000`
    ],
    [
      "a file with runs of data",
      [{ _tag: "File", path: utf8("a"), metadata, size: 0x1_0000_0003, usedBytes: 4, data: [0, 2, 0x1_0000_0002, 1] }],
      `02000000 01000000 4e000000 09 0100 61 ${plainHex} 0300000001000000 0400000000000000 02000000 0000000000000000 0200000000000000 0200000001000000 0100000000000000`
    ],
    [
      "a link and a hard link",
      [
        { _tag: "Symlink", path: utf8("l"), metadata, target: utf8("../x") },
        { _tag: "HardLink", path: utf8("h"), leader: 7 }
      ],
      `02000000 02000000 20000000 02 0100 6c ${plainHex} 0400 2e2e2f78 08000000 03 0100 68 07000000`
    ],
    [
      "attributes, once for all that share them [M-13]",
      (() => {
        const attributes = [{ name: "user.a", value: Uint8Array.of(7, 8, 9) }]
        const own = { ...metadata, attributes }
        return [
          { _tag: "Directory", path: utf8("d"), metadata: own },
          { _tag: "Fifo", path: utf8("p"), metadata: own }
        ]
      })(),
      `02000000 02000000 2f000000 80 0100 64 ${plainHex} 00000000 0100 0600 757365722e61 03000000 070809 1e000000 84 0100 70 ${plainHex} 00000000`
    ],
    ["a FIFO", [{ _tag: "Fifo", path: utf8("p"), metadata }], `02000000 01000000 1a000000 04 0100 70 ${plainHex}`],
    [
      "a socket and devices",
      [
        { _tag: "Socket", path: utf8("s"), metadata },
        { _tag: "CharacterDevice", path: utf8("c"), metadata, device: 0x0103 },
        { _tag: "BlockDevice", path: utf8("b"), metadata, device: 0xffff_ffff }
      ],
      `02000000 03000000 1a000000 05 0100 73 ${plainHex} 1e000000 06 0100 63 ${plainHex} 03010000 1e000000 07 0100 62 ${plainHex} ffffffff`
    ]
  ] as ReadonlyArray<readonly [string, ReadonlyArray<Entry>, string]>) {
    it(`of ${what} are these`, () => {
      const nothingLeftOut = "00000000 00000000 00000000"
      assert.strictEqual(Buffer.from(encode(entries)).toString("hex"), `${hex}${nothingLeftOut}`.replaceAll(" ", ""))
    })
  }

  it("of what was left out are these", () => {
    const lost = [{ path: utf8("x"), kind: "Changed", reason: "no" } as const]
    assert.strictEqual(
      Buffer.from(encode([], { lost, more: 2, special: 3 })).toString("hex"),
      "02000000 00000000 03000000 02000000 01000000 01 0100 78 0200 6e6f".replaceAll(" ", "")
    )
  })

  it("of attributes that are none, out of order, too large, or of no set so far, are refused [M-13]", () => {
    const value = Uint8Array.of(1)
    const wrongOf = (attributes: Attributes) =>
      Result.getFailure(decode(encode([{ _tag: "Fifo", path: utf8("p"), metadata: { ...metadata, attributes } }])))
    for (const [attributes, reason] of [
      [[{ name: "", value }], "out of order"],
      [[{ name: "user.\0", value }], "out of order"],
      [
        [
          { name: "user.b", value },
          { name: "user.a", value }
        ],
        "out of order"
      ],
      [
        [
          { name: "user.a", value },
          { name: "user.a", value }
        ],
        "out of order"
      ],
      [[{ name: "user.a", value: new Uint8Array(Limits.attributeBytes) }], "more than"],
      [[{ name: "user.a".padEnd(256, "a"), value }], "of 256 bytes"]
    ] as ReadonlyArray<readonly [Attributes, string]>)
      assert.include(Option.getOrThrow(wrongOf(attributes)), reason)
    const bytes = encode([{ _tag: "Fifo", path: utf8("p"), metadata: { ...metadata, attributes: [] } }])
    const setAt = 8 + 4 + 1 + 3 + 22
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(setAt, 1, true)
    assert.include(Option.getOrThrow(Result.getFailure(decode(bytes))), "attributes of number 1")
    // a hard link is as its leader
    const link = encode([{ _tag: "HardLink", path: utf8("h"), leader: 0 }])
    link[12] |= 0x80
    assert.isTrue(Result.isFailure(decode(link)))
  })

  it("of a count without entries take no memory for it", () => {
    assert.isTrue(Result.isFailure(decode(Uint8Array.of(2, 0, 0, 0, 255, 255, 255, 255))))
  })
})
