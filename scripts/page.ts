/** Makes the page to watch a session: one file, with all that it needs in it. rolldown.config.ts puts it into the program. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { rolldown } from "rolldown"

const root = fileURLToPath(new URL("..", import.meta.url))
const textOf = (path: string): string => readFileSync(`${root}${path}`, "utf8")

const scriptOf = async (): Promise<string> => {
  const bundle = await rolldown({
    input: `${root}src/web/main.ts`,
    platform: "browser",
    transform: { target: "es2022" }
  })
  const { output } = await bundle.generate({ format: "esm", minify: true, comments: false, codeSplitting: false })
  await bundle.close()
  // what would end the script's element may be in a text
  return output[0].code.trim().replace(/<(?=\/script|!--)/gi, "\\x3c")
}

/** Without what a browser does not need. */
const small = (css: string): string =>
  css
    .replace(/\/\*[^]*?\*\//g, "")
    .replace(/\s+/g, " ")
    .replace(/ ?([{};,>]) ?/g, "$1")
    .trim()

/** The page as HTML. */
export const makePage = async (): Promise<string> => {
  const style = small(`${textOf("node_modules/uplot/dist/uPlot.min.css")}${textOf("src/web/style.css")}`)
  const script = await scriptOf()
  return textOf("src/web/page.html")
    .replace("<style></style>", () => `<style>${style}</style>`)
    .replace('<script type="module"></script>', () => `<script type="module">${script}</script>`)
}

/** The page as it is in the program and on its way to a browser. */
export const compressed = (html: string): Buffer => gzipSync(html, { level: 9 })
