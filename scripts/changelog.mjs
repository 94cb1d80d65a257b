/**
 * node scripts/changelog.mjs [--check]
 *
 * Makes CHANGELOG.md from `changes/`, one file a change: VERSION-KIND-NAME.md, with KIND one of added, changed, fixed. VERSION is
 * `unreleased` until the release, which renames its files. `--check` writes nothing; the exit status is 1 when the file differs.
 */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Options from "./options.mjs"

const { values } = Options.parse({ options: { check: { type: "boolean", default: false } } })
const root = fileURLToPath(new URL("..", import.meta.url))
const kinds = { added: "Added", changed: "Changed", fixed: "Fixed" }

const changes = readdirSync(`${root}changes`)
  .sort()
  .map((name) => {
    const [, version, kind, title] = /^(unreleased|\d+\.\d+\.\d+)-([a-z]+)-([a-z0-9-]+)\.md$/.exec(name) ?? []
    if (title === undefined || !(kind in kinds)) {
      return Options.refuse(
        `changes/${name}: VERSION-KIND-NAME.md is expected, KIND one of ${Object.keys(kinds).join(", ")}`
      )
    }
    return { version, kind, text: readFileSync(`${root}changes/${name}`, "utf8").trim() }
  })

const numbersOf = (version) => (version === "unreleased" ? [Infinity, 0, 0] : version.split(".").map(Number))
const isLater = (a, b) => {
  const [one, other] = [numbersOf(a), numbersOf(b)]
  const at = one.findIndex((number, i) => number !== other[i])
  return at < 0 ? 0 : other[at] > one[at] ? 1 : -1
}

const lines = ["# Changes", "", "Made by `node scripts/changelog.mjs` from `changes/`, which has one file a change."]
for (const version of [...new Set(changes.map(({ version }) => version))].sort(isLater)) {
  lines.push("", `## ${version === "unreleased" ? "Not released yet" : version}`)
  for (const [kind, title] of Object.entries(kinds)) {
    const its = changes.filter((change) => change.version === version && change.kind === kind)
    if (its.length > 0)
      lines.push("", `### ${title}`, "", ...its.map(({ text }) => `- ${text.replaceAll("\n", "\n  ")}`))
  }
}
Options.put(`${root}CHANGELOG.md`, `${lines.join("\n")}\n`, values.check)
