import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Codec from "../../src/wire/Codec.ts"
import * as Header from "../../src/wire/Header.ts"
import { int } from "../protocol/generators.ts"

const session = Header.sessionOf(0xfedc_ba98_7654_3210n)

const page = (index: number, payload: number) => {
  const bytes = new Uint8Array(Limits.headerBytes + payload).fill(index)
  Header.put(bytes, 0, Header.types.Page, bytes.length, session, 1, index)
  return bytes
}
const offsets = (bytes: Uint8Array) => {
  const out: Array<number> = []
  const discarded = Header.split(bytes, (at) => out.push(at))
  return { out, discarded }
}

describe("Header", () => {
  it.prop(
    "what is put is read, at any place",
    [int(0, 9), int(0, 0xffff_ffff), int(0, 0xffff_ffff), int(0, 900)],
    ([at, file, index, body]) => {
      const bytes = new Uint8Array(at + Limits.headerBytes + body + 3)
      Header.put(bytes, at, 8, Limits.headerBytes + body, session, file, index)
      assert.isTrue(Header.valid(bytes, at))
      assert.strictEqual(Header.typeOf(bytes, at), 8)
      assert.strictEqual(Header.lengthOf(bytes, at), Limits.headerBytes + body)
      assert.strictEqual(Header.fileOf(bytes, at), file)
      assert.strictEqual(Header.indexOf(bytes, at), index)
      assert.strictEqual(Header.bodyOf(bytes, at).length, body)
      assert.isTrue(Header.isOf(bytes, at, session))
      assert.isFalse(Header.isOf(bytes, at, Header.sessionOf(0xfedc_ba98_7654_3211n)))
      assert.isFalse(Header.isOf(bytes, at, Header.sessionOf(0x7edc_ba98_7654_3210n)))
    }
  )

  it("of another version is what is otherwise whole: damage does not pass for it [W-2]", () => {
    const bytes = page(1, 100)
    assert.isFalse(Header.isOtherVersion(bytes, 0))
    bytes[2]++
    assert.isTrue(Header.isOtherVersion(bytes, 0))
    assert.isFalse(Header.isOtherVersion(bytes, 100))
    assert.isFalse(Header.isOtherVersion(bytes.subarray(0, bytes.length - 1), 0))
    for (const length of [0, 23, 125, 0xffff]) {
      Header.putU16(bytes, 4, length)
      assert.isFalse(Header.isOtherVersion(bytes, 0), `${length}`)
    }
  })

  it.prop("glued datagrams are taken apart by their own lengths [W-1]", [Schema.Array(int(0, 300))], ([payloads]) => {
    const pages = payloads.map((payload, i) => page(i & 255, payload))
    const { discarded, out } = offsets(Buffer.concat(pages))
    assert.strictEqual(discarded, 0)
    let at = 0
    for (const [i, expected] of pages.entries()) {
      assert.strictEqual(out[i], at)
      at += expected.length
    }
    assert.strictEqual(out.length, pages.length)
  })

  it.prop(
    "what follows a bad datagram in its buffer is discarded, what came before it is not [W-1]",
    [int(0, 3), int(0, 3), Schema.Literals(["magic", "version", "short", "long", "flags"])],
    ([before, after, fault]) => {
      const bad = page(9, 40)
      if (fault === "magic") bad[0] ^= 1
      if (fault === "version") bad[2]++
      if (fault === "short") Header.putU16(bad, 4, Limits.headerBytes - 1)
      if (fault === "long") Header.putU16(bad, 4, 0xffff)
      if (fault === "flags") bad[7] = 1 // not the sealed one
      const glued = Buffer.concat([
        ...Array.from({ length: before }, (_, i) => page(i, 10)),
        bad,
        ...Array.from({ length: after }, (_, i) => page(i, 10))
      ])
      const { discarded, out } = offsets(glued)
      assert.strictEqual(out.length, before)
      assert.strictEqual(discarded, glued.length - before * (Limits.headerBytes + 10))
    }
  )

  it("a length of zero does not stand still", () => {
    const bytes = page(1, 100)
    Header.putU16(bytes, 4, 0)
    assert.deepStrictEqual(offsets(bytes), { out: [], discarded: bytes.length })
  })

  it.prop(
    "any bytes: every offset given is a whole datagram, and the rest is counted",
    [Schema.Array(int(0, 255))],
    ([bytes]) => {
      const glued = Buffer.concat([Codec.encode({ _tag: "Bye", session: 1n }), Uint8Array.from(bytes)])
      let end = 0
      const discarded = Header.split(glued, (at) => {
        assert.strictEqual(at, end)
        assert.isTrue(Header.valid(glued, at))
        end = at + Header.lengthOf(glued, at)
      })
      assert.strictEqual(end + discarded, glued.length)
    }
  )
})
