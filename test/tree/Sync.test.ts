/** What is compared, lacked and selected. */
import { union } from "../../src/protocol/Runs.ts"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Compare from "../../src/tree/Compare.ts"
import type { Entry } from "../../src/tree/Entry.ts"
import * as Extraneous from "../../src/tree/Extraneous.ts"
import * as Hashes from "../../src/tree/Hashes.ts"
import * as Lacks from "../../src/tree/Lacks.ts"
import * as Manifest from "../../src/tree/Manifest.ts"
import * as Policy from "../../src/tree/Policy.ts"
import { bytes, device, dir, fifo, file, hardLink, socket, symlink } from "../store/Sandbox.ts"

const { change } = Compare

const found = (
  entry: Exclude<Entry, { readonly _tag: "HardLink" }>,
  other: Partial<Compare.Found> = {}
): Compare.Found => ({
  _tag: entry._tag,
  metadata: entry.metadata,
  size: entry._tag === "File" ? entry.size : 0,
  ...(entry._tag === "Symlink" ? { target: entry.target } : {}),
  ...("device" in entry ? { device: entry.device } : {}),
  ...other
})

const at = (entry: Exclude<Entry, { readonly _tag: "HardLink" }>, seconds: number, nanos = 123_456_789) =>
  found(entry, { metadata: { ...entry.metadata, mtimeSeconds: 1_600_000_000 + seconds, mtimeNanos: nanos } })

describe("files that are one file at a catcher [Y-2]", () => {
  const { Content, Doubt, Kept, Mode, Time } = change
  it.for<[string, ReadonlyArray<number>, ReadonlyArray<number>]>([
    ["one is described", [Mode, Mode, Mode], [Mode, Mode | Content, Mode | Content]],
    ["none where another is right", [0, Mode], [0, Mode | Content]],
    ["nor where another is kept", [Mode, Kept], [Mode | Content, Kept]],
    ["nor where another may be right", [Mode, Doubt], [Mode | Content, Doubt]],
    ["what only its content can tell of is no change yet", [Doubt, Doubt], [Doubt, Doubt]],
    ["one is described, if its content is right", [Doubt | Time, Doubt | Time], [Doubt | Time, Content | Time]],
    ["what comes anew takes part in nothing", [Content, Mode], [Content, Mode]],
    ["what is right stays", [0, 0], [0, 0]]
  ])("%s", ([, words, expected]) => {
    const sharers = new Compare.Sharers<string>()
    // and one that shares with none
    const all = Uint16Array.from([Mode, ...words])
    sharers.add("other", 0)
    words.forEach((_, i) => sharers.add("file", i + 1))
    sharers.part(all)
    assert.deepStrictEqual([...all], [Mode, ...expected])
  })
})

