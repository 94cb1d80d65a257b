/** The rules of docs/protocol.md, the sources and the tests speak of the same ones. */
import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Header from "../../src/wire/Header.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const read = (name: string) => fs.readFileSync(path.join(root, name), "utf8")
const filesOf = (folder: string) =>
  fs
    .readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => path.join(folder, name))
const cited = (text: string) => [...text.matchAll(/\[([A-Z]-\d+)\]/g)].map((match) => match[1])

const document = read("docs/protocol.md")
const rules = [...document.matchAll(/^- \[([A-Z]-\d+)\]/gm)].map((match) => match[1])

describe("docs/protocol.md", () => {
  it("has every rule once", () => {
    assert.isAbove(rules.length, 50)
    assert.strictEqual(new Set(rules).size, rules.length)
  })

  it("numbers the rules of each letter in order, without gaps", () => {
    const last = new Map<string, number>()
    for (const rule of rules) {
      const [letter, number] = rule.split("-")
      assert.strictEqual(Number(number), (last.get(letter) ?? 0) + 1, rule)
      last.set(letter, Number(number))
    }
  })

  it("has every rule that is cited", () => {
    const wrong = ["docs/protocol.md", ...filesOf("src"), ...filesOf("test")].flatMap((name) =>
      cited(read(name))
        .filter((rule) => !rules.includes(rule))
        .map((rule) => `${name} cites ${rule}`)
    )
    assert.deepStrictEqual(wrong, [])
  })

  it("its table has every type under its number", () => {
    const rows = [...document.matchAll(/^\| (\d+) \| [MC] \| (\w+) \|/gm)].map(([, type, name]) => [name, Number(type)])
    assert.deepStrictEqual(Object.fromEntries(rows), { ...Header.types })
  })
})
