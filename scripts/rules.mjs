/**
 * node scripts/rules.mjs [--check]
 *
 * Makes docs/rules.md: each rule of docs/protocol.md with the sources and the tests that cite it. `--check` writes nothing; the
 * exit status is 1 when the file differs.
 */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Options from "./options.mjs"

const { values } = Options.parse({ options: { check: { type: "boolean", default: false } } })
const root = fileURLToPath(new URL("..", import.meta.url))

const citing = (folder) =>
  readdirSync(`${root}${folder}`, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .sort()
    .map((name) => {
      const text = readFileSync(`${root}${folder}/${name}`, "utf8")
      return { name, rules: new Set([...text.matchAll(/\[([A-Z]-\d+)\]/g)].map((match) => match[1])) }
    })

const [sources, tests] = [citing("src"), citing("test")]
const links = (files, folder, rule) =>
  files
    .filter(({ rules }) => rules.has(rule))
    .map(({ name }) => `[${name.replace(/(\.test)?\.ts$/, "")}](../${folder}/${name})`)
    .join(", ")

const rules = [...readFileSync(`${root}docs/protocol.md`, "utf8").matchAll(/^- \[([A-Z])-(\d+)\] ([^\n]*)/gm)]
  .map(([, letter, number, text]) => ({ letter, number: Number(number), text }))
  .sort((a, b) => (a.letter === b.letter ? a.number - b.number : a.letter < b.letter ? -1 : 1))

const shortest = 60
const begins = (text) => {
  const plain = text.replaceAll("|", "\\|")
  return plain.length <= shortest ? plain : `${plain.slice(0, plain.lastIndexOf(" ", shortest))} ...`
}
const rows = rules.map(({ letter, number, text }) => {
  const rule = `${letter}-${number}`
  return `| ${rule} | ${begins(text)} | ${links(sources, "src", rule)} | ${links(tests, "test", rule)} |`
})
const lines = [
  ...[
    "# Rules",
    "",
    "Made by `node scripts/rules.mjs`: each rule of [protocol.md](protocol.md), how it begins, and the files that cite it.",
    ""
  ],
  ...["| rule | begins | sources | tests |", "|---|---|---|---|", ...rows]
]
Options.put(`${root}docs/rules.md`, `${lines.join("\n")}\n`, values.check)
