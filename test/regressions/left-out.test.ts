/**
 * [M-7] [L-3] What the master left out while it scanned was unknown to the catchers, which ended with 0 beside its 23; of a file that
 * it could not read they said "could not read it", whatever the reason was; and its own summary called them complete.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Skipped } from "../../src/source/Source.ts"
import type * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { type Ended, mrsync } from "../cli/Rig.ts"
import { inTime } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"

const at = (path: string) => ({ path: `/src/${path}`, at: new TextEncoder().encode(path) })
const secret: Skipped = { ...at("secret"), kind: "Unreadable", reason: "permission denied (EACCES)" }
const gone: Skipped = { ...at("gone"), kind: "Vanished", reason: "no such file or directory (ENOENT)" }
const devices: ReadonlyArray<Skipped> = [
  { ...at("null"), kind: "Special", reason: "a device is not sent" },
  { ...at("socket"), kind: "Special", reason: "a socket is not sent" },
  { ...at("again"), kind: "Special", isDouble: true, reason: "an earlier source has an entry here already" }
]
const tree = [Simulation.directory(""), Simulation.file("small", 1000), Simulation.file("large", 700_000)]
const faulty = (name: string, bytes: number, fault: string): Memory.Given => ({
  ...Simulation.file(name, bytes),
  fault
})

/** The master and one catcher, each as it ended. */
const session = Effect.fnUntraced(function* (
  source: { readonly tree: ReadonlyArray<Memory.Given>; readonly skipped?: ReadonlyArray<Skipped> },
  ...args: ReadonlyArray<string>
) {
  const network = yield* Simulated.make({ seed: 1 })
  const [master, catcher] = yield* inTime(
    Effect.all([mrsync({ network, ...source }, "send", ...args, "x"), mrsync({ network }, "catch", ...args, "x")], {
      concurrency: 2
    })
  )
  return { master, catcher }
})

const told = (failures: ReadonlyArray<any>) =>
  failures.map(({ kind, path, reason }) => `${path}: ${reason}${kind === undefined ? "" : `, ${kind}`}`).sort()

/** Both sides say the same of the same entries, and end with the same status. */
const agree = ({ catcher, master }: { readonly master: Ended; readonly catcher: Ended }, status: number) => {
  assert.deepStrictEqual([master.status, catcher.status], [status, status])
  const [own] = catcher.last.catchers
  assert.deepStrictEqual(told(own.failures), told(master.last.failures))
  assert.strictEqual(own.state, master.last.failures.length === 0 ? "Complete" : "Partial")
  assert.strictEqual(catcher.last.skipped, master.last.skipped)
  assert.strictEqual(catcher.last.pages.needed, master.last.pages.needed)
  return told(own.failures)
}

