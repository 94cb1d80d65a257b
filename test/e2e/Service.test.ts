/** A catcher as a service: what its manager is told, new keys, kill -9, and a log without room. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Keys from "../../src/seal/Keys.ts"
import * as Lab from "./Lab.ts"
import * as Trees from "./Trees.ts"

const hasPython = spawnSync("python3", ["--version"]).status === 0

const inLab = (f: (lab: Lab.Lab) => Effect.Effect<void>) => () => Effect.scoped(Effect.flatMap(Lab.make(1), f))

/** The manager: a socket of datagrams, which Node does not have. */
const manager = (lab: Lab.Lab, address: string) =>
  lab.exec(
    "c1",
    ...["python3", "-u", "-c"],
    `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", "\\0", 1))
print("listening")
while True: print(s.recv(4096).decode())`,
    address
  )

const source = (lab: Lab.Lab, bytes: number) => {
  mkdirSync(join(lab.folder, "source"))
  Trees.random(join(lab.folder, "source", "file"), bytes)
}

/** Puts a pair of keys in place, another for each number. */
const keys = (lab: Lab.Lab, number: number) => {
  const secrets = [number, number + 1].map((byte) => new Uint8Array(Keys.secretBytes).fill(byte))
  const pair = Keys.ofSecrets(secrets[0], secrets[1])
  writeFileSync(join(lab.folder, "master.key"), Keys.printMaster(pair), { mode: 0o600 })
  writeFileSync(join(lab.folder, "catcher.key"), Keys.printCatcher(Keys.forCatchers(pair)), { mode: 0o600 })
}

const send = (lab: Lab.Lab, ...args: ReadonlyArray<string>) =>
  lab.mrsync("m", "send", "--json", "--key", join(lab.folder, "master.key"), ...args, `${join(lab.folder, "source")}/`)

const serving = (lab: Lab.Lab, environment: ReadonlyArray<string>, ...args: ReadonlyArray<string>) => {
  mkdirSync(lab.destination(1), { recursive: true })
  const command = [process.execPath, Lab.program, "catch", "--serve", "--key", join(lab.folder, "catcher.key")]
  return lab.exec("c1", "env", ...environment, ...command, ...args, lab.destination(1))
}

const isSame = (lab: Lab.Lab) =>
  assert.strictEqual(Lab.rsyncSays(`${join(lab.folder, "source")}/`, `${lab.destination(1)}/`), "")

