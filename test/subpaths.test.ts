/** The built package by its subpaths: each can be imported, and loads no more of Node than its room may know. */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { publicModules } from "./public.ts"

const root = fileURLToPath(new URL("..", import.meta.url))

const protocol = readdirSync(new URL("../src/protocol/", import.meta.url), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => `mrsync/protocol/${name.slice(0, -".ts".length)}`)
const names = ["mrsync", ...publicModules.map(({ name }) => `mrsync/${name}`), ...protocol]

/** Tells of each import: the module that imports, what it says, and what that is. */
const hook = `
import { writeSync } from "node:fs"
export const resolve = async (specifier, context, next) => {
  const resolved = await next(specifier, context)
  writeSync(1, JSON.stringify([context.parentURL, specifier, resolved.url]) + "\\n")
  return resolved
}`
const program = `
import { register } from "node:module"
register("data:text/javascript,${encodeURIComponent(hook)}")
for (const name of ${JSON.stringify(names)}) await import(name)
console.log(JSON.stringify("loaded"))`

/** What each module imports, and the address of each name. */
const importsOf = new Map<string, Set<string>>()
const addresses = new Map<string, string>()

/** The modules that come with a name, itself among them. */
const loadedBy = (name: string): ReadonlySet<string> => {
  const loaded = new Set<string>()
  const walk = (address: string) => {
    if (loaded.has(address)) return
    loaded.add(address)
    for (const next of importsOf.get(address) ?? []) walk(next)
  }
  walk(addresses.get(name)!)
  return loaded
}
const ofNode = (name: string) => [...loadedBy(name)].filter((address) => /^node:|platform-node/.test(address))

describe("subpaths", () => {
  beforeAll(() => {
    const output = execFileSync(process.execPath, ["--no-warnings", "--input-type=module", "--eval", program], {
      cwd: root
    })
    const lines: ReadonlyArray<unknown> = output
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    assert.strictEqual(lines.at(-1), "loaded")
    for (const [parent, specifier, address] of lines.slice(0, -1) as ReadonlyArray<[string, string, string]>) {
      if (names.includes(specifier)) addresses.set(specifier, address)
      importsOf.set(parent, (importsOf.get(parent) ?? new Set()).add(address))
    }
  })

  it("each one loads, and is the module that its name says", () => {
    assert.isAbove(names.length, 50)
    for (const { file, name } of publicModules) {
      assert.isTrue(addresses.get(`mrsync/${name}`)?.endsWith(`/dist/${file.replace(/\.ts$/, ".js")}`), name)
    }
    assert.isAbove(loadedBy("mrsync").size, 100)
  })

  it.each([...protocol, "mrsync/Window", "mrsync/FileState", "mrsync/Manifest", "mrsync/Header"])(
    "%s loads nothing of Node",
    (name) => assert.deepStrictEqual(ofNode(name), [])
  )

  it("the layers of Node come with the sockets, and with nothing else", () => {
    const withLayers = names.filter((name) => ofNode(name).some((address) => address.includes("platform-node")))
    assert.deepStrictEqual(withLayers, ["mrsync", "mrsync/Datagram"])
  })
})
