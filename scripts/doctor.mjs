/**
 * node scripts/doctor.mjs [--check]
 *
 * Makes the findings of docs/doctor.md, from "## Findings" on, each of an example (test/ops/examples.ts) by the function that the
 * doctor uses (src/ops/Findings.ts, src/ops/CrowdFindings.ts). `--check` writes nothing; the exit status is 1 when the file differs.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Bundled from "./bundled.mjs"
import * as Options from "./options.mjs"

const { values } = Options.parse({ options: { check: { type: "boolean", default: false } } })
const root = fileURLToPath(new URL("..", import.meta.url))

const { all } = await Bundled.load(root, `${root}test/ops/examples.ts`)

const file = `${root}docs/doctor.md`
const [head] = readFileSync(file, "utf8").split("\n## Findings\n")
const sections = all.flatMap(({ findings, title }) => [`### ${title}`, ...findings])
Options.put(
  file,
  `${[`${head}\n## Findings`, "The texts are those of an example; names and figures are that one's.", ...sections].join("\n\n")}\n`,
  values.check
)
