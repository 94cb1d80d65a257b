/** The command is run by real shells, with a script in the program's place. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Install from "../../src/ops/Install.ts"

const program = Buffer.from('#!/bin/sh\necho "brought: $*"\nread line\necho "$line"\n')

const hostIn = (folder: string) =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      const home = join(mkdtempSync(join(tmpdir(), "mrsync-home-")), folder)
      mkdirSync(home, { recursive: true })
      const file = join(home, "program")
      writeFileSync(file, program)
      const found = yield* Install.programIn(file)
      const command = Install.commandOf(found, "1.0.0")
      const run = (input: Buffer, shell = "sh") => {
        const env = { HOME: home, PATH: `${join(home, "bin")}:${process.env["PATH"]}` }
        const { status, stderr, stdout } = spawnSync(shell, ["-c", `${command} catch --pushed`], { input, env })
        return { status, said: stdout.toString(), error: stderr.toString() }
      }
      const kept = join(home, ".cache/mrsync", found.hash)
      return { home, found, kept, run }
    }),
    ({ home }) => Effect.sync(() => rmSync(join(home, folder === "" ? "" : ".."), { recursive: true }))
  ).pipe(Effect.provide(NodeFileSystem.layer))

const host = hostIn("")

describe("Install", () => {
  it.effect("brings the program where there is none, once, and goes on with what comes behind it", () =>
    Effect.gen(function* () {
      const { found, kept, run } = yield* host
      const first = run(Buffer.concat([program, Buffer.from("handover\n")]))
      const [, wanted, ...rest] = first.said.split("\n")
      assert.strictEqual(Install.kindIn(wanted), execFileSync("uname", ["-sm"], { encoding: "utf8" }).trim())
      assert.strictEqual(found.kind, Install.kindIn(wanted))
      assert.deepStrictEqual(rest, ["brought: catch --pushed", "handover", ""], first.error)
      assert.deepStrictEqual(readdirSync(kept), ["mrsync"])
      assert.strictEqual(run(Buffer.from("again\n")).said, "brought: catch --pushed\nagain\n")
    })
  )

  it.effect("keeps nothing that is not whole or not the program", () =>
    Effect.gen(function* () {
      const { kept, run } = yield* host
      const other = Buffer.from(program)
      other[20]++
      for (const input of [program.subarray(0, -1), other, Buffer.alloc(0)]) {
        const { error, status } = run(input)
        assert.strictEqual(status, 1)
        assert.include(error, "not the hash")
        assert.isFalse(existsSync(kept))
      }
    })
  )

  it.effect("says why the program could not be written", () =>
    Effect.gen(function* () {
      const { home, kept, run } = yield* host
      mkdirSync(join(home, "bin"))
      const full = "head: error writing 'standard output': No space left on device"
      writeFileSync(join(home, "bin/head"), `#!/bin/sh\necho "${full}" >&2\nexit 1\n`, { mode: 0o755 })
      const { error, status } = run(program)
      assert.deepStrictEqual([status, error], [1, `${full}\n`])
      assert.isFalse(existsSync(kept))
    })
  )

  it.effect("removes nothing but its own file, where the home directory has a space in its name", () =>
    Effect.gen(function* () {
      const { home, kept, run } = yield* hostIn("some body")
      const other = home.replace(/ .*$/, "")
      writeFileSync(other, "of somebody else")
      assert.strictEqual(run(Buffer.alloc(0)).status, 1)
      assert.isTrue(existsSync(other))
      assert.isFalse(existsSync(kept))
    })
  )

  it.effect("runs what is installed, if it is of this version", () =>
    Effect.gen(function* () {
      const { home, kept, run } = yield* host
      mkdirSync(join(home, "bin"))
      const installed = (version: string) => {
        const script = `#!/bin/sh\nif [ "$1" = --version ]; then echo "mrsync ${version}"; else echo "installed: $*"; fi\n`
        writeFileSync(join(home, "bin/mrsync"), script)
        chmodSync(join(home, "bin/mrsync"), 0o755)
      }
      installed("1.0.0")
      assert.strictEqual(run(Buffer.alloc(0)).said, "installed: catch --pushed\n")
      assert.isFalse(existsSync(kept))
      installed("0.9.0")
      assert.include(run(program).said, "brought: catch --pushed")
    })
  )

  for (const shell of ["bash", "zsh", "fish", "dash"])
    it.effect.skipIf(spawnSync(shell, ["-c", "true"]).status !== 0)(`is read by ${shell} as by sh`, () =>
      Effect.gen(function* () {
        const { run } = yield* host
        assert.include(run(program, shell).said, "brought: catch --pushed")
      })
    )

  it("a line that is none of its own names no kind", () => assert.isUndefined(Install.kindIn("mrsync-pushed {}")))
})
