/** The Debian package, made and installed into a system of its own. At night: it downloads that system. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync, spawnSync } from "node:child_process"
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

const whyNot = (): string | undefined => {
  if (process.getuid?.() !== 0) return "another system needs root here"
  return ["debootstrap", "dpkg-deb"]
    .find((tool) => spawnSync("which", [tool]).status !== 0)
    ?.concat(" is not installed")
}

const unavailable = whyNot()
if (unavailable !== undefined) console.warn(`the Debian package is not tried: ${unavailable}`)

describe.skipIf(unavailable !== undefined)("the Debian package", () => {
  it("is installed, is right by systemd's own word, and leaves nothing when it is purged", { timeout: 900_000 }, () => {
    execFileSync("npm", ["run", "build:deb"], { cwd: root, stdio: "ignore" })
    const [name] = readdirSync(join(root, "dist/deb"))
    const system = mkdtempSync(join(tmpdir(), "mrsync-system-"))
    try {
      execFileSync("debootstrap", ["--variant=minbase", "--include=systemd,man-db", "bookworm", system], {
        stdio: "ignore"
      })
      copyFileSync(join(root, "dist/deb", name), join(system, "tmp", name))
      const inside = (...command: ReadonlyArray<string>) => {
        const { status, stderr, stdout } = spawnSync("chroot", [system, ...command], { encoding: "utf8" })
        return { status, text: stdout + stderr }
      }
      const installed = inside("dpkg", "-i", `/tmp/${name}`)
      assert.strictEqual(installed.status, 0, installed.text)
      const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
      assert.deepStrictEqual(inside("mrsync", "--version"), { status: 0, text: `mrsync ${version}\n` })
      const unit = "mrsync-catch@default.service"
      assert.deepStrictEqual(inside("systemd-analyze", "verify", unit), { status: 0, text: "" })
      const exposure = inside("systemd-analyze", "security", "--offline=true", unit).text
      assert.isAtMost(Number(/exposure level .*: (\d+\.\d) /.exec(exposure)?.[1]), 3)
      assert.include(inside("man", "--warnings", "mrsync").text, "MRSYNC CATCH")
      assert.strictEqual(inside("dpkg", "--verify", "mrsync").text, "")
      assert.strictEqual(inside("bash", "-c", ". /usr/share/bash-completion/completions/mrsync").status, 0)
      assert.strictEqual(inside("dpkg", "--purge", "mrsync").status, 0)
      for (const path of ["etc/mrsync", "usr/bin/mrsync", "usr/share/doc/mrsync"])
        assert.isFalse(existsSync(join(system, path)), path)
    } finally {
      rmSync(system, { recursive: true, force: true })
    }
  })
})
