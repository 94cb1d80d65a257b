import { assert, describe, it } from "@effect/vitest"
import * as Layout from "../../../src/protocol/file/Layout.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import * as Codec from "../../../src/wire/Codec.ts"
import { int } from "../generators.ts"

const PageBytes = int(Limits.minPageBytes, Limits.maxPageBytes)
const BlockPages = int(1, Limits.blockPages)
const answerBytes = (first: number, count: number, runs: ReadonlyArray<number>) =>
  Codec.encode({
    _tag: "Missing",
    session: 1n,
    ...{ slot: 4095, incarnation: 1, file: 1, round: 1, first, count, held: 0, lacks: undefined, runs },
    spoiled: false
  }).length

describe("Layout", () => {
  it.prop(
    "content first, then the trailer; the payloads add up to both [L-1]",
    [int(0, 3_000_000), PageBytes, int(0, 5000), BlockPages],
    ([size, pageBytes, members, blockPages]) => {
      const layout = Layout.make({ size, pageBytes, members, blockPages })
      let content = 0
      let trailer = 0
      for (let page = 0; page < layout.pages; page++) {
        const bytes = Layout.payloadBytes(layout, page)
        assert.isTrue(bytes > 0 && bytes <= pageBytes)
        const isLast = page === layout.dataPages - 1 || page === layout.pages - 1
        if (!isLast) assert.strictEqual(bytes, pageBytes)
        if (page < layout.dataPages) content += bytes
        else trailer += bytes
      }
      assert.strictEqual(content, size)
      assert.strictEqual(trailer, layout.trailerBytes)
      assert.strictEqual(layout.trailerBytes, layout.blocks * Limits.hashBytes + Math.ceil(members / 8))
    }
  )

  it.prop(
    "blocks follow each other and cover the content; spans are whole blocks [L-2]",
    [int(0, 3_000_000), PageBytes, BlockPages],
    ([size, pageBytes, blockPages]) => {
      const layout = Layout.make({ size, pageBytes, blockPages })
      let next = 0
      let bytes = 0
      for (let block = 0; block < layout.blocks; block++) {
        const [first, count] = Layout.blockSpan(layout, block)
        assert.strictEqual(first, next)
        assert.isTrue(count > 0 && count <= blockPages)
        next += count
        bytes += Layout.blockBytes(layout, block)
      }
      assert.strictEqual(next, layout.dataPages)
      assert.strictEqual(bytes, size)
      assert.strictEqual(layout.spanPages % blockPages, 0)
      assert.isTrue(layout.spanPages > 0 && layout.spanPages <= Limits.spanPages)
    }
  )

  it.prop(
    "of bytes that are held a page counts when all of its bytes are",
    [int(1, 5000), int(1, 300), int(0, 5000), int(0, 5000), int(0, 5000)],
    ([size, pageBytes, ...cuts]) => {
      const layout = Layout.make({ size, pageBytes })
      const [a, b, c] = cuts.map((cut) => Math.min(cut, size)).toSorted((x, y) => x - y)
      const runs = [...(a > 0 ? [0, a] : []), ...(c > b && b > a ? [b, c - b] : [])]
      const isHeld = (byte: number) => byte < a || (b > a && byte >= b && byte < c)
      const pages = new Set<number>()
      const whole = Layout.wholePages(layout, runs)
      for (let i = 0; i < whole.length; i += 2) {
        for (let page = whole[i]; page < whole[i] + whole[i + 1]; page++) pages.add(page)
      }
      for (let page = 0; page < layout.pages; page++) {
        const bytes = Array.from({ length: Layout.payloadBytes(layout, page) }, (_, i) => page * pageBytes + i)
        assert.strictEqual(pages.has(page), page < layout.dataPages && bytes.every(isHeld), `page ${page}`)
      }
    }
  )

  it("an answer about a span fits into one control datagram and into a page's, for every size of page", () => {
    for (let pageBytes = Limits.minPageBytes; pageBytes <= Limits.maxPageBytes; pageBytes++) {
      const { spanPages } = Layout.make({ size: 1, pageBytes })
      const fixed = Limits.headerBytes + 15
      assert.isAtMost(fixed + spanPages / 8, Math.min(1200, Limits.headerBytes + pageBytes))
    }
    for (const pageBytes of [Limits.minPageBytes, 700, Limits.defaultPageBytes, Limits.maxPageBytes]) {
      const { spanPages } = Layout.make({ size: 1, pageBytes })
      const everySecond = Array.from({ length: spanPages }, (_, i) => (i % 2 === 0 ? i : 1))
      for (const runs of [everySecond, [0, spanPages], [], everySecond.slice(0, spanPages / 16)]) {
        assert.isAtMost(answerBytes(0, spanPages, runs), Math.min(1200, Limits.headerBytes + pageBytes))
      }
    }
  })

  it("no file is too large to be laid out: beyond the limit of pages it is refused by number", () => {
    const layout = Layout.make({ size: Number.MAX_SAFE_INTEGER, pageBytes: 512 })
    assert.isAbove(layout.pages, Limits.maxPages)
  })
})
