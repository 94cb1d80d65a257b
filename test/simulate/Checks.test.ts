/** Every check sees what it is there for: each is broken here once, by hand. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Report } from "../../src/report/Report.ts"
import { Checks } from "../../src/simulate/Checks.ts"
import * as Simulation from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import { destination } from "../../src/store/Memory.ts"
import type { Wishes } from "../../src/simulate/Stood.ts"
import * as MemoryStore from "../../src/store/Memory.ts"
import type { Given } from "../../src/store/Memory.ts"
import { Volume } from "../../src/store/Volume.ts"
import * as Policy from "../../src/tree/Policy.ts"

const tree = [Tree.directory("d"), Tree.file("d/f", 1000), Tree.file("g", 10, 2), Tree.symlink("link", "g")]
const content = Tree.contents(tree)

const checking = (
  refused: ReadonlyArray<string> = [],
  now: () => number = () => 7,
  isAnybodyThere = () => true,
  wishes?: Wishes
) =>
  new Checks(
    {
      wishes,
      ...{ tree, refused: new Set(refused), excuse: () => undefined, masterLives: true },
      ...{ isAnybodyThere, aloneMillis: 1000 }
    },
    now
  )

/** A session that went well, to be tampered with afterwards. */
const session = (observer: Simulation.Observer = {}) => Simulation.run({ seed: 1, catchers: 1, tree, observer })

/** What the checks say when somebody does this to a catcher's disk after a session. */
const tampering = (tamper: (volume: Volume) => void) =>
  Effect.gen(function* () {
    const outcome = yield* session()
    const checks = checking()
    const [host] = outcome.hosts
    host.volume.observe = (change) => checks.changed(host, change)
    tamper(host.volume)
    return { checks, outcome, host }
  })

const saysOnly = (problems: ReadonlyArray<string>, ...words: ReadonlyArray<RegExp>) => {
  assert.strictEqual(problems.length, words.length, problems.join("\n"))
  words.forEach((word, i) => assert.match(problems[i], word))
}