describe("what the master leaves out is the same on both sides", () => {
  it.effect("a directory that it may not list: 23", () =>
    Effect.gen(function* () {
      const failures = agree(yield* session({ tree, skipped: [secret, ...devices] }, "--json"), 23)
      assert.deepStrictEqual(failures, ["secret: permission denied (EACCES), Unreadable"])
    })
  )

  it.effect("what vanished: 24; with something else 23", () =>
    Effect.gen(function* () {
      agree(yield* session({ tree, skipped: [gone] }, "--json"), 24)
      agree(yield* session({ tree, skipped: [gone, secret] }, "--json"), 23)
    })
  )

  it.effect("sockets, devices, whiteouts: counted, and no failure", () =>
    Effect.gen(function* () {
      const ended = yield* session({ tree, skipped: devices }, "--json")
      agree(ended, 0)
      assert.deepStrictEqual([ended.master.last.skipped, ended.catcher.last.skipped], [2, 2])
    })
  )

  it.effect("thousands: the first by name, the rest by number", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 6000 }, (_, i): Skipped => ({ ...secret, ...at(`d${i}`) }))
      const { catcher, master } = yield* session({ tree, skipped: many }, "--json")
      assert.deepStrictEqual([master.status, catcher.status], [23, 23])
      assert.strictEqual(master.last.failures.length, 6000)
      const [{ failures }] = catcher.last.catchers
      assert.strictEqual(failures.length, 4097)
      assert.deepStrictEqual(failures[4096], { path: "", reason: "the master could not read 1904 more" })
    })
  )

  it.effect("files that it cannot read, alone and in bundles: the system's reason", () =>
    Effect.gen(function* () {
      const reasons = { EACCES: "permission denied", EIO: "i/o error", ESTALE: "stale file handle" }
      const faults = Object.entries(reasons).flatMap(([code]) => [
        faulty(`small ${code}`, 1, code),
        faulty(`large ${code}`, 600_000, code)
      ])
      const failures = agree(yield* session({ tree: [...tree, ...faults] }, "--json"), 23)
      const expected = Object.entries(reasons).flatMap(([code, words]) =>
        ["small", "large"].map((size) => `${size} ${code}: ${words} (${code}), Unreadable`)
      )
      assert.deepStrictEqual(failures, expected.sort())
    })
  )

  for (const [what, fault, status] of [
    ["files that change", "changed", 24],
    ["files that it cannot read", "EIO", 23]
  ] as const) {
    it.effect(`${what}, and hard links to them, each for its leader's reason: ${status}`, () =>
      Effect.gen(function* () {
        const leaders = [faulty("a", 10, fault), faulty("b", 600_000, fault)]
        const links = leaders.flatMap((_, i) => [
          Simulation.hardLink(`${i} link`, tree.length + i),
          Simulation.hardLink(`${i} and another`, tree.length + i)
        ])
        const whole = Simulation.hardLink("link to what is sent", 1)
        const { catcher, master } = yield* session({ tree: [...tree, ...leaders, ...links, whole] }, "--json")
        const failures = agree({ catcher, master }, status)
        const paths = [...leaders, ...links].map(({ entry }) => new TextDecoder().decode(entry.path))
        const [said] = told(master.last.failures.filter(({ path }: any) => path === "a"))
        assert.deepStrictEqual(failures, paths.map((path) => said.replace(/^a/, path)).sort())
        // all that could be sent is three files, and that is there
        const [seen] = master.last.catchers
        assert.deepStrictEqual([seen.state, seen.failures, seen.files, master.last.files], ["Complete", [], 3, 3])
        assert.strictEqual(catcher.last.catchers[0].files, 3)
      })
    )
  }

  it.effect("a catcher that comes after a file was given up learns the reason", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const large = [faulty("bad", 600_000, "EIO"), Simulation.file("large", 4_000_000)]
      const late = Effect.andThen(Effect.sleep(1500), mrsync({ network, name: "b" }, "catch", "--json", "x"))
      const all = [
        mrsync({ network, tree: large }, "send", "--json", "--bwlimit", "1MB", "x"),
        mrsync({ network, name: "a" }, "catch", "--json", "x"),
        late
      ]
      const [master, , second] = yield* inTime(Effect.all(all, { concurrency: 3 }))
      assert.strictEqual(master.last.catchers.length, 2)
      assert.deepStrictEqual(told(second.last.catchers[0].failures), ["bad: i/o error (EIO), Unreadable"])
      assert.strictEqual(second.status, 23)
    })
  )
})

describe("what is said of it", () => {
  it.effect("nobody is called complete, and nothing is a part of no files", () =>
    Effect.gen(function* () {
      const { catcher, master } = yield* session({ tree: [faulty("a", 600_000, "EACCES"), faulty("b", 5, "EACCES")] })
      assert.deepStrictEqual([master.status, catcher.status], [23, 23])
      const said = master.out.join("\n")
      assert.notMatch(said, /complete|of 0 files|% of/)
      assert.include(said, "sent nothing")
      assert.include(said, "1 catcher: 1 has all that could be sent")
      assert.match(master.err.join("\n"), /2 entries could not be sent, the first: .*permission denied \(EACCES\)$/)
      assert.match(
        catcher.err.join("\n"),
        /2 entries of the tree are not as at the source, the first: .*permission denied \(EACCES\)$/
      )
    })
  )

  it.effect("with -q: a few lines, and how many there are, on both sides", () =>
    Effect.gen(function* () {
      const faults = Array.from({ length: 200 }, (_, i) => faulty(`f${i}`, 10, "EACCES"))
      const many = Array.from({ length: 200 }, (_, i): Skipped => ({ ...secret, ...at(`d${i}`) }))
      const { catcher, master } = yield* session({ tree: [...tree, ...faults], skipped: many }, "-q")
      for (const { err, out } of [catcher, master]) {
        assert.deepStrictEqual(out, [])
        assert.isBelow(err.length, 6)
        assert.include(err.at(-1), "400 entries")
      }
    })
  )
})
