/**
 * SIGUSR1 opened a debugger; a terminal that was closed ended who ran under nohup, and nobody else; what `systemctl stop` stopped between two
 * sessions counted as interrupted.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import * as Lab from "../e2e/Lab.ts"
import * as Trees from "../e2e/Trees.ts"

const hasPython = spawnSync("python3", ["--version"]).status === 0

const inLab = (f: (lab: Lab.Lab) => Effect.Effect<void>) => () => Effect.scoped(Effect.flatMap(Lab.make(1), f))

describe.skipIf(Lab.unavailable !== undefined)("signals", () => {
  it.live(
    "SIGUSR1 to a waiting master begins with those that are there, and opens no debugger anywhere",
    inLab((lab) =>
      Effect.gen(function* () {
        const source = Trees.random(join(lab.folder, "source"), 100_000)
        const [catcher] = yield* lab.catchers(1)
        yield* catcher.kill("SIGUSR1")
        const master = lab.mrsync("m", "send", "--json", "--catchers", "3", "--wait", "60", source)
        yield* master.sees((event) => event._tag === "Joined")
        yield* master.kill("SIGUSR1")
        const sent = yield* master.ended
        assert.strictEqual(sent.status, 0, sent.err)
        assert.strictEqual(sent.err, "")
        assert.strictEqual(sent.report.catchers.length, 1)
        const caught = yield* catcher.ended
        assert.deepStrictEqual([caught.status, caught.err], [0, ""])
      })
    )
  )

  it.live.skipIf(!hasPython)(
    "Enter on a waiting master's terminal does so as well",
    inLab((lab) =>
      Effect.gen(function* () {
        const source = Trees.random(join(lab.folder, "source"), 100_000)
        yield* lab.catchers(1)
        // a terminal of its own, on which Enter is typed half a second after the catcher has joined
        const typing = `import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])
said = b""
while b"joined: c1" not in said: said += os.read(terminal, 4096)
os.write(terminal, b"\\r")
try:
  while True: said += os.read(terminal, 4096)
except OSError: pass
sys.stdout.buffer.write(said)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`
        const send = [process.execPath, Lab.program, "send", "--catchers", "3", "--wait", "60", source]
        const { err, out, status } = yield* lab.exec("m", "python3", "-c", typing, ...send).ended
        assert.strictEqual(status, 0, err + out)
        assert.include(out, "Enter begins with those that have joined")
        assert.include(out, "1 catcher: 1 complete")
      })
    )
  )

  it.live.skipIf(!hasPython)(
    "a terminal that is closed interrupts, and nothing is sent any more",
    inLab((lab) =>
      Effect.gen(function* () {
        const source = Trees.random(join(lab.folder, "source"), 4_000_000)
        const [catcher] = yield* lab.catchers(1)
        const closing = `import os, pty, sys
pid, terminal = pty.fork()
if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])
said = b""
while b"sending" not in said: said += os.read(terminal, 4096)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`
        const send = [process.execPath, Lab.program, "send", "--bwlimit", "200kB", source]
        const { err, out } = yield* lab.exec("m", "python3", "-c", closing, ...send).ended
        assert.strictEqual(out, "20\n", err)
        assert.strictEqual((yield* catcher.ended).status, 20)
      })
    )
  )

  it.live(
    "without a terminal SIGHUP ends nobody; between sessions SIGTERM ends who serves well, and in one it interrupts",
    inLab((lab) =>
      Effect.gen(function* () {
        const source = Trees.random(join(lab.folder, "source"), 2_000_000)
        const [catcher] = yield* lab.catchers(1, "--serve")
        yield* catcher.kill("SIGHUP")
        const { report, status } = yield* lab.mrsync("m", "send", "--json", source).ended
        assert.strictEqual(status, 0, JSON.stringify(report))
        yield* catcher.kill("SIGTERM")
        const { err, status: served } = yield* catcher.ended
        assert.deepStrictEqual({ err, served }, { err: "mrsync: read anew: keys and log\n", served: 0 })

        mkdirSync(join(lab.folder, "again"))
        const again = lab.mrsync("c1", "catch", "--serve", "--json", join(lab.folder, "again"))
        yield* again.says("Waiting")
        const master = lab.mrsync("m", "send", "--json", "--bwlimit", "200kB", source)
        yield* again.sees((event) => event._tag === "Started")
        yield* again.kill("SIGTERM")
        const stopped = yield* again.ended
        assert.deepStrictEqual([stopped.status, stopped.err], [20, "mrsync: interrupted\n"])
        assert.strictEqual(stopped.report._tag, "Report")
        assert.deepStrictEqual(Lab.litter(join(lab.folder, "again")), [])
        yield* master.ended
      })
    )
  )
})