describe("what is compared [Y-2]", () => {
  const f = file("f", 5)
  const changes = (
    entry: Exclude<Entry, { readonly _tag: "HardLink" }>,
    stands: Compare.Found | undefined,
    policy: Partial<Policy.Policy> = {},
    givesAway = true
  ) => Compare.changesOf(entry, stands, { ...Policy.defaults, ...policy }, givesAway)

  it("nothing of what is right", () => {
    for (const entry of [f, dir("d"), fifo("p"), symlink("l", "f")] as const)
      assert.strictEqual(changes(entry, found(entry)), 0)
  })
  it.for<[string, number, number]>([
    ["a size", change.Content | change.Size, changes(f, found(f, { size: 6 }))],
    ["a time: its content tells", change.Doubt | change.Time, changes(f, at(f, 1))],
    ["nanoseconds are no other time", 0, changes(f, at(f, 0, 5))],
    ["but where they count", change.Doubt | change.Time, changes(f, at(f, 0, 5), { windowSeconds: -1 })],
    ["a time within the window", 0, changes(f, at(f, 2), { windowSeconds: 2 })],
    ["a time, where sizes count alone", change.Time, changes(f, at(f, 9), { compare: "Size" })],
    ["contents count, whatever the time", change.Doubt, changes(f, found(f), { compare: "Content" })],
    ["contents count, and a time", change.Doubt | change.Time, changes(f, at(f, 9), { compare: "Content" })],
    ["a time of an empty file", change.Time, changes(file("f", 0), at(file("f", 0), 9))],
    ["nothing is believed", change.Content, changes(f, found(f), { compare: "Nothing" })],
    ["newer there, and kept", change.Kept, changes(f, at(f, 9), { keepsNewer: true })],
    ["older there", change.Doubt | change.Time, changes(f, at(f, -9), { keepsNewer: true })],
    ["nothing there", change.Content | change.New, changes(f, undefined)],
    ["nothing there, and nothing is made", change.Kept, changes(f, undefined, { onlyExisting: true })],
    ["another type", change.Content | change.Kind, changes(f, found(fifo("f")))],
    ["what is there stays", change.Kept, changes(f, at(f, 9), { keepsExisting: true })],
    [
      "a directory gets its metadata all the same",
      change.Time,
      changes(dir("d"), at(dir("d"), 9), { keepsExisting: true })
    ],
    ["a mode", change.Mode, changes(f, found(file("f", 5, { mode: 0o600 })))],
    ["a link's mode is none", 0, changes(symlink("l", "f"), found(symlink("l", "f", { mode: 0o600 })))],
    ["a target", change.Content, changes(symlink("l", "f"), found(symlink("l", "g")))],
    ["owner and group", change.Owner | change.Group, changes(f, found(file("f", 5, { uid: 77, gid: 78 })))],
    ["a mode that is not carried", 0, changes(f, found(file("f", 5, { mode: 0o600 })), { leavesMode: true })],
    [
      "only who may execute it is carried",
      change.Mode,
      changes(f, found(file("f", 5, { mode: 0o755 })), { leavesMode: true, carriesExecutability: true })
    ],
    ["a time that is not carried: its content tells", change.Doubt, changes(f, at(f, 1), { leavesTimes: true })],
    ["and directories not", 0, changes(dir("d"), at(dir("d"), 1), { leavesTimes: true })],
    [
      "a link's time that is not carried",
      0,
      changes(symlink("l", "f"), at(symlink("l", "f"), 1), { leavesLinkTimes: true })
    ],
    ["a group alone", change.Group, changes(f, found(file("f", 5, { uid: 77, gid: 78 })), { leavesOwner: true })],
    ["a device's number", change.Content, changes(device("c", 1), found(device("c", 2)))],
    ["a device where there is none", change.Content | change.New, changes(device("c", 1), undefined)],
    ["a device, where only root could make it", change.Kept, changes(device("c", 1), undefined, {}, false)],
    ["a device that is there, whoever looks", 0, changes(device("c", 1), found(device("c", 1)), {}, false)],
    ["a socket in a FIFO's place", change.Content, changes(fifo("p"), found(socket("p")))],
    ["owners, where they cannot be set", 0, changes(f, found(file("f", 5, { uid: 77, gid: 78 })), {}, false)]
  ])("%s", ([, expected, actual]) => assert.strictEqual(actual, expected))

  it("a hard link is right when it is its leader's file", () => {
    const of = (
      found: Compare.Found | undefined,
      isLeaders: boolean,
      policy: Partial<Policy.Policy> = {},
      [leaders]: readonly [Compare.Found | undefined] = [found]
    ) => Compare.linkChangesOf({ found, leaders, isLeaders }, { ...Policy.defaults, ...policy }, f, true)
    assert.strictEqual(of(found(f), true), 0)
    assert.strictEqual(of(found(f), false), change.Content)
    assert.strictEqual(of(undefined, false), change.Content | change.New)
    // another file that is newer stays where newer ones do
    assert.strictEqual(of(at(f, 9), false, { keepsNewer: true }), change.Kept)
    assert.strictEqual(of(at(f, -9), false, { keepsNewer: true }), change.Content | change.Time)
    // nor is it made a link to another file, or to none, that is kept under its leader's name
    assert.strictEqual(of(undefined, false, { keepsNewer: true }, [at(f, 9)]), change.Kept)
    assert.strictEqual(of(found(f), false, { onlyExisting: true }, [undefined]), change.Kept)
    assert.strictEqual(of(undefined, false, { keepsExisting: true }, [at(f, -9)]), change.Kept)
    assert.strictEqual(of(undefined, false, { keepsExisting: true }, [found(f)]), change.Content | change.New)
  })
  it("is counted", () => {
    const words = [
      0,
      change.Content | change.New,
      change.Content,
      change.Mode,
      change.Kept,
      change.Content | change.Size,
      change.Vetoed
    ]
    const counts = { created: 1, updated: 2, described: 1, kept: 1, vetoed: 1 }
    assert.deepStrictEqual(Compare.countsOf(Uint16Array.from(words)), counts)
  })
})

