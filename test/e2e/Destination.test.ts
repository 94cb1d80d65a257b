/** What lies under the destination's path when a session begins is where the tree goes, and catchers may share it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import * as Lab from "./Lab.ts"
import * as Trees from "./Trees.ts"

const test = (name: string, count: number, body: (lab: Lab.Lab) => Effect.Effect<void>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(Lab.make(count), body)))

describe.skipIf(Lab.unavailable !== undefined)("destinations on real hosts", () => {
  test("of a catcher that serves: mounted over, removed, and replaced in a session", 1, (lab) =>
    Effect.gen(function* () {
      const source = join(lab.folder, "source")
      const destination = lab.destination(1)
      fs.mkdirSync(source)
      for (let i = 0; i < 20; i++) Trees.random(join(source, `f${i}`), 20_000)
      Trees.random(join(source, "large"), 3_000_000)
      const [catcher] = yield* lab.catchers(1, "--serve")
      const send = (...options: ReadonlyArray<string>) => lab.mrsync("m", "send", "--json", ...options, `${source}/`)
      // as the catcher sees it: its mounts are its own
      const mounts = (...command: ReadonlyArray<string>) =>
        execFileSync("nsenter", ["-t", String(catcher.process.pid), "-m", ...command], { encoding: "latin1" })
      const arrives = Effect.gen(function* () {
        assert.strictEqual((yield* send().ended).status, 0)
        const compare = ["-aHn", "--checksum", "--delete", "--itemize-changes"]
        assert.strictEqual(mounts("rsync", ...compare, `${source}/`, `${destination}/`), "")
      })

      mounts("mount", "-t", "tmpfs", "tmpfs", destination)
      yield* arrives
      mounts("umount", destination)
      assert.deepStrictEqual(fs.readdirSync(destination), [], "nothing lies below the mount")
      fs.rmdirSync(destination)
      yield* arrives

      fs.rmSync(destination, { recursive: true })
      const master = send("--bwlimit", "2MB")
      yield* master.sees((event) => event._tag === "Tick" && event.bytes > 500_000)
      fs.renameSync(destination, `${destination}-before`)
      fs.mkdirSync(destination)
      const { events, report, status } = yield* master.ended
      assert.strictEqual(status, 23)
      assert.strictEqual(events.filter(({ _tag }) => _tag === "Failed").length, 1)
      assert.strictEqual(report.catchers[0].state, "Partial")
      const replaced = "the destination was replaced while the session ran (ESTALE)"
      assert.deepStrictEqual(report.catchers[0].failures, [{ path: "", reason: replaced }])
      yield* catcher.says(`mrsync: ${destination}: ${replaced}`)
      assert.deepStrictEqual([...Lab.litter(destination), ...Lab.litter(`${destination}-before`)], [])
      yield* arrives

      // unmounted in a session
      mounts("mount", "-t", "tmpfs", "tmpfs", destination)
      const another = send("--bwlimit", "2MB")
      yield* another.sees((event) => event._tag === "Tick" && event.bytes > 500_000)
      mounts("umount", "--lazy", destination)
      const unmounted = yield* another.ended
      assert.deepStrictEqual(unmounted.report.catchers[0].failures, [{ path: "", reason: replaced }])
    })
  )

  const obstacles = [
    ["a file", "it exists and is not a directory (ENOTDIR)", (path: string) => fs.writeFileSync(path, "")],
    [
      "a dangling link",
      "it is a symbolic link that leads nowhere (ENOENT)",
      (path: string) => fs.symlinkSync("no", path)
    ]
  ] as const

  test("of a catcher that serves: what cannot be used is one failure of each session in which it is so", 1, (lab) =>
    Effect.gen(function* () {
      const source = join(lab.folder, "source")
      const destination = lab.destination(1)
      fs.mkdirSync(source)
      for (let i = 0; i < 5; i++) Trees.random(join(source, `f${i}`), 1_000_000)
      const [catcher] = yield* lab.catchers(1, "--serve")
      // in a second session as well
      for (const [, words, put] of [...obstacles, obstacles[1]]) {
        fs.rmSync(destination, { recursive: true })
        put(destination)
        const { report, status } = yield* lab.mrsync("m", "send", "--json", `${source}/`).ended
        assert.strictEqual(status, 23)
        assert.deepStrictEqual(report.catchers[0].failures, [{ path: "", reason: words }])
        yield* catcher.says(`mrsync: ${destination}: ${words}`)
      }
      fs.unlinkSync(destination)
      assert.strictEqual((yield* lab.mrsync("m", "send", "--json", `${source}/`).ended).status, 0)
      assert.strictEqual(Lab.rsyncSays(`${source}/`, `${destination}/`), "")
    })
  )

  test("that three catchers share: whatever each of them makes, all are complete", 3, (lab) =>
    Effect.gen(function* () {
      const source = join(lab.folder, "source")
      const destination = join(lab.folder, "shared")
      for (let i = 0; i < 150; i++) {
        fs.mkdirSync(join(source, `d${i}`), { recursive: true })
        Trees.random(join(source, `d${i}`, "f"), 100)
        fs.linkSync(join(source, `d${i}`, "f"), join(source, `d${i}`, "hard"))
        fs.symlinkSync(`target ${i}`, join(source, `d${i}`, "link"))
      }
      Trees.random(join(source, "large"), 1_000_000)
      // what has to make way is there as well
      fs.mkdirSync(destination)
      for (let i = 0; i < 150; i += 3) {
        fs.symlinkSync("nowhere", join(destination, `d${i}`))
        fs.writeFileSync(join(destination, `d${i + 1}`), "a file")
      }
      const catchers = [1, 2, 3].map((i) => lab.mrsync(`c${i}`, "catch", "--json", "--id", `c${i}`, destination))
      const master = yield* lab.mrsync("m", "send", "--json", "--catchers", "3", `${source}/`).ended
      assert.strictEqual(master.status, 0, JSON.stringify(master.report))
      for (const { ended } of catchers) assert.strictEqual((yield* ended).status, 0)
      assert.strictEqual(Lab.rsyncSays(`${source}/`, `${destination}/`), "")
      assert.deepStrictEqual(Lab.litter(destination), [])
    })
  )

  test("of a catcher that may open few files: directories make room", 1, (lab) =>
    Effect.gen(function* () {
      const source = join(lab.folder, "source")
      for (let i = 0; i < 150; i++) {
        fs.mkdirSync(join(source, `d${i}`, "e"), { recursive: true })
        Trees.random(join(source, `d${i}`, "e", "f"), 100)
      }
      for (let i = 0; i < 3; i++) Trees.random(join(source, `d${i}`, "large"), 600_000)
      const command = ["catch", "--json", "--id", "c1", lab.destination(1)]
      const few = `ulimit -n 64; exec "$0" "$@"`
      const catcher = lab.exec("c1", "bash", "-c", few, process.execPath, Lab.program, ...command)
      yield* catcher.says("Waiting")
      const { report, status } = yield* lab.mrsync("m", "send", "--json", `${source}/`).ended
      assert.strictEqual(status, 0, JSON.stringify(report.catchers[0].failures[0]))
      assert.strictEqual(Lab.rsyncSays(`${source}/`, `${lab.destination(1)}/`), "")
    })
  )
})
