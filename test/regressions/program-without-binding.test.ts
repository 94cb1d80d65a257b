/** Without the binary of its hash (`npm ci --omit=optional`, another platform) every command once died with a stack. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

const standIn = "node_modules/@noble/hashes"

/** The program as it is installed, with the packages of the hashes, but without what the native one needs. */
const installed = (without: ReadonlyArray<string>) => {
  const directory = mkdtempSync(join(tmpdir(), "mrsync-test-"))
  for (const part of ["dist/bin.js", "dist/bin", "package.json", "node_modules/@napi-rs/blake-hash", standIn]) {
    cpSync(join(root, part), join(directory, part), { recursive: true, dereference: true })
  }
  for (const part of without) rmSync(join(directory, part), { recursive: true })
  mkdirSync(join(directory, "tree"))
  writeFileSync(join(directory, "tree/file"), readFileSync(join(root, "dist/bin.js")))
  writeFileSync(join(directory, "tree/large"), new Uint8Array(700_000).fill(7))
  return directory
}

const mrsync = (directory: string, ...args: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [join(directory, "dist/bin.js"), ...args], {
    cwd: directory,
    encoding: "utf8",
    timeout: 60_000
  })
  rmSync(directory, { recursive: true })
  return { status, stderr, stdout }
}

const why = `@napi-rs/blake-hash: it has no binary for ${process.platform}-${process.arch} here`

describe("without the native hash", () => {
  it("another one takes its place, which is told once", () => {
    const directory = installed([])
    const { status, stderr, stdout } = mrsync(directory, "demo", "--loss", "5", join(directory, "tree"))
    assert.strictEqual(status, 0, stderr)
    assert.match(stdout, /clara: identical, 3 entries/)
    assert.strictEqual(stderr.split(why).length, 2, stderr)
    assert.include(stderr, "hashing is a hundred times slower without it")
  })

  it.each([true, false])("and is loaded only then (native: %s)", (isNative) => {
    const directory = installed([])
    if (isNative) {
      cpSync(join(root, "node_modules/@napi-rs"), join(directory, "node_modules/@napi-rs"), { recursive: true })
    }
    appendFileSync(join(directory, standIn, "blake3.js"), 'console.error("loaded")\n')
    const { status, stderr } = mrsync(directory, "simulate", "--catchers", "1", "--size", "1kB")
    assert.strictEqual(status, 0, stderr)
    assert.strictEqual(stderr.includes("loaded"), !isNative, stderr)
  })

  it("a simulation tells it as well", () => {
    const { status, stderr, stdout } = mrsync(installed([]), "simulate", "--catchers", "2", "--size", "100kB", "--json")
    assert.strictEqual(status, 0, stderr)
    assert.strictEqual(JSON.parse(stdout)._tag, "Simulation")
    assert.strictEqual(stderr.split(why).length, 2, stderr)
  })

  it.each([
    ["send", "--interface", "lo", "--wait", "1", "tree"],
    ["catch", "--interface", "lo", "--wait", "1", "tree"],
    ["demo", "tree"],
    ["simulate", "--catchers", "2", "--size", "100kB"]
  ])("and without that one %s names both packages: 11", (...args) => {
    const { status, stderr } = mrsync(installed([standIn]), ...args)
    assert.strictEqual(status, 11, stderr)
    assert.include(stderr, `mrsync: ${why}`)
    assert.include(stderr, "and @noble/hashes, which would stand in for it, cannot be loaded")
    assert.notMatch(stderr, /\n\s+at /)
  })
})
