/** What goes wrong on real hosts, and that nobody else loses anything by it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { join } from "node:path"
import { isAll } from "../seldom.ts"
import * as Lab from "./Lab.ts"
import * as Trees from "./Trees.ts"

const stateOf = (report: any, id: string): string => report.catchers.find((catcher: any) => catcher.id === id).state
const isWhole = (lab: Lab.Lab, source: string, catcher: number, ...options: ReadonlyArray<string>) => {
  assert.strictEqual(Lab.rsyncSays(source, `${lab.destination(catcher)}/`, ...options), "")
  assert.deepStrictEqual(Lab.litter(lab.destination(catcher)), [])
}
/** Slow enough that a test can interfere: two seconds for the tree below. */
const slowly = ["--bwlimit", "10MB"]
const tree = (lab: Lab.Lab, largeBytes = 7_000_000) => {
  const source = join(lab.folder, "source")
  mkdirSync(source)
  for (let i = 0; i < 3; i++) Trees.random(join(source, `large ${i}`), largeBytes)
  for (let i = 0; i < 50; i++) Trees.random(join(source, `small ${i}`), 20_000)
  return source
}
const test = (name: string, count: number, body: (lab: Lab.Lab) => Effect.Effect<void>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(Lab.make(count), body)))

describe.skipIf(Lab.unavailable !== undefined)("faults on real hosts", () => {
  test("a catcher is killed: it is Lost, the others complete, 23", 3, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab)
      const catchers = yield* lab.catchers(3)
      const master = lab.mrsync("m", "send", "--json", "--catchers", "3", "--timeout", "2", ...slowly, source)
      yield* master.says("Tick")
      yield* Effect.sleep(1000)
      yield* catchers[1].kill("SIGKILL")
      const { report, status } = yield* master.ended
      assert.strictEqual(status, 23)
      assert.deepStrictEqual(
        ["c1", "c2", "c3"].map((id) => stateOf(report, id)),
        ["Complete", "Lost", "Complete"]
      )
      for (const i of [1, 3]) {
        assert.strictEqual((yield* catchers[i - 1].ended).status, 0)
        isWhole(lab, source, i)
      }
    })
  )

  test("a killed catcher that is started again under its name is one catcher, and complete", 2, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab)
      const catchers = yield* lab.catchers(2)
      const master = lab.mrsync("m", "send", "--json", "--catchers", "2", "--timeout", "2", ...slowly, source)
      yield* master.says("Tick")
      yield* Effect.sleep(500)
      yield* catchers[1].kill("SIGKILL")
      yield* catchers[1].ended
      const again = lab.mrsync("c2", "catch", "--json", "--id", "c2", lab.destination(2))
      const { report, status } = yield* master.ended
      assert.strictEqual(status, 0, JSON.stringify(report))
      assert.deepStrictEqual(report.catchers.map((one: any) => [one.id, one.state]).sort(), [
        ["c1", "Complete"],
        ["c2", "Complete"]
      ])
      assert.strictEqual((yield* again.ended).status, 0)
      // also what it left when it was killed is gone
      for (const i of [1, 2]) isWhole(lab, source, i)
    })
  )

  test(
    "a catcher's disk has no room for the tree: it says so once, before anything is there; the others complete",
    3,
    (lab) =>
      Effect.gen(function* () {
        const source = tree(lab)
        lab.mount(2, "16m")
        lab.mount(3, "64m,nr_inodes=20")
        const catchers = yield* lab.catchers(3)
        const { report, status } = yield* lab.mrsync("m", "send", "--json", "--catchers", "3", source).ended
        assert.strictEqual(status, 23)
        assert.strictEqual(stateOf(report, "c1"), "Complete")
        isWhole(lab, source, 1)
        for (const [id, words] of [
          ["c2", /needs 2\d{7}, has 16777216 \(bytes\)/],
          ["c3", /needs 54, has 19 \(inodes\)/]
        ] as const) {
          const { failures, files, state } = report.catchers.find((catcher: any) => catcher.id === id)
          assert.deepStrictEqual([state, files, failures.length], ["Partial", 0, 1])
          assert.match(failures[0].reason, words)
          const own = yield* catchers[Number(id[1]) - 1].ended
          assert.deepStrictEqual([own.status, own.report.catchers[0].failures.length], [23, 1])
          assert.match(own.report.catchers[0].failures[0].reason, words)
          assert.deepStrictEqual(readdirSync(lab.destination(Number(id[1]))), [])
        }
      })
  )

  test("a catcher's disk becomes full: it says why, the others complete, 23", 2, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab, 10_000_000)
      lab.mount(2, "64m")
      const catchers = yield* lab.catchers(2)
      const master = lab.mrsync("m", "send", "--json", "--catchers", "2", "--bwlimit", "20MB", source)
      yield* master.sees((event) => event._tag === "Tick" && event.bytes > 0)
      Trees.random(join(lab.destination(2), "ballast"), 64 * 1024 * 1024 - 18_000_000)
      const { report, status } = yield* master.ended
      assert.strictEqual(status, 23)
      assert.strictEqual(stateOf(report, "c1"), "Complete")
      const second = report.catchers.find((catcher: any) => catcher.id === "c2")
      assert.strictEqual(second.state, "Partial")
      assert.isAbove(second.failures.length, 0)
      for (const failure of second.failures) assert.include(failure.reason, "ENOSPC")
      assert.isAbove(second.files, 0, "it goes on with what fits")
      isWhole(lab, source, 1)
      const ended = yield* catchers[1].ended
      assert.strictEqual(ended.status, 23)
      assert.deepStrictEqual(Lab.litter(lab.destination(2)), [])
    })
  )

  test("who has every file has the tree, whatever becomes of a straggler: SIGINT to the master", 3, (lab) =>
    Effect.gen(function* () {
      const source = join(lab.folder, "source")
      mkdirSync(join(source, "below"), { recursive: true })
      for (let i = 0; i < 4; i++) Trees.random(join(source, "below", `large ${i}`), 5_000_000)
      utimesSync(join(source, "below"), 1_000_000_000, 1_000_000_000)
      lab.lab("narrow", "c3", "10mbit")
      const catchers = yield* lab.catchers(3)
      const master = lab.mrsync("m", "send", "--json", "--catchers", "3", source)
      yield* master.sees(
        ({ _tag, catchers }) =>
          _tag === "Tick" && ["c1", "c2"].every((id) => catchers.find((one: any) => one.id === id).state === "Complete")
      )
      yield* master.kill("SIGINT")
      const { report } = yield* master.ended
      assert.deepStrictEqual(
        ["c1", "c2", "c3"].map((id) => stateOf(report, id)),
        ["Complete", "Complete", "Partial"]
      )
      const ended = yield* Effect.forEach(catchers, ({ ended }) => ended)
      assert.deepStrictEqual(
        ended.map(({ status }) => status),
        [0, 0, 20]
      )
      for (const i of [1, 2]) isWhole(lab, source, i)
      assert.deepStrictEqual(Lab.litter(lab.destination(3)), [])
    })
  )

  test("SIGINT to the master: everyone stops with a message, no litter", 2, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab)
      const catchers = yield* lab.catchers(2)
      const master = lab.mrsync("m", "send", "--json", "--catchers", "2", ...slowly, source)
      yield* master.says("Tick")
      yield* Effect.sleep(500)
      yield* master.kill("SIGINT")
      const ended = yield* master.ended
      assert.strictEqual(ended.status, 20)
      assert.strictEqual(ended.report._tag, "Report")
      for (const catcher of catchers) {
        const { err, report, status } = yield* catcher.ended
        assert.strictEqual(status, 20)
        assert.include(err, "interrupted")
        assert.strictEqual(report._tag, "Report")
      }
      for (const i of [1, 2]) assert.deepStrictEqual(Lab.litter(lab.destination(i)), [])
    })
  )

  test("SIGINT to a catcher: no litter, the other completes", 2, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab)
      const catchers = yield* lab.catchers(2)
      const master = lab.mrsync("m", "send", "--json", "--catchers", "2", "--timeout", "60", ...slowly, source)
      yield* master.says("Tick")
      yield* Effect.sleep(500)
      yield* catchers[0].kill("SIGINT")
      assert.strictEqual((yield* catchers[0].ended).status, 20)
      assert.deepStrictEqual(Lab.litter(lab.destination(1)), [])
      // [J-8] it said that it leaves, so nobody waits a minute for it
      const { report, status } = yield* master.ended
      assert.strictEqual(status, 23)
      assert.include(report.catchers.find((one: any) => one.id === "c1").failures[0].reason, "stopped")
      assert.isBelow(report.seconds, 30)
      isWhole(lab, source, 2)
    })
  )

  test("the master is killed: catchers say so after --timeout, no litter, 30", 2, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab)
      const catchers = yield* lab.catchers(2, "--timeout", "2")
      const master = lab.mrsync("m", "send", "--json", "--catchers", "2", ...slowly, source)
      yield* master.says("Tick")
      yield* Effect.sleep(500)
      yield* master.kill("SIGKILL")
      for (const catcher of catchers) {
        const { err, status } = yield* catcher.ended
        assert.strictEqual(status, 30)
        assert.include(err, "silent for 2 s")
      }
      for (const i of [1, 2]) assert.deepStrictEqual(Lab.litter(lab.destination(i)), [])
    })
  )

  test("a stopped catcher slows nobody for long, and completes when it goes on", 2, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab)
      const catchers = yield* lab.catchers(2)
      const master = lab.mrsync("m", "send", "--json", "--catchers", "2", ...slowly, source)
      yield* master.says("Tick")
      yield* Effect.sleep(500)
      yield* catchers[0].kill("SIGSTOP")
      yield* Effect.sleep(2000)
      yield* catchers[0].kill("SIGCONT")
      const { report, status } = yield* master.ended
      assert.strictEqual(status, 0, JSON.stringify(report))
      for (const i of [1, 2]) isWhole(lab, source, i)
    })
  )

  const [noise, bandwidth] = isAll ? [50_000, "1.8MB"] : [15_000, "4MB"]
  test(`${2 * noise} random and mutated datagrams on the group and the master's port harm nothing`, 2, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab)
      const catchers = yield* lab.catchers(2)
      const master = lab.mrsync("m", "send", "--json", "--catchers", "2", "--bwlimit", bandwidth, source)
      yield* master.says("Started")
      const maker = new URL("./noise.mjs", import.meta.url).pathname
      // from the master's own host and from a catcher's, to the group and to every port of the master that answers go to
      const noises = ["m", "c1"].map((host, i) =>
        lab.exec(host, process.execPath, maker, String(i + 1), String(noise), "10.77.0.1")
      )
      for (const one of noises) {
        const { err, out, status } = yield* one.ended
        assert.strictEqual(status, 0, err)
        assert.include(out, `sent ${noise}`)
      }
      assert.isNull(master.process.exitCode, "the noise has to fall into the session")
      const { report, status } = yield* master.ended
      assert.strictEqual(status, 0, JSON.stringify(report))
      for (const catcher of catchers) assert.strictEqual((yield* catcher.ended).status, 0)
      for (const i of [1, 2]) isWhole(lab, source, i)
    })
  )

  test("a second master waits for the group as long as it may, the first goes on", 2, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab)
      yield* lab.catchers(1)
      const first = lab.mrsync("m", "send", "--json", ...slowly, source)
      yield* first.says("Tick")
      const second = yield* lab.mrsync("c2", "send", "--json", "--wait", "1", source).ended
      assert.strictEqual(second.status, 12)
      assert.include(second.err, "10.77.0.1")
      assert.strictEqual((yield* first.ended).status, 0)
      isWhole(lab, source, 1)
    })
  )

  test(
    "nobody joins: 30; too few join: 30, with --at-least those present are served; others than --hosts are refused",
    2,
    (lab) =>
      Effect.gen(function* () {
        const source = Trees.random(join(lab.folder, "source"), 1000)
        const nobody = yield* lab.mrsync("m", "send", "--json", "--wait", "1", source).ended
        assert.strictEqual(nobody.status, 30)
        assert.include(nobody.err, "0 of 1")
        assert.strictEqual(nobody.report._tag, "Error")
        const unheard = yield* lab.mrsync("c1", "catch", "--json", "--wait", "1", lab.destination(1)).ended
        assert.strictEqual(unheard.status, 30)
        const [first] = yield* lab.catchers(1)
        const few = yield* lab.mrsync("m", "send", "--json", "--wait", "1", "--hosts", "c1,c7", source).ended
        assert.strictEqual(few.status, 30)
        assert.include(few.err, "c7")
        // its wait is not over, and another master comes
        yield* first.says("too few catchers")
        const partial = yield* lab.mrsync(
          "m",
          "send",
          "--json",
          "--wait",
          "1",
          "--catchers",
          "2",
          "--at-least",
          "1",
          source
        ).ended
        assert.strictEqual(partial.status, 0, partial.err)
        isWhole(lab, source, 1)
        const stranger = lab.mrsync("c2", "catch", "--id", "stranger", lab.destination(2))
        yield* stranger.says("waiting")
        const listed = lab.mrsync("m", "send", "--json", "--wait", "2", "--hosts", "c1", source)
        const refused = yield* stranger.ended
        assert.strictEqual(refused.status, 12)
        assert.include(refused.err, "list of hosts")
        yield* listed.ended
      })
  )

  test("nothing is written outside DEST, and the rest arrives", 1, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab)
      mkdirSync(join(source, "sub"))
      writeFileSync(join(source, "sub", "inner"), "secret")
      const outside = join(lab.folder, "outside")
      mkdirSync(outside)
      mkdirSync(join(lab.destination(1), "source"), { recursive: true })
      // planted after the catcher's start would do as well: every step refuses to pass a link
      symlinkSync(outside, join(lab.destination(1), "source", "sub"))
      yield* lab.catchers(1)
      const { report, status } = yield* lab.mrsync("m", "send", "--json", source).ended
      assert.deepStrictEqual(readdirSync(outside), [])
      assert.strictEqual(status, 23)
      const { failures, files } = report.catchers[0]
      assert.deepStrictEqual(
        failures.map((failure: any) => [failure.path, failure.reason.split(":")[0]]),
        [
          ["source/sub", "DestinationEscape"],
          ["source/sub/inner", "DestinationEscape"]
        ]
      )
      assert.strictEqual(files, 53)
    })
  )

  test("files that change before or while they are sent arrive as they are [M-6] [M-8]", 2, (lab) =>
    Effect.gen(function* () {
      const source = tree(lab)
      for (let i = 3; i < 5; i++) Trees.random(join(source, `large ${i}`), 1_000_000)
      const at = (name: string) => join(source, name)
      const contentOf = (i: number, name: string) => readFileSync(join(lab.destination(i), "source", name))
      lab.lab("loss", "3")
      yield* lab.catchers(1)
      const master = lab.mrsync("m", "send", "--json", "--catchers", "2", ...slowly, source)
      // before they are sent
      yield* master.sees((event) => event._tag === "Joined")
      yield* Effect.sleep(300)
      truncateSync(at("small 7"), 100)
      rmSync(at("large 4"))
      mkdirSync(lab.destination(2))
      const second = lab.mrsync("c2", "catch", "--json", "--id", "c2", lab.destination(2))
      yield* master.sees((event) => event._tag === "Tick" && event.bytes > 0)
      // and while they are: in their midst, longer than they were, another file in their place
      const file = openSync(at("large 0"), "r+")
      writeSync(file, "changed", 6_990_000)
      writeSync(file, "changed", 0)
      closeSync(file)
      const appended = readFileSync(at("large 1"))
      appendFileSync(at("large 1"), "longer")
      renameSync(Trees.random(at("new"), 7_000_000), at("large 2"))
      const { report, status } = yield* master.ended
      assert.strictEqual(status, 0, JSON.stringify(report))
      assert.deepStrictEqual(report.failures, [])
      assert.strictEqual((yield* second.ended).status, 0)
      for (const i of [1, 2]) {
        // [P-8] appended to before its first page was read it is another file, after that it is the one that was opened
        const first = contentOf(i, "large 1")
        assert.isTrue(first.equals(appended) || first.equals(readFileSync(at("large 1"))), "as it was at one moment")
        assert.isTrue(contentOf(i, "large 2").equals(readFileSync(at("large 2"))), "as it is since")
        assert.isFalse(existsSync(join(lab.destination(i), "source", "large 4")))
        isWhole(lab, source, i, "--exclude", "large 1", "--exclude", "large 2", "--omit-dir-times")
      }
    })
  )

  test(
    "a file that never holds still arrives as it was at one moment, in few more pages, with a note and 24 [P-8]",
    2,
    (lab) =>
      Effect.gen(function* () {
        const source = join(lab.folder, "source")
        mkdirSync(source)
        const path = Trees.random(join(source, "large 0"), 6_000_000)
        Trees.random(join(source, "small"), 20_000)
        lab.lab("loss", "3")
        const catchers = yield* lab.catchers(2)
        // as through mmap: content without time
        const { atime, mtime } = statSync(path)
        const content = readFileSync(path)
        const moments = [createHash("sha256").update(content).digest("hex")]
        const write = (nth: number) => {
          const position = (nth * 1_234_577) % content.length
          content[position] ^= 0xff
          const fd = openSync(path, "r+")
          writeSync(fd, content, position, 1, position)
          closeSync(fd)
          utimesSync(path, atime, mtime)
          moments.push(createHash("sha256").update(content).digest("hex"))
        }
        let nth = 0
        const writing = setInterval(() => write(nth++), 100)
        const master = lab.mrsync("m", "send", "--json", "--catchers", "2", ...slowly, source)
        const stopping = Effect.sync(() => clearInterval(writing))
        const { events, report, status } = yield* Effect.ensuring(master.ended, stopping)
        assert.strictEqual(status, 24, JSON.stringify(report))
        assert.deepStrictEqual(
          report.failures.map((failure: any) => `${failure.path} ${failure.kind}`),
          ["source/large 0 Changed"]
        )
        assert.isTrue(events.some((event) => event._tag === "Note" && event.message.includes("at one moment")))
        assert.isBelow(report.pages.sent, 2.5 * report.pages.needed)
        for (const [i, catcher] of catchers.entries()) {
          assert.strictEqual((yield* catcher.ended).status, 0)
          const arrived = readFileSync(join(lab.destination(i + 1), "source", "large 0"))
          assert.include(moments, createHash("sha256").update(arrived).digest("hex"), "it is as it never was")
          isWhole(lab, source, i + 1, "--exclude", "large 0")
        }
      })
  )

  test("a log to which a program writes all the time arrives as it was at one moment [P-8]", 2, (lab) =>
    Effect.gen(function* () {
      const source = join(lab.folder, "source")
      mkdirSync(source)
      const path = Trees.random(join(source, "log"), 6_000_000)
      lab.lab("loss", "3")
      const catchers = yield* lab.catchers(2)
      let nth = 0
      const writing = setInterval(() => appendFileSync(path, `line ${nth++}\n`), 5)
      const master = lab.mrsync("m", "send", "--json", "--catchers", "2", ...slowly, source)
      const stopping = Effect.sync(() => clearInterval(writing))
      const { events, report, status } = yield* Effect.ensuring(master.ended, stopping)
      assert.strictEqual(status, 0, JSON.stringify(report))
      assert.isTrue(events.some(({ _tag, message }) => _tag === "Note" && /log.*(?:grew|once more)/.test(message)))
      const log = readFileSync(path)
      for (const [i, catcher] of catchers.entries()) {
        assert.strictEqual((yield* catcher.ended).status, 0)
        const arrived = readFileSync(join(lab.destination(i + 1), "source", "log"))
        assert.isAtLeast(arrived.length, 6_000_000)
        assert.isTrue(arrived.equals(log.subarray(0, arrived.length)), "it is no beginning of the log")
        assert.isBelow(arrived.length, log.length)
      }
    })
  )

  test("--serve stays for session after session", 1, (lab) =>
    Effect.gen(function* () {
      const source = Trees.awkward(join(lab.folder, "source"))
      const [serving] = yield* lab.catchers(1, "--serve")
      for (let i = 0; i < 2; i++) {
        const { report, status } = yield* lab.mrsync("m", "send", "--json", source).ended
        assert.strictEqual(status, 0, JSON.stringify(report))
        isWhole(lab, source, 1)
      }
      // what stops a service has interrupted nothing then
      yield* serving.kill("SIGTERM")
      const { err, status } = yield* serving.ended
      assert.deepStrictEqual({ err, status }, { err: "", status: 0 })
    })
  )
})
