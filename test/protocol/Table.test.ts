import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Table from "../../src/protocol/Table.ts"
import { int } from "./generators.ts"

const Step = Schema.Struct({ key: int(0, 600), isRemoved: Schema.Boolean, value: int(0, 9) })

describe("Table", () => {
  it.prop("is a map, and earlier ones stay as they were", [Schema.Array(Step)], ([steps]) => {
    const reference = new Map<string, number>()
    let table: Table.Table<string, number> = Table.empty
    for (const { isRemoved, key, value } of steps) {
      const name = `k${key}`
      const before = table
      const held = reference.get(name)
      if (isRemoved) reference.delete(name)
      else reference.set(name, value)
      table = isRemoved ? Table.remove(table, name) : Table.set(table, name, value)
      assert.strictEqual(Table.get(before, name), held)
      assert.strictEqual(Table.get(table, name), reference.get(name))
    }
    for (const [key, value] of reference) assert.strictEqual(Table.get(table, key), value)
    assert.strictEqual(table.flat().length, reference.size)
  })

  it("numbers and texts spread over the buckets", () => {
    let numbers: Table.Table<number, number> = Table.empty
    let texts: Table.Table<string, number> = Table.empty
    for (let i = 0; i < 4096; i++) {
      numbers = Table.set(numbers, i, i)
      texts = Table.set(texts, `host-${i}.example.org`, i)
    }
    for (const table of [numbers, texts]) assert.isBelow(Math.max(...table.map((bucket) => bucket.length)), 64)
  })
})
