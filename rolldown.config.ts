/**
 * The program in a few files that load fast: its edge `dist/bin.js`, and all the rest as one script, `dist/bin/program.cjs`, of which
 * scripts/warm.mjs has V8 make the code.
 */
import { chmodSync } from "node:fs"
import { defineConfig, type InputOptions, type OutputOptions } from "rolldown"
import { compressed, makePage } from "./scripts/page.ts"

const shared = {
  platform: "node",
  // The first two bring prebuilt binaries, which cannot be bundled; the last is loaded only where the second has none.
  external: ["koffi", "@napi-rs/blake-hash", /^@noble\/hashes/],
  transform: { target: "node20" }
} satisfies InputOptions

// Readable: a stack trace in a report must say something.
const readable = { minify: "dce-only", comments: false } satisfies OutputOptions

/**
 * Without any other character a script is read in a tenth of the time, and takes half the memory. All that there are stand in
 * strings.
 */
const asciiOnly = {
  name: "ascii only",
  // after it is minified, which would write them out again
  generateBundle: (_: unknown, bundle: Record<string, { code?: string }>) => {
    for (const chunk of Object.values(bundle)) if (chunk.code !== undefined) chunk.code = escaped(chunk.code)
  }
}
const escaped = (code: string) =>
  code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

/**
 * Modules of Node that only a page to watch needs take 8 ms to load. The bundler would load them at each start; as modules of their own
 * they are loaded where those are that import them.
 */
const lateOnes: ReadonlySet<string> = new Set(["node:http", "node:tls"])
const late = {
  name: "late modules of Node",
  resolveId: (id: string, importer: string | undefined) =>
    lateOnes.has(id) && !importer?.startsWith("\0late:") ? `\0late:${id}` : undefined,
  load: (id: string) =>
    id.startsWith("\0late:") ? `module.exports = require(${JSON.stringify(id.slice("\0late:".length))})` : undefined
}

/**
 * Effect's command line makes a segmenter of text when it is loaded, which takes 7 ms, and uses it in a table of help alone. So it is made
 * when it is used.
 */
const lateSegmenter = {
  name: "late segmenter",
  transform: (code: string, id: string) => {
    if (!id.endsWith("/effect/dist/cli/CliOutput.js")) return undefined
    const late = code.replace(
      /new Intl\.Segmenter\(([^)]*)\)/,
      "((made) => ({ segment: (text) => (made ??= new Intl.Segmenter($1)).segment(text) }))()"
    )
    if (late === code) throw new Error("effect/cli makes no segmenter when it is loaded: this plugin can go")
    return late
  }
}

const page = compressed(await makePage()).toString("base64")

export default defineConfig([
  {
    ...shared,
    input: { bin: "src/bin.ts" },
    output: {
      ...readable,
      dir: "dist",
      format: "esm",
      entryFileNames: "[name].js",
      chunkFileNames: "bin/[name]-[hash].js"
    },
    plugins: [
      {
        name: "executable",
        writeBundle: () => chmodSync("dist/bin.js", 0o755)
      }
    ]
  },
  {
    ...shared,
    // Effect asks for variables there, which Node has in `process.env`.
    transform: { ...shared.transform, define: { "import.meta.env": "undefined", MRSYNC_PAGE: JSON.stringify(page) } },
    input: "src/cli/Program.ts",
    output: { ...readable, file: "dist/bin/program.cjs", format: "cjs", codeSplitting: false },
    plugins: [late, lateSegmenter, asciiOnly]
  },
  { ...shared, input: "src/cli/Compiled.ts", output: { ...readable, file: "dist/bin/compiled.js", format: "esm" } }
])