describe("what is lacked", () => {
  const flags = Schema.Array(Schema.Boolean).check(Schema.isMaxLength(60))
  const entriesOf = (some: ReadonlyArray<boolean>) => some.flatMap((is, at) => (is ? [at] : []))
  it.prop("runs are the entries, in order and apart [Y-1]", [flags], ([some]) => {
    const runs = Lacks.among(some.length, (entry) => some[entry])
    assert.deepStrictEqual([...Lacks.each(runs)], entriesOf(some))
    some.forEach((is, entry) => assert.strictEqual(Lacks.has(runs, entry), is))
    assert.isFalse(Lacks.has(runs, some.length))
    for (let at = 2; at < runs.length; at += 2) assert.isAbove(runs[at], runs[at - 2] + runs[at - 1])
  })
  it.prop("the union is what any lacks [Y-4]", [flags, flags, flags], (all) => {
    const runs = all.map((some) => Lacks.among(some.length, (entry) => some[entry]))
    const most = Math.max(...all.map((some) => some.length))
    const expected = Array.from({ length: most }, (_, entry) => entry).filter((entry) =>
      all.some((some) => some[entry])
    )
    assert.deepStrictEqual([...Lacks.each(union(runs))], expected)
  })
  it.prop("a selection comes back as it was, and never names an entry that is none [Y-4]", [flags], ([some]) => {
    const runs = Lacks.among(some.length, (entry) => some[entry])
    assert.deepStrictEqual(Lacks.decode(Lacks.encode(runs), some.length), Result.succeed(runs))
    if (some.at(-1) === true) assert.isTrue(Result.isFailure(Lacks.decode(Lacks.encode(runs), some.length - 1)))
  })
  it("bytes that are no selection", () => {
    for (const bad of [new Uint8Array(7), new Uint8Array(8), Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255)])
      assert.isTrue(Result.isFailure(Lacks.decode(bad, 100)))
  })
  it("slices tell of all entries, and each fits [Y-1]", () => {
    const entries = 20_000
    const lacks = Lacks.among(entries, (entry) => entry % 3 === 0)
    const slices = []
    for (let from = 0; from < entries; from = slices[slices.length - 1].from + slices[slices.length - 1].count)
      slices.push(Lacks.sliceOf(lacks, from, Math.min(8192, entries - from)))
    assert.deepStrictEqual(
      slices.map(({ count }) => count),
      [8192, 8192, 3616]
    )
    assert.deepStrictEqual(Lacks.joined(slices.map(({ runs }) => runs)), lacks)
  })
  it("is known once the content is", () => {
    assert.strictEqual(Compare.resolved(change.Doubt | change.Mode, true), change.Mode)
    assert.strictEqual(Compare.resolved(change.Doubt | change.Time, false), change.Content | change.Time)
  })
})

describe("hashes of contents [Y-12]", () => {
  const runs = [2, 3, 9, 1]
  const hashOf = (byte: number) => new Uint8Array(32).fill(byte)
  const made = () => {
    const hashes = new Hashes.Hashes(runs)
    for (const entry of [2, 4, 9, 5]) hashes.put(entry, hashOf(entry))
    return hashes
  }
  it("are those of the entries, where there is one", () => {
    const hashes = made()
    assert.deepStrictEqual(
      [1, 2, 3, 4, 5, 9, 10].map((entry) => hashes.get(entry)),
      [undefined, hashOf(2), undefined, hashOf(4), undefined, hashOf(9), undefined]
    )
    assert.deepStrictEqual(
      [1, 2, 3, 4, 5, 9, 10].map((entry) => hashes.has(entry)),
      [false, true, true, true, false, true, false]
    )
    // what could not be read is the same as nothing
    const others = new Hashes.Hashes([0, 12])
    for (let entry = 0; entry < 12; entry++) others.put(entry, hashOf(entry === 4 ? 5 : entry))
    const agreeing = Array.from({ length: 12 }, (_, entry) => entry).filter((entry) =>
      Hashes.agree(hashes, others, entry)
    )
    assert.deepStrictEqual(agreeing, [2, 9])
    assert.isFalse(Hashes.agree(hashes, made(), 3))
  })
  it("come back as they were", () => {
    const { bytes, runs } = Result.getOrThrow(Hashes.decode(Hashes.encode(made()), 10))
    assert.deepStrictEqual([runs, bytes], [made().runs, made().bytes])
    assert.deepStrictEqual(Result.getOrThrow(Hashes.decode(new Uint8Array(0), 10)).runs, [])
  })
  it("of entries that are none, or that end too early, are refused", () => {
    const bytes = Hashes.encode(made())
    assert.isTrue(Result.isFailure(Hashes.decode(bytes, 9)))
    for (const length of [1, 7, 8, 40, bytes.length - 1])
      assert.isTrue(Result.isFailure(Hashes.decode(bytes.subarray(0, length), 10)), `${length}`)
    for (const bad of [new Uint8Array(8), Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255)])
      assert.isTrue(Result.isFailure(Hashes.decode(bad, 100)))
  })
})

