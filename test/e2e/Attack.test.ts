/**
 * Sealed sessions on real hosts, one of which has no key: it hears the group, and sends what it likes from whatever address it
 * likes. What a stranger does may cost some time, and nothing else.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Keys from "../../src/seal/Keys.ts"
import * as Attacker from "./Attacker.ts"
import * as Lab from "./Lab.ts"
import * as Trees from "./Trees.ts"

const test = (name: string, count: number, body: (lab: Lab.Lab) => Effect.Effect<void>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(Lab.make(count), body)))

const tree = (lab: Lab.Lab, name: string, largeBytes: number) => {
  const source = join(lab.folder, name)
  mkdirSync(source)
  Trees.random(join(source, "large"), largeBytes)
  for (let i = 0; i < 20; i++) Trees.random(join(source, `small ${i}`), 20_000)
  return `${source}/`
}

/** Key files of a pair that no other test has. */
const otherKeys = (lab: Lab.Lab, seed: number) => {
  const keys = Keys.ofSecrets(new Uint8Array(Keys.secretBytes).fill(seed), new Uint8Array(Keys.secretBytes).fill(99))
  const [master, catcher] = ["master", "catcher"].map((name) => join(lab.folder, `${name}-${seed}.key`))
  writeFileSync(master, Keys.printMaster(keys), { mode: 0o600 })
  writeFileSync(catcher, Keys.printCatcher(Keys.forCatchers(keys)), { mode: 0o600 })
  return { master, catcher }
}

/** All of a folder that a write, a deletion or a change would show in. */
const snapshot = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const { ctimeMs, ino, mtimeMs, size } = statSync(join(folder, name))
      return `${name} ${ino} ${size} ${mtimeMs} ${ctimeMs}`
    })

