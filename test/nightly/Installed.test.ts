/**
 * The package as npm packs it, installed in an application that is strict about types and has a later Effect 4 of its own.
 * What the application does not bring comes from the registry that npm is configured with, which takes half a minute; without
 * one nothing is tested. test/package.test.ts and test/subpaths.test.ts judge the same package with every change.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { type SpawnSyncReturns, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"
import { publicModules } from "../public.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const place = fs.mkdtempSync(path.join(os.tmpdir(), "mrsync-packed-"))
const app = path.join(place, "app")
const sources = path.join(app, "src")

const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): SpawnSyncReturns<string> =>
  spawnSync(command, args, { cwd, encoding: "utf8", timeout: 200_000 })
const ran = (cwd: string, command: string, ...args: ReadonlyArray<string>): string => {
  const { status, stderr, stdout } = run(cwd, command, ...args)
  assert.strictEqual(status, 0, `${command} ${args.join(" ")}: ${stdout}${stderr}`)
  return stdout
}
const json = (file: string) => JSON.parse(fs.readFileSync(file, "utf8"))
const writeJson = (file: string, value: unknown) => fs.writeFileSync(file, JSON.stringify(value))

/** No registry: what npm says then. */
const isAway = /\b(EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTCACHED|ENOTFOUND|ETIMEDOUT)\b/

/** The Effect that is installed here, as a later version. */
const laterEffect = (): string => {
  const installed = path.join(root, "node_modules/effect")
  const copy = path.join(place, "effect")
  const isLeftOut = /\.map$|[/\\]node_modules[/\\]effect[/\\](src|ai-docs)([/\\]|$)/
  fs.cpSync(installed, copy, { recursive: true, filter: (name) => !isLeftOut.test(name) })
  const given = json(path.join(installed, "package.json"))
  const [major, minor] = given.version.split(".").map(Number)
  const version = `${major}.${minor + 1}.0`
  fs.rmSync(path.join(copy, "package.json"))
  writeJson(path.join(copy, "package.json"), { ...given, version, devDependencies: {} })
  return version
}

/** Every example in the words of the package, as a file of its own. */
const writeExamples = (): number => {
  const texts = ["README.md", ...publicModules.map(({ file }) => `src/${file}`)]
  const examples = texts.flatMap((file) =>
    [...fs.readFileSync(path.join(root, file), "utf8").matchAll(/^( \* )?```ts\n([^]*?)^( \* )?```$/gm)].map(
      ([, , code]) => code.replace(/^ \* ?/gm, "")
    )
  )
  examples.forEach((code, i) => fs.writeFileSync(path.join(sources, `told-${i}.ts`), code))
  return examples.length
}

const runExamples = `
import * as Effect from "effect/Effect"
import * as assert from "node:assert"
import { Simulated, VirtualTime } from "mrsync"
import { program as pipeline } from "./pipeline.ts"
import { program as reducer } from "./reducer.ts"
import { program as transport } from "./transport.ts"

const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 9)) & 255)
const all = Effect.gen(function* () {
  const network = yield* Simulated.make({ seed: 1, loss: 0.05 })
  for (const copy of yield* pipeline(bytes, network)) assert.deepStrictEqual(copy, bytes)
  assert.deepStrictEqual((yield* transport(bytes)).arrived, bytes)
  assert.strictEqual((yield* reducer)._tag, "Passed")
  return "they ran"
})
console.log(await Effect.runPromise(VirtualTime.run(() => Effect.scoped(all))))
`

/** Why nothing is tested. */
let without: string | undefined
let version = ""

const installed = (title: string, test: () => void | Promise<void>) =>
  it(title, async ({ skip }) => {
    if (without !== undefined) skip(without)
    await test()
  })

