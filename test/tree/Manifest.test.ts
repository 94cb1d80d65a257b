/** The manifest's bytes are total, and both ends understand them alike. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Limits from "../../src/protocol/Limits.ts"
import type { Entry } from "../../src/tree/Entry.ts"
import { decode, encode } from "../../src/tree/Manifest.ts"
import { display } from "../../src/tree/Names.ts"
import { plan } from "../../src/tree/Plan.ts"
import { refused } from "../../src/tree/Validate.ts"
import { file } from "../store/Sandbox.ts"
import { anyEntries, data, whole } from "./generators.ts"

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
