/**
 * npm run build:binary
 *
 * Makes dist/binary/mrsync: Node itself with the program inside, for this kind of machine, which needs no Node. What it is made of
 * comes from the registry (scripts/binary/package-lock.json). Inside are the program's script, the code that V8 of that Node
 * makes of it, our WebAssembly, and the packages with code of the machine: their scripts, one each, and their addons.
 */
import { execFileSync } from "node:child_process"
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "rolldown"

const root = fileURLToPath(new URL("..", import.meta.url))
const out = join(root, "dist/binary")
const binary = join(out, "mrsync")
const work = mkdtempSync(join(tmpdir(), "mrsync-binary-"))
const parts = join(work, "node_modules")
process.on("exit", () => rmSync(work, { recursive: true, force: true }))
const program = join(root, "dist/bin/program.cjs")
const kind = `${process.platform}-${process.arch}`
const fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2"

const run = (command, ...args) => execFileSync(command, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] })

if (!existsSync(program)) throw new Error("build it first: npm run build")
for (const name of ["package.json", "package-lock.json"])
  copyFileSync(join(root, "scripts/binary", name), join(work, name))
run("npm", "ci", "--prefix", work, "--ignore-scripts", "--no-audit", "--no-fund")
const node = join(parts, `node-${kind}/bin/node`)
if (!existsSync(node)) throw new Error(`no Node for ${kind} is named in scripts/binary/package.json`)
rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })

copyFileSync(join(parts, `node-${kind}/LICENSE`), join(out, "LICENSE.node"))

const assets = {}
const keep = (name, file) => void (assets[name] = file)

keep("program.cjs", program)
run(node, "scripts/warm.mjs")
const version = execFileSync(node, ["--version"], { encoding: "utf8" }).trim()
for (const command of ["send", "catch"]) {
  const code = `program.cjs.${command}-${version}-${kind}`
  keep(code, join(root, "dist/bin", code))
}
for (const name of ["parity.wasm", "search.wasm"]) keep(name, join(root, "dist", name))

// The packages' scripts require their addons by the names of packages, which are asked for inside.
const script = async (input, file) =>
  void (await build({
    input,
    platform: "node",
    external: [/^@koromix\//, /^@napi-rs\/blake-hash-/],
    transform: { target: "node24" },
    output: { file, format: "cjs", codeSplitting: false, minify: "dce-only", comments: false }
  }))
const require = createRequire(import.meta.url)
for (const name of ["koffi", "@napi-rs/blake-hash", "@noble/hashes/blake3.js"]) {
  const file = join(work, `${name.replaceAll("/", "+")}.cjs`)
  await script(require.resolve(name), file)
  keep(`${name}.cjs`, file)
}
for (const [name, file] of [
  [`@koromix/koffi-${kind}`, `${kind.replace("-", "_")}/koffi.node`],
  [`@napi-rs/blake-hash-${kind}-gnu`, `blake.${kind}-gnu.node`]
])
  keep(`${name}.node`, join(root, "node_modules", name, file))
for (const [name, file] of Object.entries(assets))
  if (!existsSync(file)) throw new Error(`${name}: no such file: ${file}`)

await script(join(root, "src/binary.ts"), join(work, "binary.cjs"))
const [config, blob] = ["sea.json", "sea.blob"].map((name) => join(work, name))
writeFileSync(
  config,
  JSON.stringify({
    main: join(work, "binary.cjs"),
    output: blob,
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    assets
  })
)
run(node, "--experimental-sea-config", config)
copyFileSync(node, binary)
chmodSync(binary, 0o755)
run(node, join(parts, "postject/dist/cli.js"), binary, "NODE_SEA_BLOB", blob, "--sentinel-fuse", fuse)
console.log(`${binary}: ${(statSync(binary).size / 1e6).toFixed(0)} MB, ${version}`)
