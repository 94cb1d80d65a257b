/**
 * node scripts/events.mjs [--check]
 *
 * Makes docs/events.md: each line of --json, from the Schema that encodes it (src/report/Line.ts). `--check` writes nothing;
 * the exit status is 1 when the file differs.
 */
import { fileURLToPath } from "node:url"
import * as Bundled from "./bundled.mjs"
import * as Options from "./options.mjs"

const { values } = Options.parse({ options: { check: { type: "boolean", default: false } } })
const root = fileURLToPath(new URL("..", import.meta.url))

/** The Schema as JSON Schema: its sources are bundled with Effect. */
const jsonSchema = async () => {
  const entry = `
    export { Line } from ${JSON.stringify(`${root}src/report/Line.ts`)}
    export { toJsonSchemaDocument } from "effect/Schema"`
  const { Line, toJsonSchemaDocument } = await Bundled.load(root, "entry", [
    {
      name: "entry",
      resolveId: (id) => (id === "entry" ? `${root}entry.js` : undefined),
      load: (id) => (id === `${root}entry.js` ? entry : undefined)
    }
  ])
  return toJsonSchemaDocument(Line)
}

const { definitions, schema } = await jsonSchema()

const resolved = (node) => (node.$ref === undefined ? node : definitions[node.$ref.split("/").at(-1)])

/** Without the null of what may be left out. */
const some = (node) => {
  const { anyOf } = resolved(node)
  const others = anyOf?.filter(({ type }) => type !== "null") ?? []
  return others.length === 1 ? { ...node, ...others[0] } : resolved(node)
}

const descriptionOf = (node) =>
  [node, ...(node.allOf ?? []), ...(node.anyOf ?? [])].map(({ description }) => description).find(Boolean) ?? ""

const typeOf = (node) => {
  if (node.enum !== undefined) return node.enum.map((one) => `\`${JSON.stringify(one)}\``).join(", ")
  if (node.type !== "array") return node.type
  const item = some(node.items)
  return item.type === "object" ? "array of objects" : `array of ${item.type}s`
}

const cell = (text) => text.replaceAll("|", "\\|")

/** A row for a field, and for those of an object in it. */
const rowsOf = (object, before = "") =>
  Object.entries(object.properties).flatMap(([name, given]) => {
    if (given.not !== undefined || name === "_tag") return []
    // Each line has a time, which is said once.
    if (name === "time" && before === "") return []
    const node = some(given)
    const isNeeded = object.required?.includes(name) ?? false
    const path = `${before}${name}`
    const row = `| \`${path}\`${isNeeded ? "" : " ?"} | ${typeOf(node)} | ${cell(descriptionOf(given))} |`
    const item = node.type === "array" ? some(node.items) : node
    return [row, ...(item.type === "object" ? rowsOf(item, `${path}${node.type === "array" ? "[]" : ""}.`) : [])]
  })

const headOf = ({ properties: { _tag, error } }) => {
  const [tag] = _tag.enum
  return error?.enum === undefined ? tag : `${tag}: ${error.enum[0]}`
}

const common = new Set(["status", "error", "reason"])
const isCommon = (row) => common.has(/^\| `([^`]*)`/.exec(row)[1])

const sectionOf = (line) => {
  const isError = line.properties._tag.enum[0] === "Error"
  const rows = rowsOf(line).filter((row) => !isError || !isCommon(row))
  const table = rows.length === 0 ? [] : ["", "| field | type | meaning |", "|---|---|---|", ...rows]
  return [`## ${headOf(line)}`, "", descriptionOf(line), ...table, ""]
}

const lines = schema.anyOf.map(resolved)
const errorRows = rowsOf(lines.find((line) => line.properties.error?.enum !== undefined)).filter(isCommon)

const text = [
  "# Events",
  "",
  "Made by `node scripts/events.mjs` from src/report/Line.ts: each line of `--json`. A line is a JSON object; `_tag` says of",
  "which kind it is, and `time` when it was told (ISO 8601 with milliseconds, UTC). Fields with `?` may be left out. Later versions may",
  "have more fields and more kinds of lines: a reader should pass over what it does not know. `Line.decode` of the library reads",
  "a line.",
  "",
  "The last line says how it ended: `Report`, `Diagnosis`, `Simulation`, `Ended` or `Error`, with the exit `status`.",
  "",
  ...lines.filter((line) => line.properties._tag.enum[0] !== "Error").flatMap(sectionOf),
  "## Error",
  "",
  "A run that ended without a report. Each kind of error has these fields, and those that are listed with the kind.",
  "",
  "| field | type | meaning |",
  "|---|---|---|",
  ...errorRows.map((row) => row.replace(/^(\| `error`) \| [^|]*/, "$1 ? | string ")),
  "",
  ...lines
    .filter((line) => line.properties._tag.enum[0] === "Error")
    .flatMap(sectionOf)
    .map((line) => line.replace(/^## Error: /, "### ").replace(/^## Error$/, "### Without a kind"))
]
Options.put(`${root}docs/events.md`, `${text.join("\n").trimEnd()}\n`, values.check)
