/** The program in a few files that load fast: `dist/bin.js`, and parts under `dist/bin` that are loaded when wanted. */
import { chmodSync } from "node:fs"
import { defineConfig } from "rolldown"

export default defineConfig({
  input: { bin: "src/bin.ts" },
  platform: "node",
  // The first two bring prebuilt binaries, which cannot be bundled; the last is loaded only where the second has none.
  external: ["koffi", "@napi-rs/blake-hash", /^@noble\/hashes/],
  transform: { target: "node20" },
  output: {
    dir: "dist",
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "bin/[name]-[hash].js",
    // Readable: a stack trace in a report must say something.
    minify: "dce-only",
    comments: false
  },
  plugins: [
    {
      name: "executable",
      writeBundle: () => chmodSync("dist/bin.js", 0o755)
    }
  ]
})