describe.skipIf(Lab.unavailable !== undefined)("an attacker on real hosts", () => {
  // only what a catcher lacks can be put in
  for (const loss of Lab.losses("0", "2"))
    test(
      `pages injected as the master's, 1,000 a second, at ${loss} % loss: all complete, in twice the time at most [C-8] [E-4]`,
      3,
      (lab) =>
        Effect.gen(function* () {
          const source = tree(lab, "source", 12_000_000)
          lab.lab("loss", loss)
          const quiet = yield* Attacker.session(lab, "quiet", 2, source, ["--bwlimit", "10MB"])
          const attacked = yield* Attacker.session(lab, "attacked", 2, source, ["--bwlimit", "10MB"], ["page"], 1000)
          console.log(`quiet ${JSON.stringify(quiet)}; with pages injected ${JSON.stringify(attacked)}`)
          assert.strictEqual(quiet.digests, 0)
          if (loss !== "0") assert.isAbove(attacked.digests, 0, "blocks have to be spoiled")
          assert.isAbove(attacked.sent, 500 * quiet.seconds)
          assert.isAtMost(attacked.seconds, 2 * quiet.seconds)
        })
    )

  test("control messages forged as anybody's to anybody: all complete, nobody is lost [K-1] [K-4] [K-5]", 3, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab, "source", 12_000_000)
      const acts = ["control", "control", "again", "noise"]
      const attacked = yield* Attacker.session(lab, "attacked", 2, source, ["--bwlimit", "8MB"], acts, 5000)
      assert.isAbove(attacked.sent, 1000 * attacked.seconds)
    })
  )

  test(
    "a recorded session, sent again: nothing is written, and the next true session works meanwhile [K-6]",
    3,
    (lab) =>
      Effect.gen(function* () {
        // made within one second, they have one time: so all is sent, whatever it looks like (-I)
        const [first, second, third] = [1, 2, 3].map((i) => tree(lab, `source ${i}`, 1_000_000 * i))
        const [serving] = yield* lab.catchers(1, "--serve")
        const record = join(lab.folder, "recording")
        const recorder = yield* Attacker.start(lab, "c3", { record })
        for (const source of [first, second]) {
          if (source === second) yield* Attacker.stop(recorder)
          const { err, status } = yield* lab.mrsync("m", "send", "--json", "-I", source).ended
          assert.strictEqual(status, 0, err)
          assert.strictEqual(Lab.rsyncSays(source, `${lab.destination(1)}/`, "--ignore-existing"), "")
        }
        const before = snapshot(lab.destination(1))
        const saidBefore = (yield* serving.said).length
        mkdirSync(lab.destination(2))
        const asked = yield* Attacker.listener(lab, record)
        const early = lab.mrsync("c2", "catch", "--json", "--wait", "4", lab.destination(2))
        yield* early.says("Waiting")
        const isDoubt = ({ _tag, message }: { _tag: string; message: string }) =>
          _tag === "Note" && message.includes("calls, and does not answer: that is a recording of it, or")
        const replayer = yield* Attacker.start(lab, "c3", { recording: record, acts: ["recorded"], perSecond: 2000 })
        yield* early.sees(isDoubt).pipe(
          Effect.timeout(2500),
          Effect.catchTag("TimeoutError", () => Effect.die(new Error("it was not said within 2 s")))
        )
        const doubted = yield* early.ended
        assert.strictEqual(doubted.status, 30, doubted.err)
        assert.include(doubted.err, "does not answer")
        const fresh = lab.mrsync("c2", "catch", "--json", "--id", "c2", lab.destination(2))
        yield* fresh.says("Waiting")
        yield* replayer.says("replayed")
        yield* Effect.sleep(500)
        assert.deepStrictEqual(snapshot(lab.destination(1)), before)
        assert.deepStrictEqual(readdirSync(lab.destination(2)), [])
        assert.strictEqual((yield* serving.said).filter((event) => !isDoubt(event)).length, saidBefore)
        yield* asked.kill("SIGTERM")
        const { events } = yield* asked.ended
        assert.deepStrictEqual([...new Set(events.map(({ type }) => type))], [30], "hails, and no join")
        const { report, status } = yield* lab.mrsync(
          "m",
          "send",
          "--json",
          "-I",
          "--catchers",
          "2",
          "--wait",
          "10",
          third
        ).ended
        assert.strictEqual(status, 0, JSON.stringify(report))
        assert.isNull(replayer.process.exitCode)
        yield* Attacker.stop(replayer)
        assert.strictEqual((yield* fresh.ended).status, 0)
        assert.strictEqual(Lab.rsyncSays(third, `${lab.destination(2)}/`), "")
        assert.strictEqual(Lab.rsyncSays(third, `${lab.destination(1)}/`), "")
      })
  )

  test("catchers with another key and with none are not taken in, and both sides say why within 2 s [K-11]", 3, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab, "source", 1_000_000)
      const [catcher] = yield* lab.catchers(1)
      const other = otherKeys(lab, 3)
      const strangers = [
        lab.mrsync("c2", "catch", "--json", "--wait", "6", "--key", other.catcher, lab.destination(2)),
        lab.mrsync("c3", "catch", "--json", "--wait", "6", "--insecure", lab.destination(3))
      ]
      for (const stranger of strangers) yield* stranger.says("Waiting")
      const master = lab.mrsync("m", "send", "--json", "--catchers", "3", "--at-least", "1", "--at-most", "4", source)
      yield* master.sees(({ _tag }) => _tag === "Joined")
      const why = [
        [strangers[0], /^the master 10\.77\.0\.1:\d+ has another key than this catcher/],
        [strangers[1], /^the master 10\.77\.0\.1:\d+ seals its session, and this catcher has no key/],
        [master, /^a catcher on 10\.77\.0\.3:\d+ has another key than this master/],
        [master, /^a catcher on 10\.77\.0\.4:\d+ has no key, and this session is sealed/]
      ] as const
      const told = why.map(([running, words]) =>
        running.sees(({ _tag, message }) => _tag === "Note" && words.test(message))
      )
      yield* Effect.all(told, { concurrency: "unbounded" }).pipe(
        Effect.timeout(2000),
        Effect.catchTag("TimeoutError", () => Effect.die(new Error("it was not said within 2 s")))
      )
      const { report, status } = yield* master.ended
      assert.strictEqual(status, 0, JSON.stringify(report))
      assert.strictEqual((yield* catcher.ended).status, 0)
      assert.strictEqual(Lab.rsyncSays(source, `${lab.destination(1)}/`), "")
      for (const [i, stranger] of strangers.entries()) {
        const { err, events, status } = yield* stranger.ended
        assert.strictEqual(status, 30, err)
        assert.notInclude(err + JSON.stringify(events), "no master was heard")
        assert.include(err, i === 0 ? "another key" : "has no key")
        assert.isFalse(existsSync(lab.destination(i + 2)) && readdirSync(lab.destination(i + 2)).length > 0)
      }
    })
  )

  test("two masters with different keys on one group: each catcher follows its own [K-10]", 3, (lab) =>
    Effect.gen(function* () {
      const other = otherKeys(lab, 4)
      const sources = [1, 2].map((i) => tree(lab, `source ${i}`, 8_000_000))
      yield* lab.catchers(1)
      const second = lab.mrsync("c2", "catch", "--json", "--key", other.catcher, lab.destination(2))
      yield* second.says("Waiting")
      const slowly = ["--json", "--bwlimit", "4MB"]
      const masters = [
        lab.mrsync("m", "send", ...slowly, sources[0]),
        lab.mrsync("c3", "send", ...slowly, "--key", other.master, sources[1])
      ]
      yield* Effect.all(
        masters.map((master) => master.sees(({ _tag, sentBytes }) => _tag === "Tick" && sentBytes > 100_000)),
        { concurrency: 2 }
      )
      for (const { process } of masters) assert.isNull(process.exitCode, "both at one time")
      for (const [i, master] of masters.entries()) {
        const { report, status } = yield* master.ended
        assert.strictEqual(status, 0, JSON.stringify(report))
        assert.strictEqual(Lab.rsyncSays(sources[i], `${lab.destination(i + 1)}/`), "")
      }
    })
  )
})