describe.skipIf(Lab.unavailable !== undefined || !hasPython)("a service", () => {
  it.live(
    "tells its manager how it is, and takes new keys between two sessions and in the midst of one",
    inLab((lab) =>
      Effect.gen(function* () {
        source(lab, 2_000_000)
        keys(lab, 1)
        const socket = join(lab.folder, "notify")
        const told = manager(lab, socket)
        yield* told.says("listening")
        const [slow, done] = ["slow", "done"].map((name) => join(lab.folder, name))
        const command = `if test -e ${slow}; then echo it lasts; sleep 1; touch ${done}; fi`
        const environment = [`NOTIFY_SOCKET=${socket}`, "WATCHDOG_USEC=2000000"]
        const catcher = serving(lab, environment, "--json", "--on-complete", command)
        yield* told.says("READY=1")
        yield* told.says("WATCHDOG=1")
        // it waits for a master with the old key, and has the new one at once
        keys(lab, 3)
        yield* catcher.kill("SIGHUP")
        yield* told.says("RELOADING=1")
        yield* catcher.says("read anew")
        const first = send(lab, "--bwlimit", "1MB")
        yield* first.sees((event) => event._tag === "Tick" && event.bytes > 300_000)
        // another one, while the session runs
        keys(lab, 5)
        yield* catcher.kill("SIGHUP")
        assert.strictEqual((yield* first.ended).status, 0)
        isSame(lab)
        appendFileSync(join(lab.folder, "source", "more"), "more")
        assert.strictEqual((yield* send(lab).ended).status, 0)
        isSame(lab)
        // a key that is none ends nothing
        writeFileSync(join(lab.folder, "catcher.key"), "not a key\n", { mode: 0o600 })
        yield* catcher.kill("SIGHUP")
        yield* catcher.says("the keys from before hold")
        assert.strictEqual((yield* send(lab).ended).status, 0)
        // told to end while its command runs, it asks for as long as that may take, and the command runs to its end
        writeFileSync(slow, "")
        const last = send(lab, "--timeout", "40")
        yield* catcher.says("it lasts")
        yield* catcher.kill("SIGTERM")
        assert.strictEqual((yield* catcher.ended).status, 20)
        assert.isTrue(existsSync(done))
        yield* last.ended
        assert.match(yield* told.says("EXTEND_TIMEOUT_USEC="), /EXTEND_TIMEOUT_USEC=2[67]\d{7}\n/)
        const said = yield* told.says("STOPPING=1")
        assert.include(said, "STATUS=waiting for a master")
        assert.match(said, /STATUS=receiving: \d+ %/)
        assert.match(said, /STATUS=session [0-9a-f]{16} has ended: Complete/)
        assert.match(said, /RELOADING=1\nMONOTONIC_USEC=\d+\n/)
      })
    )
  )

  it.live(
    "is told of at an abstract name, has its commands run, and is killed and comes back within a session",
    inLab((lab) =>
      Effect.gen(function* () {
        source(lab, 2_000_000)
        keys(lab, 1)
        const told = manager(lab, `@mrsync/${lab.folder}`)
        yield* told.says("listening")
        const story = join(lab.folder, "story")
        const commands = [
          ...["--on-start", `echo start >> ${story}`],
          ...["--on-complete", `echo $MRSYNC_STATE $MRSYNC_DEST >> ${story}; echo done; test -e ${story}.well`]
        ]
        const [first, second] = [0, 1].map(
          () => () => serving(lab, [`NOTIFY_SOCKET=@mrsync/${lab.folder}`], "--json", "--id", "web1", ...commands)
        )
        const killed = first()
        yield* told.says("READY=1")
        const master = send(lab, "--bwlimit", "1MB", "--timeout", "3")
        yield* master.sees((event) => event._tag === "Tick" && event.bytes > 300_000)
        yield* killed.kill("SIGKILL")
        const back = second()
        const { report, status } = yield* master.ended
        isSame(lab)
        // and its command, which fails, is in the master's report
        assert.strictEqual(status, 23)
        assert.deepInclude(report.catchers.find(({ state }: any) => state === "Partial")?.failures[0], {
          path: ".",
          reason: "on-complete failed: exit status 1: done"
        })
        assert.strictEqual(readFileSync(story, "utf8"), `start\nstart\nComplete ${lab.destination(1)}\n`)
        yield* back.kill("SIGTERM")
        yield* back.ended
      })
    )
  )

  it.live(
    "goes on when its log has no room, says so once, and opens the log that has its name after SIGHUP",
    inLab((lab) =>
      Effect.gen(function* () {
        source(lab, 100_000)
        keys(lab, 1)
        const place = join(lab.folder, "log")
        mkdirSync(place)
        execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", place])
        const log = join(place, "mrsync.log")
        const catcher = serving(lab, [], "--log-file", log)
        yield* catcher.says("waiting on")
        assert.match(readFileSync(log, "utf8"), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z waiting on /)
        spawnSync("dd", ["if=/dev/zero", `of=${join(place, "full")}`, "bs=4096"])
        // to the end of the page that the log has
        while (existsSync(log)) {
          try {
            appendFileSync(log, "x\n")
          } catch {
            break
          }
        }
        const size = readFileSync(log).length
        for (const _ of [1, 2]) assert.strictEqual((yield* send(lab).ended).status, 0)
        isSame(lab)
        assert.strictEqual(readFileSync(log).length, size)
        renameSync(join(place, "full"), join(place, "gone"))
        writeFileSync(join(place, "gone"), "")
        renameSync(log, `${log}.1`)
        yield* catcher.kill("SIGHUP")
        yield* catcher.says("read anew")
        yield* catcher.kill("SIGTERM")
        const { err, status } = yield* catcher.ended
        assert.strictEqual(status, 0)
        assert.strictEqual(err.match(/cannot be written/g)?.length, 1, err)
        assert.match(readFileSync(log, "utf8"), /^\d+ lines left out here: .*\n.*read anew/)
      })
    )
  )
})
