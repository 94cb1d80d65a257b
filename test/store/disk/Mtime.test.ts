/**
 * Times to the nanosecond through the C library, and never too new without it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as Mtime from "../../../src/store/disk/Mtime.ts"
import * as Libc from "../../../src/system/Libc.ts"
import { directory, metadata, nanos, nanosOf } from "../Sandbox.ts"

const whole = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

const nanosecond = whole(0, 999_999_999)
/** What every common file system can hold. */
const second = whole(-(2 ** 31) + 1, 2 ** 32)

/** Times at which doubles and microseconds are at their most awkward. */
const corners = [0, 1, -1, -2, 2 ** 31 - 1, -(2 ** 31) + 1, 1_700_000_000, -1_000_000_000].flatMap((mtimeSeconds) =>
  [0, 1, 999, 1000, 1001, 123_456_000, 123_456_789, 499_999_999, 500_000_000, 999_999_000, 999_999_999].map(
    (mtimeNanos) => metadata({ mtimeSeconds, mtimeNanos })
  )
)

describe("toDouble", () => {
  it.prop(
    "is never above the time, and less than two microseconds below it",
    { seconds: second, nanos: nanosecond },
    ({ nanos, seconds }) => {
      const time = Mtime.toDouble(seconds, nanos)
      const truncated = Math.trunc(time)
      // In nanoseconds from the nearest second: exact enough, and how Node counts.
      const off = (seconds - truncated) * 1e9 + nanos - (time - truncated) * 1e9
      assert.isAtLeast(off, 0)
      assert.isBelow(off, 2000)
    },
    { arbitrary: { runs: 2000 } }
  )
})

for (const [name, libc] of [
  ["with koffi", Libc.load()],
  ["without koffi", Option.none()]
] as const) {
  describe.skipIf(name === "with koffi" && Option.isNone(libc))(name, () => {
    const setter = Mtime.setter(libc)
    const check = (wanted: bigint, got: bigint) => {
      if (Option.isSome(libc)) return assert.strictEqual(got, wanted)
      assert.isTrue(got <= wanted, `${got} is above ${wanted}`)
      assert.isTrue(wanted - got < 2000n, `${got} is far below ${wanted}`)
    }

    const place = Effect.gen(function* () {
      const base = yield* directory
      fs.writeFileSync(`${base}/f`, "")
      fs.symlinkSync("f", `${base}/l`)
      fs.mkdirSync(`${base}/d`)
      return base
    })

    const setAll = (base: string, fd: number, time: ReturnType<typeof metadata>) => {
      setter.file(fd, time)
      setter.path(Buffer.from(`${base}/l`), time, { follow: false })
      setter.path(Buffer.from(`${base}/d`), time, { follow: true })
      for (const name of ["f", "l", "d"]) check(nanosOf(time), nanos(`${base}/${name}`))
    }

    it.effect("awkward times", () =>
      Effect.gen(function* () {
        const base = yield* place
        const fd = fs.openSync(`${base}/f`, "r+")
        for (const time of corners) setAll(base, fd, time)
        fs.closeSync(fd)
      })
    )

    it.effect("random times", () =>
      Effect.gen(function* () {
        const base = yield* place
        const fd = fs.openSync(`${base}/f`, "r+")
        const times = yield* Arbitrary.sampleEffect(Arbitrary.all({ mtimeSeconds: second, mtimeNanos: nanosecond }), {
          count: 1000
        })
        for (const time of times) setAll(base, fd, metadata(time))
        fs.closeSync(fd)
      })
    )

    it.effect("a link's time is its own", () =>
      Effect.gen(function* () {
        const base = yield* place
        const before = nanos(`${base}/f`)
        setter.path(Buffer.from(`${base}/l`), metadata(), { follow: false })
        assert.strictEqual(nanos(`${base}/f`), before)
      })
    )

    it.effect("what cannot be set is an error with a code", () =>
      Effect.gen(function* () {
        const base = yield* place
        const error = yield* Effect.flip(
          Effect.try({
            try: () => setter.path(Buffer.from(`${base}/none`), metadata(), { follow: false }),
            catch: (cause) => cause as NodeJS.ErrnoException
          })
        )
        assert.strictEqual(error.code, "ENOENT")
      })
    )
  })
}