describe("checks", () => {
  it.effect("say nothing of a session that goes well", () =>
    Effect.gen(function* () {
      const checks = checking()
      const observer: Simulation.Observer = {
        changed: checks.changed,
        network: checks.network,
        catcherReports: checks.catcherReports
      }
      const outcome = yield* session(observer)
      if (outcome.master?._tag === "Success") checks.masterReported(outcome.master.value, outcome.hosts)
      checks.ended(outcome)
      assert.deepStrictEqual(checks.problems, [])
    })
  )

  const cases: ReadonlyArray<readonly [what: string, tamper: (volume: Volume) => void, words: RegExp]> = [
    ["something outside of the destination", (volume) => volume.mkdir("elsewhere"), /mkdir outside .*elsewhere/],
    ["a way out through ..", (volume) => volume.mkdir(`${destination}/d/../../up`), /mkdir outside .*up/],
    [
      "a directory of nobody's",
      (volume) => volume.mkdir(`${destination}/more`),
      /mkdir of more, which is not in the tree/
    ],
    ["a file of nobody's", (volume) => volume.create(`${destination}/more`, 0), /create of more, which is no file/],
    [
      "a temporary file of nobody's",
      (volume) => volume.create(`${destination}/d/.more.mrsync-00000z`, 0),
      /create of d\/.more.mrsync-00000z, whose own name is not in the tree/
    ],
    [
      "that a file which is not of the tree goes away",
      (volume) => {
        const { observe } = volume
        volume.observe = undefined
        volume.create(`${destination}/own`, 0)
        volume.observe = observe
        volume.unlink(`${destination}/own`)
      },
      /own was removed/
    ],
    ["a file that goes away", (volume) => volume.unlink(`${destination}/g`), /g was removed/],
    [
      "one byte of a file that stands",
      (volume) => {
        const node = volume.find(`${destination}/d/f`)
        if (node?._tag === "File") volume.write(node, 999, Uint8Array.of(content.get("d/f")![999] ^ 1))
      },
      /write: d\/f does not have the source's content/
    ]
  ]
  for (const [what, tamper, words] of cases) {
    it.effect(`see ${what}`, () =>
      Effect.gen(function* () {
        const { checks } = yield* tampering(tamper)
        saysOnly(checks.problems, words)
      })
    )
  }

  /** What is said when somebody does this to an older version of the tree, before the session has done anything. */
  const withOlder = (
    policy: Partial<Policy.Policy>,
    tamper: (volume: Volume) => void,
    older: ReadonlyArray<Given> = [...tree, ...more]
  ) => {
    const wishes = { policy: { ...Policy.defaults, ...policy }, protects: true }
    const checks = checking([], undefined, undefined, wishes)
    const volume = new Volume()
    checks.standing((_, volume) => Tree.stand(volume, older))(0, volume)
    const host = { name: "c1", volume, replacements: 0, isMeddledWith: false, life: 1, attempts: 1 } as Simulation.Host
    host.memory = MemoryStore.make({ volume })
    volume.observe = (change) => checks.changed(host, change)
    tamper(volume)
    return checks.problems
  }
  const more = [Tree.file(Tree.extraneous, 5), Tree.file(`d/${Tree.kept}`, 5), Tree.file(Tree.spared, 5)]
  const unlink = (name: string) => (volume: Volume) => void volume.unlink(`${destination}/${name}`)
  const spared = [Buffer.from(Tree.spared)]

  const seen: ReadonlyArray<readonly [what: string, problems: ReadonlyArray<string>, ...words: ReadonlyArray<RegExp>]> =
    [
      ["nothing where the policy deletes it", withOlder({ deletes: true }, unlink(Tree.extraneous))],
      [
        "a deletion that nobody wants",
        withOlder({}, unlink(Tree.extraneous)),
        /unlink of extraneous, which has to stay: Extraneous/,
        /extraneous was removed/
      ],
      [
        "a deletion of what a rule protects",
        withOlder({ deletes: true }, unlink(`d/${Tree.kept}`)),
        /unlink of d\/kept, which has to stay: Extraneous/
      ],
      [
        "a deletion of what the source has and does not send",
        withOlder({ deletes: true, spared }, unlink(Tree.spared)),
        /unlink of spared, which has to stay: Extraneous/
      ],
      [
        "a deletion before all files are there",
        withOlder({ deletes: true }, unlink(Tree.extraneous), [tree[0], tree[1], tree[3], ...more]),
        /extraneous is deleted, and g is not there/
      ],
      [
        "a touch of what is right",
        withOlder({}, (volume) => volume.setMetadata(volume.find(`${destination}/g`)!, tree[2].entry)),
        /metadata of g, which has to stay: Right/
      ],
      [
        "a copy of what is right",
        withOlder({}, (volume) => volume.create(`${destination}/.g.mrsync-000000`, 10)),
        /create of g, which has to stay: Right/
      ],
      [
        "a change of what is kept",
        withOlder({ onlyExisting: true }, (volume) => volume.symlink(`${destination}/link`, "g"), tree.slice(0, 3)),
        /symlink of link, which has to stay: Kept/
      ]
    ]
  for (const [what, problems, ...words] of seen) it(`see ${what}`, () => saysOnly(problems, ...words))

  it.effect("see a file that is renamed before it is whole, that comes twice, and that is begun again", () =>
    Effect.gen(function* () {
      const { checks } = yield* tampering((volume) => {
        for (const size of [10, 9]) {
          const temporary = volume.temporaryName(`${destination}/g`)
          const file = volume.create(temporary, 10)
          if (file._tag === "Success") volume.write(file.success, 0, content.get("g")!.subarray(0, size))
          volume.rename(temporary, `${destination}/g`)
        }
      })
      saysOnly(checks.problems, /g is begun again/, /g is put in place twice/, /rename: g does not have the source's/)
    })
  )

  it.effect("see reports that claim too much", () =>
    Effect.gen(function* () {
      const { checks, host, outcome } = yield* tampering(() => {})
      if (outcome.master?._tag !== "Success") return assert.fail("the session failed")
      const report = outcome.master.value
      host.volume.observe = undefined
      host.volume.unlink(`${destination}/link`)
      host.volume.unlink(`${destination}/g`)
      checks.masterReported(report, outcome.hosts)
      saysOnly(
        checks.problems,
        /c1 is said to have 2 files, and has 1/,
        /complete: g is not there/,
        /complete: link is/
      )
      checks.catcherReports(host, report)
      assert.strictEqual(checks.problems.length, 5)
    })
  )

  it.effect("see a master that goes on without anybody", () =>
    Effect.gen(function* () {
      const { hosts, master } = yield* session()
      if (master?._tag !== "Success") return assert.fail("the session failed")
      let [nowMillis, isAnybodyThere] = [0, true]
      const checks = checking(
        [],
        () => nowMillis,
        () => isAnybodyThere
      )
      const bytes = new Uint8Array(24)
      const poll = { _tag: "Sent", name: "master", isCatcher: false, to: undefined, bytes, datagramBytes: 24 } as const
      nowMillis = 5000
      checks.network(poll)
      isAnybodyThere = false
      nowMillis = 5900
      checks.network(poll)
      checks.masterReported(master.value, hosts)
      saysOnly(checks.problems)
      nowMillis = 6100
      checks.masterReported(master.value, hosts)
      saysOnly(checks.problems, /went on without anybody for 1100 ms/)
    })
  )

  it.effect("see who is not complete without an excuse, and who leaves something behind", () =>
    Effect.gen(function* () {
      const { checks, host, outcome } = yield* tampering((volume) =>
        volume.create(`${destination}/.g.mrsync-00000z`, 1)
      )
      if (outcome.master?._tag !== "Success") return assert.fail("the session failed")
      checks.ended(outcome)
      saysOnly(checks.problems, /left behind: .g.mrsync-00000z/)
      const lost: Report = {
        ...outcome.master.value,
        catchers: [{ ...outcome.master.value.catchers[0], state: "Lost", failures: [{ path: "", reason: "silent" }] }]
      }
      const again = checking()
      again.ended({ ...outcome, hosts: [host], master: Exit.succeed(lost) })
      assert.isTrue(again.problems.some((problem) => /nothing has hit it, and for the master it is Lost/.test(problem)))
      const stuck = checking()
      stuck.ended({ ...outcome, isStuck: true })
      saysOnly(stuck.problems, /it does not end/)
    })
  )

  it("see datagrams beyond their limits, and a catcher that speaks to the group", () => {
    const checks = checking()
    const sent = { _tag: "Sent", name: "x", isCatcher: false, to: undefined } as const
    const of = (type: number, length: number) => {
      const bytes = new Uint8Array(length)
      bytes[3] = type
      return { bytes, datagramBytes: length }
    }
    checks.network({ ...sent, ...of(8, 65_507) })
    checks.network({ ...sent, ...of(11, 1200) })
    assert.deepStrictEqual(checks.problems, [])
    checks.network({ ...sent, ...of(8, 65_508) })
    checks.network({ ...sent, ...of(11, 1201) })
    checks.network({ ...sent, ...of(13, 40), isCatcher: true })
    saysOnly(checks.problems, /65508 bytes/, /type 11 has 1201/, /speaks to the group/)
  })
})