describe("what stays", () => {
  it("the names of the manifest in its own directories, and what is spared [Y-6]", () => {
    const entries = [dir("d"), file("d/a", 1), hardLink("d/b", 1), file("top", 1), dir("d/e"), file("d/e/f", 1)]
    const staying = Extraneous.staying(entries, [bytes("d/e/lost"), bytes("elsewhere/x")])
    assert.deepStrictEqual(
      [...staying].map(([key, names]) => [key, [...names].toSorted()]),
      [
        ["d", ["a", "b", "e"]],
        ["d/e", ["f", "lost"]]
      ]
    )
    // below a directory that has no entry: then that stays
    const below = Extraneous.staying([dir(""), dir("d"), dir("d/e")], [bytes("gone/by/x"), bytes("d/e/too/y")])
    assert.deepStrictEqual([...(below.get("") ?? [])].toSorted(), ["d", "gone"])
    assert.deepStrictEqual([...(below.get("d/e") ?? [])], ["too"])
    // in a directory that is spared all stays
    assert.deepStrictEqual([...Extraneous.staying(entries, [bytes("d/e")]).keys()], ["d"])
  })
})

describe("a policy in the manifest", () => {
  it.prop(
    "comes back as it was",
    [
      Schema.Struct({
        compare: Schema.Literals(Policy.compares),
        windowSeconds: Schema.Number.check(Schema.isInt(), Schema.isBetween({ minimum: -1, maximum: 100 })),
        wished: Schema.Array(Schema.Literals(Policy.wishes)),
        mostDeleted: Schema.UndefinedOr(Schema.Literals([0, 7])),
        rules: Schema.Array(Schema.Literals(["- a", "+ b/"])).check(Schema.isMaxLength(3)),
        spared: Schema.Array(Schema.Literals(["x", "y/z"])).check(Schema.isMaxLength(3))
      })
    ],
    ([{ rules, spared, wished, ...rest }]) => {
      const policy: Policy.Policy = {
        ...Policy.noWishes,
        backup: rules.length % 2 === 0 ? undefined : { suffix: bytes("~"), directory: bytes("a/b") },
        ...Object.fromEntries(wished.map((one) => [one, true])),
        ...rest,
        rules: bytes(rules.map((rule) => `${rule}\0`).join("")),
        spared: spared.map(bytes)
      }
      const decoded = Manifest.decodeTree(Manifest.encode([file("f", 1)], undefined, policy))
      assert.deepStrictEqual(Result.getOrThrow(decoded).policy, policy)
    }
  )
  it("that is not known is refused; none is none", () => {
    const whole = Manifest.encode([], undefined, Policy.defaults)
    const bad = whole.slice()
    bad[bad.length - 22] = 9
    assert.isTrue(Result.isFailure(Manifest.decodeTree(bad)))
    bad.set(whole)
    bad[bad.length - 14] = 255
    assert.isTrue(Result.isFailure(Manifest.decodeTree(bad)))
    assert.isTrue(Result.isFailure(Manifest.decodeTree(whole.subarray(0, whole.length - 1))))
    assert.strictEqual(Result.getOrThrow(Manifest.decodeTree(Manifest.encode([]))).policy, undefined)
  })
})
