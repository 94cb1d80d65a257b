/** The page's table and curves. */
import { assert, describe, it } from "@effect/vitest"
import type { Row } from "../../src/report/Watched.ts"
import * as Curves from "../../src/web/Curves.ts"
import * as Rows from "../../src/web/Rows.ts"

const row = (id: string, more: Partial<Row> = {}): Row => ({
  ...{ id, address: "10.0.0.1:1", state: "Receiving", files: 0, bytes: 0, rate: 0 },
  ...more
})
const all = { order: { by: "state", isDown: false }, state: "", text: "" } as const
const ids = (rows: ReadonlyArray<Row>) => rows.map(({ id }) => id)

describe("rows", () => {
  const rows = [
    row("web10", { bytes: 5 }),
    row("web9", { bytes: 7, state: "Complete" }),
    row("web2", { bytes: 6, state: "Lost", address: "10.9.9.9:1" }),
    row("Ωmega", { bytes: 1, state: "Slow" })
  ]

  it("begin with those that need a look", () =>
    assert.deepStrictEqual(ids(Rows.chosen(rows, all)), ["web2", "Ωmega", "web10", "web9"]))

  it("are in the order of numbers in names, and the other way round", () => {
    assert.deepStrictEqual(ids(Rows.chosen(rows, { ...all, order: { by: "name", isDown: false } })), [
      ...["web2", "web9", "web10", "Ωmega"]
    ])
    assert.deepStrictEqual(ids(Rows.chosen(rows, { ...all, order: { by: "progress", isDown: true } })), [
      ...["web9", "web2", "web10", "Ωmega"]
    ])
  })

  it("are found by a part of the name or the address, and by state", () => {
    assert.deepStrictEqual(ids(Rows.chosen(rows, { ...all, text: " ωME" })), ["Ωmega"])
    assert.deepStrictEqual(ids(Rows.chosen(rows, { ...all, text: "10.9" })), ["web2"])
    assert.deepStrictEqual(ids(Rows.chosen(rows, { ...all, state: "Complete" })), ["web9"])
  })

  it("on the screen are few of many", () => {
    const view = { count: 1000, rowPixels: 40, topPixels: 4000, heightPixels: 400 }
    assert.deepStrictEqual(Rows.visible(view), { from: 94, to: 116 })
    assert.deepStrictEqual(Rows.visible({ ...view, topPixels: 0 }), { from: 0, to: 16 })
    assert.deepStrictEqual(Rows.visible({ ...view, topPixels: 39_600 }), { from: 984, to: 1000 })
    assert.deepStrictEqual(Rows.visible({ ...view, count: 0 }), { from: 0, to: 0 })
    // fewer are left than one had scrolled by
    const { from, to } = Rows.visible({ ...view, count: 3 })
    assert.deepStrictEqual([from, to], [0, 3])
  })
})

describe("curves", () => {
  const samples = Array.from({ length: 41 }, (_, i) => ({ seconds: i / 4, sentBytes: i * 250, bytes: i * 100 }))

  it("have what is sent a second, and the share that is there", () => {
    const [seconds, rate, held] = Curves.curvesOf(samples, 4000)
    assert.strictEqual(seconds.length, 41)
    for (const one of rate.slice(1)) assert.approximately(one, 1000, 1e-9)
    assert.strictEqual(held.at(-1), 1)
  })

  it("grow by what came in the last seconds", () => {
    assert.strictEqual(Curves.growth(samples, "bytes"), 400)
    assert.isUndefined(Curves.growth(samples.slice(0, 1), "bytes"))
    assert.isUndefined(Curves.growth([], "bytes"))
  })
})
