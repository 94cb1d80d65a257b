/** Without the binary of its hash (`npm ci --omit=optional`, another platform) every command once died with a stack. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** The program as it is installed, with the package of the hash, but without what that package needs. */
const installed = (without: ReadonlyArray<string>) => {
  const directory = mkdtempSync(join(tmpdir(), "mrsync-test-"))
  for (const part of ["dist", "package.json", "node_modules/@napi-rs/blake-hash"]) {
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
    assert.include(stderr, "hashing is several times slower without it")
  })

  it.each(["send", "catch"])("and without that one %s names the package: 11", (command) => {
    const directory = installed(["dist/blake3.wasm"])
    const { status, stderr } = mrsync(directory, command, "-i", "lo", "-w", "1", join(directory, "tree"))
    assert.strictEqual(status, 11, stderr)
    assert.include(stderr, `mrsync: ${why}`)
    assert.notMatch(stderr, /\n\s+at /)
  })
})
