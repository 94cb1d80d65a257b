/**
 * node scripts/doctor.mjs [--check]
 *
 * Makes the findings of docs/doctor.md, from "## Findings" on, each of an example (test/ops/examples.ts) by the function that the
 * doctor uses (src/ops/Findings.ts, src/ops/CrowdFindings.ts). `--check` writes nothing; the exit status is 1 when the file differs.
 */
import { readFileSync } from "node:fs"
import { rolldown } from "rolldown"
import { fileURLToPath } from "node:url"
import * as Options from "./options.mjs"

const { values } = Options.parse({ options: { check: { type: "boolean", default: false } } })
const root = fileURLToPath(new URL("..", import.meta.url))

const quotes = async () => {
  const bundle = await rolldown({
    cwd: root,
    input: `${root}test/ops/examples.ts`,
    platform: "node",
    logLevel: "silent",
    external: [/^koffi$/]
  })
  const { output } = await bundle.generate({ format: "esm", codeSplitting: false })
  const { all } = await import(`data:text/javascript;base64,${Buffer.from(output[0].code).toString("base64")}`)
  return all
}

const file = `${root}docs/doctor.md`
const [head] = readFileSync(file, "utf8").split("\n## Findings\n")
const sections = (await quotes()).flatMap(({ findings, title }) => [`### ${title}`, ...findings])
Options.put(
  file,
  `${[`${head}\n## Findings`, "The texts are those of an example; names and figures are that one's.", ...sections].join("\n\n")}\n`,
  values.check
)
