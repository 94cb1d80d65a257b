/** What package.json promises: each public module under its name, the packages that the sources import, and no host. */
import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { publicModules } from "./public.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const textOf = (name: string) => fs.readFileSync(path.join(root, name), "utf8")

type Versions = Readonly<Record<string, string>>

const given: {
  readonly exports: Versions
  readonly dependencies: Versions
  readonly devDependencies: Versions
  readonly peerDependencies: Versions
  readonly optionalDependencies: Versions
} = JSON.parse(textOf("package.json"))

/** The project's own files: without what is installed, built, or git's. */
const files = fs
  .readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
  .filter((name) => !/^(node_modules|dist|\.git)([/\\]|$)/.test(name))

/** The packages that a source imports, by name. */
const packagesOf = (text: string): ReadonlyArray<string> =>
  [...text.replace(/^ *\/\*\*[^]*?\*\/$/gm, "").matchAll(/^(?:import|export)\b[^"]*?\bfrom "([^".][^"]*)"/gm)]
    .map(([, name]) => name)
    .filter((name) => !name.startsWith("node:"))
    .map((name) => /^(@[^/]+\/)?[^/]+/.exec(name)![0])

/** Addresses of package hosts. An install takes the host that npm is configured with, and no other. */
const hosts = [
  /\bregistry\.[a-z0-9-]/i,
  /\bnpm(js|mirror)\.(org|com)\b/i,
  /\b(yarnpkg|jsr|unpkg|jsdelivr)\.(com|io|net)\b/i
]
const hostsIn = (text: string) => hosts.flatMap((host) => host.exec(text)?.[0] ?? [])

describe("the package", () => {
  it("exports each module of index.ts by its name, the protocol by its paths, and nothing else", () => {
    const modules = publicModules.map(({ file, name }) => [`./${name}`, `./dist/${file.replace(/\.ts$/, ".js")}`])
    assert.deepStrictEqual(given.exports, {
      ".": "./dist/index.js",
      ...Object.fromEntries(modules),
      "./protocol/*": "./dist/protocol/*.js",
      "./package.json": "./package.json"
    })
  })

  it("depends on what its sources import; effect is the application's, and exact where it is developed", () => {
    const sources = files.filter((name) => /^src[/\\].*\.ts$/.test(name))
    const imported = new Set(sources.flatMap((name) => packagesOf(textOf(name))))
    // the page has these in it, and is made when the program is built
    const ofThePage = ["lit-html", "uplot"]
    assert.deepStrictEqual([...imported].sort(), [...Object.keys(given.peerDependencies), ...ofThePage].sort())
    for (const name of ofThePage) assert.property(given.devDependencies, name)
    for (const [name, range] of Object.entries(given.peerDependencies)) {
      assert.match(range, /^\^4\.\d+\.\d+$/, name)
      assert.strictEqual(given.devDependencies[name], range.slice(1), name)
      assert.notProperty(given.dependencies, name)
    }
    for (const [name, version] of Object.entries({ ...given.devDependencies, ...given.dependencies })) {
      assert.match(version, /^\d+\.\d+\.\d+$/, `${name} is pinned`)
    }
  })

  it("no file names the host of a package", () => {
    assert.isAbove(files.length, 200)
    assert.include(files, "flake.nix")
    assert.include(files, "package-lock.json")
    const named = files.flatMap((name) => hostsIn(textOf(name)).map((host) => `${name}: ${host}`))
    assert.deepStrictEqual(named, [])
  })

  it.for(["https://registry.", "https://www.npmjs.", "https://cdn.jsdelivr."])(
    "sees the host in %sorg, com, net",
    (host) => assert.isTrue(["org/effect", "com/effect", "net/effect"].some((end) => hostsIn(host + end).length > 0))
  )
})
