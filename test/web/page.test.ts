/** The page as it is built. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { compressed, makePage } from "../../scripts/page.ts"

it.effect("is one file below 100 KB, compressed, and names no other place", () =>
  Effect.gen(function* () {
    const html = yield* Effect.promise(() => makePage())
    assert.isBelow(compressed(html).length, 100_000)
    assert.strictEqual(html.match(/<script/g)?.length, 1)
    assert.notMatch(html, /\b(src|href)="(?!data:|#)[^"]/)
    assert.notMatch(html, /@import|url\(/)
    const places = html.match(/https?:\/\/[^\s"'`<)]+/g) ?? []
    assert.deepStrictEqual(
      places.filter((place) => !place.startsWith("http://www.w3.org/")),
      []
    )
  })
)