describe("installed", () => {
  beforeAll(() => {
    fs.mkdirSync(sources, { recursive: true })
    version = laterEffect()
    const [{ filename }] = JSON.parse(
      ran(root, "npm", "pack", "--json", "--ignore-scripts", "--pack-destination", place)
    )
    const types = json(path.join(root, "package.json")).devDependencies["@types/node"]
    writeJson(path.join(app, "package.json"), {
      ...{ name: "app", private: true, type: "module" },
      dependencies: { effect: "file:../effect", mrsync: `file:../${filename}`, "@types/node": types }
    })
    const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional", "--loglevel=error"]
    const { status, stderr } = run(app, "npm", "install", ...quiet, "--prefer-offline", "--fetch-retries=0")
    const away = isAway.exec(stderr)?.[0]
    if (status !== 0 && away !== undefined) without = `npm reaches no registry (${away})`
    else assert.strictEqual(status, 0, stderr)
  })
  afterAll(() => fs.rmSync(place, { recursive: true, force: true }))

  installed("there is one copy of effect, which is the application's", () => {
    const copies = fs
      .readdirSync(path.join(app, "node_modules"), { recursive: true, encoding: "utf8" })
      .filter((name) => /(^|[/\\])node_modules[/\\]effect$|^effect$/.test(name))
    assert.deepStrictEqual(copies, ["effect"])
    assert.strictEqual(json(path.join(app, "node_modules/effect/package.json")).version, version)
  })

  installed("types pass where the application is strict; examples, too, and they run", () => {
    const given = path.join(app, "node_modules/mrsync/examples")
    for (const name of fs.readdirSync(given)) fs.copyFileSync(path.join(given, name), path.join(sources, name))
    assert.isAbove(writeExamples(), 7)
    fs.writeFileSync(path.join(sources, "run.ts"), runExamples)
    const uses = publicModules.map(({ name }) => `export * as ${name} from "mrsync/${name}"\n`)
    fs.writeFileSync(path.join(sources, "uses.ts"), uses.join(""))
    writeJson(path.join(app, "tsconfig.json"), {
      compilerOptions: {
        ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, verbatimModuleSyntax: true },
        // Effect's own types name the DOM's CryptoKey
        ...{ target: "es2023", lib: ["es2023", "dom"], module: "nodenext", types: ["node"] },
        ...{ rewriteRelativeImportExtensions: true, rootDir: "src", outDir: "out" }
      },
      include: ["src"]
    })
    ran(app, process.execPath, path.join(root, "node_modules/typescript/bin/tsc"), "-p", ".")
    assert.strictEqual(ran(app, process.execPath, "out/run.js"), "they ran\n")
  })

  installed("every public module's header is in its .d.ts", () => {
    const dist = path.join(app, "node_modules/mrsync/dist")
    for (const { file } of publicModules) {
      assert.match(fs.readFileSync(path.join(dist, file.replace(/\.ts$/, ".d.ts")), "utf8"), /^\/\*\*/, file)
    }
  })

  installed("a bundle of one module has nothing of Node in it", async () => {
    const entry = path.join(app, "bundled.js")
    fs.writeFileSync(entry, 'import { Window } from "mrsync"\nconsole.log(Window.make(1_000_000).limitBytes)\n')
    const bundle = await rolldown({ input: entry, platform: "node" })
    const { output } = await bundle.generate({ format: "esm" })
    assert.deepStrictEqual(output[0].imports, [])
    assert.isBelow(output[0].code.length, 60_000)
  })

  installed("the program runs, also where nothing of Effect is there", () => {
    const alone = path.join(place, "alone/node_modules")
    for (const name of ["mrsync", "@napi-rs", "@noble"]) {
      fs.cpSync(path.join(app, "node_modules", name), path.join(alone, name), { recursive: true })
    }
    const { version } = json(path.join(root, "package.json"))
    const programs = [path.join(app, "node_modules/.bin/mrsync"), path.join(alone, "mrsync/dist/bin.js")]
    for (const program of programs) {
      assert.include(ran(place, program, "--version"), version)
      assert.include(ran(place, program, "simulate", "--catchers", "2", "--size", "100000", "--json"), '"Complete"')
    }
  })
})
