/** What is fuzzed: everything that reads bytes or text of others, and the reducers under any sequence of events. */
import * as assert from "node:assert"
import { isDeepStrictEqual } from "node:util"
import * as Result from "effect/Result"
import * as Parse from "../../src/cli/Parse.ts"
import * as Filter from "../../src/filter/Filter.ts"
import * as FilterParse from "../../src/filter/Parse.ts"
import { ruleFile } from "../../src/filter/Rule.ts"
import * as FilterText from "../../src/filter/Text.ts"
import * as Hosts from "../../src/ops/Hosts.ts"
import * as FileState from "../../src/protocol/file/FileState.ts"
import * as Layout from "../../src/protocol/file/Layout.ts"
import * as Roster from "../../src/protocol/group/Roster.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Address from "../../src/protocol/Address.ts"
import * as Interfaces from "../../src/system/Interfaces.ts"
import { counts, type Entry, type LeftOut } from "../../src/tree/Entry.ts"
import * as Manifest from "../../src/tree/Manifest.ts"
import type { Metadata } from "../../src/tree/Metadata.ts"
import * as Names from "../../src/tree/Names.ts"
import * as Packed from "../../src/tree/Packed.ts"
import * as Plan from "../../src/tree/Plan.ts"
import type { CarriedFile } from "../../src/tree/Plan.ts"
import * as Validate from "../../src/tree/Validate.ts"
import * as Codec from "../../src/wire/Codec.ts"
import * as Header from "../../src/wire/Header.ts"
import type { Message } from "../../src/wire/Message.ts"
import type { Target } from "./Fuzz.ts"

const utf8 = (text: string) => new Uint8Array(Buffer.from(text))
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8")
const size = (count: number) => Math.ceil(Math.log2(count + 1))
const big = (_key: string, value: unknown) => (typeof value === "bigint" ? String(value) : value)

/** What was encoded comes back. Text that was no UTF-8 is longer than it was, and is cut. */
const checkSame = (again: unknown, value: unknown) => {
  if (!isDeepStrictEqual(again, value) && !JSON.stringify(value, big).includes("\ufffd"))
    assert.deepStrictEqual(again, value)
}

// ---- datagrams ----

const session = 0x0123_4567_89ab_cdefn
const who = { session, slot: 3, incarnation: 0xdead_beef }
const root = new Uint8Array(Limits.hashBytes).fill(9)
const audience = [0, 1, 9, 64]

/** One of each type; `Missing` in each of its forms. */
export const messages: ReadonlyArray<Message> = [
  {
    ...{ _tag: "Announce", session, pageBytes: 1432, blockPages: 128, timeoutMillis: 10_000, uptimeMillis: 5 },
    ...{ spreadMillis: 100, joined: 1, wanted: 2 }
  },
  { _tag: "Join", session, incarnation: 7, key: 8, moves: 0, receiveBufferBytes: 212_992, name: "caf\u00e9" },
  { _tag: "Decline", session, incarnation: 7, silentMillis: 80, master: "10.0.0.1:8888" },
  {
    ...{ _tag: "Welcome", session },
    guests: [
      { incarnation: 1, slot: 0 },
      { incarnation: 2, refusal: "NameTaken" }
    ]
  },
  {
    ...{ _tag: "Open", session, file: 4, kind: "Bundle", size: 70_000, pageBytes: 1432, members: 3, opening: 7 },
    ...{ root, audience }
  },
  {
    ...{ _tag: "Open", session, file: 5, kind: "Single", size: 2 ** 30, pageBytes: 1432, members: 0, opening: 8 },
    ...{ root: undefined, signed: { blockPages: 121, hash: root }, audience }
  },
  { _tag: "Probe", session, probing: 1, train: 2, pageBytes: 512, isGlued: true, audience },
  { _tag: "Poll", session, poll: 12, audience },
  { _tag: "Poll", session, poll: 13, audience: [Limits.slots - 4] },
  { _tag: "Eof", session, file: 4, round: 1, first: 0, count: 8192, root, counts: true, audience },
  {
    _tag: "Digests",
    session,
    file: 4,
    opening: 1,
    first: 128,
    digests: new Uint8Array(3 * Limits.digestBytes).fill(5)
  },
  { _tag: "Survey", session, file: 0, from: 8192, audience },
  {
    _tag: "SurveyOk",
    ...who,
    file: 0,
    from: 8192,
    count: 3000,
    runs: [8200, 7, 9000, 1],
    doubted: 2,
    doubts: [8210, 2],
    changes: { created: 1, updated: 2, described: 3, kept: 4, vetoed: 0, deleted: 5 }
  },
  { _tag: "Comparing", ...who, file: 0, from: 8192, looked: 7, hashed: 99, toHash: 2 ** 40 },
  { _tag: "Itemize", session, file: 0, from: 9, audience },
  {
    ...{ _tag: "ItemizeOk", ...who, file: 0, from: 9, total: 12 },
    items: [
      { _tag: "Change", entry: 9, change: 3 },
      { _tag: "Deletion", path: Uint8Array.of(100, 101), isDirectory: true }
    ]
  },
  { _tag: "Close", session, file: 4, from: 0, audience },
  { _tag: "Abort", session, file: undefined, reason: "no room", audience: [] },
  { _tag: "Abort", session, file: 4, reason: undefined, audience },
  { _tag: "Bye", session },
  { _tag: "PollOk", ...who, poll: 12, received: 99, dropped: 1, held: 2 ** 40, worked: 0 },
  { _tag: "ProbeOk", ...who, probing: 1, train: 2, single: 1432, times: 4, glued: 1000, pageBytes: 600 },
  { _tag: "OpenOk", ...who, file: 4, opening: 2 },
  { _tag: "SitOut", ...who, file: 4, reason: "no room", about: "File" },
  { _tag: "Complete", ...who, file: 4, held: 1 },
  { _tag: "Aborted", ...who, file: undefined },
  { _tag: "ByeOk", ...who },
  {
    _tag: "Missing",
    ...who,
    file: 4,
    round: 1,
    first: 128,
    count: 256,
    held: 5,
    lacks: undefined,
    runs: [130, 2, 140, 1],
    spoiled: true
  },
  {
    ...{ _tag: "Missing", ...who, file: 4, round: 1, first: 0, count: 64, held: 5, lacks: [3, 0, 128] },
    runs: Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? i : 1)),
    spoiled: false
  },
  { _tag: "CloseOk", ...who, file: 4, from: 0, failures: [{ entry: 2, reason: "EIO" }], next: 9 }
]

const againOf = (message: Message): Message => {
  const decoded = Codec.decode(Codec.encode(message))
  assert.ok(decoded._tag === "Success", "what was encoded is not decoded")
  return decoded.success
}

/** Above this a message is none that anybody sends, and is not encoded again. */
const messageBytes = 1000

const checkAscending = (numbers: ReadonlyArray<number>, what: string) =>
  numbers.forEach((number, i) => assert.ok(i === 0 || number > numbers[i - 1], what))

/** What a decoded message promises to those that read it. */
const checkMessage = (message: Message) => {
  if ("audience" in message) {
    checkAscending(message.audience, "slots are not in order")
    for (const slot of message.audience) assert.ok(slot < Limits.slots, "there is no such slot")
  }
  if ("slot" in message) assert.ok(message.slot < Limits.slots, "there is no such slot")
  if ("held" in message) assert.ok(Number.isSafeInteger(message.held), "that is no number of bytes")
  if ("pageBytes" in message) assert.ok(message.pageBytes <= Limits.maxPageBytes, "the page is too long")
  if (message._tag !== "Missing") return
  const { count, first, lacks = [], runs } = message
  assert.ok(count <= Limits.spanPages && lacks.every((lack) => lack <= Limits.blockPages), "more than a span")
  const edges = runs.map((number, i) => (i % 2 === 0 ? number : runs[i - 1] + number))
  checkAscending(edges, "runs are not in order, or empty")
  assert.ok(
    edges.every((page) => page >= first && page <= first + count),
    "runs leave the span"
  )
}

const decoded = (bytes: Uint8Array, at: number): string => {
  const result = Codec.decode(bytes, at)
  if (result._tag === "Failure") return result.failure.reason
  const message = result.success
  checkMessage(message)
  if (Header.lengthOf(bytes, at) > messageBytes) return message._tag
  const again = againOf(message)
  checkSame(again, message)
  if (!isDeepStrictEqual(againOf(again), again)) assert.deepStrictEqual(againOf(again), again)
  return `${message._tag} ${size(Header.lengthOf(bytes, at))}`
}

const datagram: Target = {
  name: "datagram",
  valid: messages.map(Codec.encode),
  mend: (bytes) => {
    if (bytes.length < Limits.headerBytes + Limits.checksumBytes) return bytes
    const out = bytes.slice()
    Header.put(
      out,
      0,
      bytes[3],
      bytes.length,
      Header.sessionOf(session),
      Header.fileOf(bytes, 0),
      Header.indexOf(bytes, 0)
    )
    return Codec.putChecksum(out)
  },
  check: (bytes) => {
    const kinds: Array<string> = []
    let end = 0
    const discarded = Header.split(bytes, (at) => {
      assert.strictEqual(at, end, "datagrams are not glued together")
      end = at + Header.lengthOf(bytes, at)
      assert.ok(end <= bytes.length && end - at >= Limits.headerBytes, "a datagram reaches beyond the bytes")
      assert.ok(Header.bodyOf(bytes, at).length === end - at - Limits.headerBytes)
      const { block, index } = Header.parityOf(Header.indexOf(bytes, at))
      assert.strictEqual(Header.parityIndex(block, index), Header.indexOf(bytes, at))
      if (kinds.length < 4) kinds.push(decoded(bytes, at))
    })
    assert.strictEqual(end + discarded, bytes.length, "bytes are neither read nor discarded")
    return kinds.join(", ")
  }
}

// ---- the manifest ----

const metadata: Metadata = { mode: 0o644, uid: 0, gid: 1000, mtimeSeconds: -5, mtimeNanos: 999_999_999 }
const file = (path: string, size: number): Entry => ({ _tag: "File", path: utf8(path), metadata, size })

/** Two manifests as one input: the length of the first, and both. */
const together = (first: Uint8Array, second: Uint8Array): Uint8Array => {
  const length = new Uint8Array(2)
  Header.putU16(length, 0, first.length)
  return Buffer.concat([length, first, second])
}

const tree: ReadonlyArray<Entry> = [
  { _tag: "Directory", path: utf8(""), metadata },
  { _tag: "Directory", path: utf8("d"), metadata },
  file("d/a", 10),
  { ...file("d/holes", 2 ** 33), usedBytes: 4096 } as Entry,
  { _tag: "Symlink", path: utf8("link"), metadata, target: utf8("d/a") },
  { _tag: "HardLink", path: utf8("twin"), leader: 2 },
  { _tag: "Fifo", path: Uint8Array.of(0xff, 0x2e), metadata }
]
const leftOut: LeftOut = {
  ...{ more: 2, special: 1 },
  lost: [{ path: utf8("gone"), kind: "Changed", reason: "ENOENT" }]
}

const checkEntry = (entry: Entry) => {
  assert.ok(entry.path.length <= Limits.pathBytes, "the path is too long")
  if (entry._tag === "File") assert.ok(Number.isSafeInteger(entry.size) && entry.size >= 0, "that is no size")
  if (entry._tag === "HardLink") return
  const { mode, mtimeNanos, mtimeSeconds } = entry.metadata
  assert.ok(mode <= 0o7777 && mtimeNanos < 1e9 && Number.isSafeInteger(mtimeSeconds), "no such metadata")
}

/** The plan carries every file once. */
const checkPlan = (entries: ReadonlyArray<Entry>, plan: ReadonlyArray<CarriedFile>, which: number) => {
  const members = plan.flatMap(({ members }) => members)
  assert.strictEqual(new Set(members.map(({ entry }) => entry)).size, which, "a file is carried twice, or not at all")
  for (const { members, size } of plan) {
    let bytes = 0
    for (const { entry, offset, size } of members) {
      assert.strictEqual(entries[entry]._tag, "File")
      assert.strictEqual(offset, bytes)
      bytes += size
    }
    assert.strictEqual(bytes, size)
  }
}

const readManifest = (bytes: Uint8Array): ReturnType<typeof Manifest.decodeTree> => {
  const result = Manifest.decodeTree(bytes)
  if (result._tag === "Failure") return result
  const { entries, leftOut } = result.success
  entries.forEach(checkEntry)
  const again = Manifest.decodeTree(Manifest.encode(entries, leftOut))
  assert.ok(again._tag === "Success", "what was encoded is not decoded")
  const [before, after] = [entries, again.success.entries].map((those) => those.map(Packed.plain))
  assert.ok(isDeepStrictEqual(after, before), "other entries come back")
  checkSame(again.success.leftOut, leftOut)
  checkPlan(entries, Plan.plan(entries), entries.filter(({ _tag }) => _tag === "File").length)
  for (const index of Validate.refused(entries).keys()) assert.ok(index < entries.length)
  counts(entries)
  return result
}

const manifest: Target = {
  name: "manifest",
  valid: [
    together(Manifest.encode(tree, leftOut), Manifest.encode([file("d/a", 12)])),
    together(Manifest.encode([]), Manifest.encode(tree)),
    together(Manifest.encode([file("a", 1), file("b", 600_000)]), Manifest.encode([file("b", 2), file("a", 700_000)]))
  ],
  check: (bytes) => {
    if (bytes.length < 2) return "short"
    const length = 2 + Header.u16(bytes, 0)
    const [first, second] = [readManifest(bytes.subarray(2, length)), readManifest(bytes.subarray(length))]
    if (first._tag === "Failure") return `no manifest: ${first.failure.replaceAll(/\d+/g, "n")}`
    const { entries } = first.success
    if (second._tag === "Failure") return `${size(entries.length)} entries`
    const revised = Plan.revise(entries, second.success.entries, 7)
    if (revised._tag === "Failure") return revised.failure
    const { plan, revised: indices } = revised.success
    assert.strictEqual(revised.success.entries.length, entries.length)
    checkPlan(revised.success.entries, plan, indices.length)
    assert.deepStrictEqual(
      plan.map(({ file }) => file),
      plan.map((_, i) => 8 + i)
    )
    return `${size(indices.length)} revised`
  }
}

// ---- names, as they are shown and as a report has them ----

const names: Target = {
  name: "names",
  valid: ["", ".", "a/b", "caf\u00e9", "\\x41", "\\\\", "\u202e", "\u{1f468}\u200d\u{1f469}", "\ufeff", "\ufffd"].map(
    utf8
  ),
  check: (bytes) => {
    const shown = Names.display(bytes)
    assert.deepStrictEqual(Uint8Array.from(Names.bytesOf(shown)), Uint8Array.from(bytes), "another path is shown alike")
    assert.ok(!/[\p{Cc}\p{Zl}\p{Zp}\u202e]/u.test(shown), "what is shown has control characters")
    const told = JSON.parse(JSON.stringify(Names.failureAt(shown, "no")))
    const toldBytes = told.pathBytes === undefined ? Names.bytesOf(told.path) : Buffer.from(told.pathBytes, "base64")
    assert.deepStrictEqual(Uint8Array.from(toldBytes), Uint8Array.from(bytes), "a report tells another path")
    // any text is a path of bytes
    Names.bytesOf(textOf(bytes))
    return `${told.pathBytes === undefined} ${shown.includes("\\\\")} ${shown.includes("\\x")} ${size(bytes.length)}`
  }
}

// ---- rules of filters ----

/** Text of a file of rules, and of rules that travel; a path to be matched stands after the first line. */
const rules: Target = {
  name: "rules",
  valid: [
    "a/b\n- *.o\n+ /a/**\n!\n-!/sp [a-z]?\n",
    "d/e/f\n: .f\n:C\ndir-merge,n- .p\nP x\nhide,p a_b\n",
    "a]\n- []a-\\]]*\n- [[:alpha:][:none:]\n+ ***/\n",
    "aaaaaaaaaaaaaaaa\n- a*a*a*a*a*?b\n-C\n. x\n",
    "x\n-sr a\0:-nw .f\0+x b\0"
  ].map(utf8),
  check: (bytes) => {
    const text = Names.keyOf(bytes)
    const end = text.indexOf("\n")
    const [path, content] = [text.slice(0, Math.max(end, 0)), text.slice(end + 1)]
    const told = FilterText.decode(bytes.subarray(end + 1))
    if (told._tag === "Success") assert.deepStrictEqual(Names.keyOf(FilterText.encode(told.success)), content)
    const sources = { read: () => Result.succeed("- in\n"), isNulSeparated: false, cvsWords: "x ! y" }
    const added = FilterParse.addFile(FilterParse.none, content, ruleFile, "file", sources)
    if (added._tag === "Failure") return `${added.failure._tag} ${told._tag}`
    const list = added.success.rules
    assert.deepStrictEqual(FilterText.decode(FilterText.encode(list)), Result.succeed(list), "rules do not come back")
    const top = Filter.make(list, { side: "Sender", root: "/s", sources })
    const inner = Filter.enter(top, "d", () => Result.succeed(content))
    const filter = inner._tag === "Success" ? inner.success : top
    const isOut = [Filter.isExcluded(filter, path, false), Filter.isExcluded(filter, path, true)]
    return `${size(list.length)} ${isOut} ${told._tag} ${inner._tag}`
  }
}

// ---- addresses, and other text ----

const text: Target = {
  name: "text",
  valid: [
    ...[
      "239.255.67.92:8888",
      "224.0.0.1:0",
      "239.0.0.0:65536",
      "10.0.0.1:1",
      "a,b, c",
      "a\n# all\nb c\r\n",
      "500mbit",
      "1.5 GiB",
      "2.5"
    ],
    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\n",
    "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n2\teth0      :     1      V3\n"
  ].map(utf8),
  check: (bytes) => {
    const text = textOf(bytes)
    const parsed = Parse.group(text)
    if (parsed._tag === "Success") {
      const { group, port } = parsed.success
      assert.deepStrictEqual(Parse.group(`${group}:${port}`), parsed)
      assert.ok(
        port > 0 && port <= 65_535 && !Address.isAnswerable(Address.parse(`${group}:${port}`)!),
        "that is no group"
      )
    }
    for (const address of [text, `${text}:1`]) assert.ok(address.startsWith(Address.hostOf(address)))
    for (const found of [Address.parse(text), Address.parse(`[${text}]:1`), Address.parse(`${text}:1`)]) {
      if (found === undefined) continue
      assert.deepStrictEqual(Address.parse(Address.print(found)), found)
      Address.isAnswerable(found)
    }
    const numbers = [Parse.rate(text), Parse.size(text), Parse.seconds(text), Parse.delay(text), Parse.loss(text)]
    for (const parsed of [...numbers, Parse.catchers(text), Parse.seed(text)])
      assert.ok(parsed._tag === "Failure" || (Number.isFinite(parsed.success) && parsed.success >= 0))
    const lists = [Hosts.parse(text), Hosts.split(text), Hosts.ofFile(text)]
    const routes = Interfaces.defaultRoutes(text)
    assert.ok(typeof Interfaces.numberIn(text, "eth0") === "number")
    return [parsed, ...numbers, ...lists].map(({ _tag }) => _tag[0]).join("") + size(routes.length)
  }
}

// ---- reducers ----

/** Reads numbers out of an input until it ends. */
class Feed {
  private at = 0
  private readonly bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
  get isEmpty(): boolean {
    return this.at >= this.bytes.length
  }
  u8(): number {
    return this.bytes[this.at++] ?? 0
  }
  u32(): number {
    this.at += 4
    return Header.u32(this.bytes, this.at - 4)
  }
  /** Mostly small, and at times anything. */
  number(): number {
    const small = this.u8()
    return small === 0xff ? this.u32() : small
  }
  numbers(): ReadonlyArray<number> {
    return Array.from({ length: this.u8() % 12 }, () => this.number())
  }
}

const layouts = [
  Layout.make({ size: 0, pageBytes: 32, blockPages: 2 }),
  Layout.make({ size: 160, pageBytes: 32, blockPages: 2 }),
  Layout.make({ size: 160, pageBytes: 64, blockPages: 2 }),
  Layout.make({ size: 100_000, pageBytes: 512, members: 9 }),
  Layout.make({ size: Number.MAX_SAFE_INTEGER, pageBytes: 512 })
]
const payloads = (count: number) => Array.from({ length: count }, () => root)

const digestOf = (page: number) => new Uint8Array(Limits.digestBytes).fill(page)

const eventTags = [
  ...(["Open", "Opened", "Recognised", "OpenFailed", "Pages", "Parity", "Eof", "Verified", "StoreFailed"] as const),
  ...(["Close", "Committed", "Abort", "Digests"] as const)
]

const openingOf = (feed: Feed) => [undefined, 0, 1][feed.u8() % 3]

const eventOf = (feed: Feed): FileState.Event => {
  const _tag = eventTags[feed.u8() % eventTags.length]
  switch (_tag) {
    case "Open":
      return {
        _tag,
        layout: layouts[feed.u8() % layouts.length],
        opening: feed.u8() % 2,
        root: feed.u8() % 2 === 0 ? undefined : root
      }
    case "OpenFailed":
    case "StoreFailed":
      return { _tag, reason: "no", about: "File" }
    case "Pages": {
      const indices = feed.numbers()
      const batch = { opening: openingOf(feed), indices, payloads: payloads(indices.length) }
      // somebody else's among them
      return { _tag, batch, digests: indices.map((page, i) => digestOf(page ^ (i % 4 === 3 ? 1 : 0))) }
    }
    case "Parity": {
      const blocks = feed.numbers()
      const indices = blocks.map(() => feed.u8())
      return { _tag, batch: { opening: openingOf(feed), blocks, indices, payloads: payloads(blocks.length) } }
    }
    case "Eof": {
      const asked = { round: feed.number(), first: feed.number(), count: feed.number() % (Limits.spanPages + 1) }
      const flags = feed.u8()
      return { _tag, ...asked, root: (flags & 1) === 0 ? undefined : root, counts: (flags & 2) !== 0 }
    }
    case "Digests": {
      const [first, count] = [feed.number(), feed.u8() % 5]
      return { _tag, first, digests: Buffer.concat(Array.from({ length: count }, (_, i) => digestOf(first + i))) }
    }
    case "Verified":
      return { _tag, blocks: feed.numbers(), trailer: feed.u8() % 2 === 0 }
    case "Close":
      return { _tag, from: feed.number() }
    case "Committed":
      return { _tag, failures: [{ entry: feed.number(), reason: "no" }] }
    default:
      return { _tag }
  }
}

type Commands = ReadonlyArray<FileState.Command>

/** What a catcher's driver would do with a command must be possible. */
const checkCommand = (command: FileState.Command) => {
  if (command._tag !== "StorePages" && command._tag !== "KeepParity") return
  const { payloads } = command.batch
  for (const at of command.fresh ?? []) assert.ok(at < payloads.length, "stores what did not come")
}

const answersOf = (commands: Commands) => commands.filter(({ _tag }) => _tag === "Answer")

/** [C-1] What is committed is not begun again, and a question asked again does nothing and has the same answer. */
const checkAgain = (
  state: FileState.State,
  event: FileState.Event,
  [next, commands]: readonly [FileState.State, Commands]
) => {
  if (event._tag !== "Open" && event._tag !== "Eof" && event._tag !== "Close") return
  const repeated = FileState.step(next, event)[1]
  const [first, second] = [answersOf(commands), answersOf(repeated)]
  assert.strictEqual(second.length, repeated.length, "a question asked again has an effect")
  if (first.length > 0 && second.length > 0) assert.deepStrictEqual(second, first, "asked again, another answer")
  if (state._tag === "Idle" && state.past === "Committed")
    assert.strictEqual(first.length, commands.length, "begun again")
}

/** [C-6] Ready is a file that was verified whole, was recognised, or has nothing to carry. */
const checkReady = (state: FileState.State, event: FileState.Event, next: FileState.State) => {
  if (next._tag !== "DataReady" || state._tag === "DataReady") return
  if (event._tag === "Opened" || event._tag === "Recognised") return
  assert.ok(state._tag === "GetData" && event._tag === "Verified" && event.blocks.length === 0 && !event.trailer)
  assert.ok(state.verifying !== undefined && state.pages.held === state.layout.pages, "ready, and not whole")
}

const fileState: Target = {
  name: "file",
  valid: [
    // opened, all pages, asked, verified, closed, committed
    Uint8Array.of(...[0, 1, 0, 0, 1, 4, 8, 0, 1, 2, 3, 4, 5, 6, 7, 0], ...[6, 1, 6, 2, 1, 7, 0, 1, 9, 0, 10, 0]),
    // opened, a page, parity, asked with counts
    Uint8Array.of(...[0, 1, 1, 1, 1, 4, 2, 0, 3, 2, 5, 2, 0, 1, 3, 4, 0], ...[6, 1, 0, 2, 2, 6, 2, 0, 2, 3, 11]),
    Uint8Array.of(...[0, 0, 0, 0, 2, 9, 0, 10, 0, 0, 3, 0, 0, 8, 6, 1, 0, 2, 0]),
    // opened, all pages, a block and the trailer spoiled, digests and pages of both
    Uint8Array.of(
      ...[0, 1, 0, 0, 1, 4, 8, 0, 1, 2, 3, 4, 5, 6, 7, 0, 6, 1, 6, 2, 1, 7, 0, 0, 12, 5, 2, 12, 7, 1, 4, 3, 5, 6, 7, 0],
      ...[6, 2, 6, 2, 1, 7, 1, 1, 1, 12, 2, 2, 4, 2, 2, 3, 0, 6, 3, 6, 2, 1, 7, 0, 1]
    )
  ],
  check: (bytes) => {
    const feed = new Feed(bytes)
    let state = FileState.initial
    const seen = new Set<string>()
    while (!feed.isEmpty) {
      const event = eventOf(feed)
      const [next, commands] = FileState.step(state, event)
      const wrong = FileState.invariants(next)
      assert.ok(wrong.length === 0, wrong.join("; "))
      commands.forEach(checkCommand)
      checkAgain(state, event, [next, commands])
      checkReady(state, event, next)
      seen.add(`${state._tag} ${event._tag} ${commands.map(({ _tag }) => _tag).join(" ")}`)
      state = next
    }
    return [...seen].slice(-3).join("; ")
  }
}

/** to, as far as they can be seen in a roster. */
const checkRoster = (roster: Roster.Roster) => {
  const { free, members } = roster
  assert.ok(members.length <= Limits.slots)
  members.forEach(({ slot }, i) => assert.strictEqual(slot, i))
  assert.strictEqual(new Set(free).size, free.length, "a slot is free twice")
  for (const slot of free)
    assert.ok(members[slot].lost !== undefined && members[slot].isNew, "a slot is free and taken")
  const present = Roster.present(roster)
  assert.strictEqual(new Set(present.map(({ name }) => name)).size, present.length, "two present have one name [R-3]")
  for (const member of present) {
    const { address, incarnation, slot } = member
    assert.strictEqual(Roster.memberOf(roster, slot, incarnation), member)
    assert.strictEqual(Roster.memberOf(roster, slot, incarnation + 1), undefined)
    assert.ok(!Roster.isLost(roster, slot, incarnation, address))
  }
  const joins = new Map<string, number>()
  for (const { name } of Roster.participants(roster)) joins.set(name, (joins.get(name) ?? 0) + 1)
  for (const count of joins.values()) assert.ok(count <= Limits.joinsOfName, "a name joined too often [R-4]")
  const ackers = Roster.ackers(roster, new Map(present.map(({ slot }) => [slot, slot % 3])))
  assert.ok(ackers.length <= Limits.ackers && ackers.every((slot) => members[slot].lost === undefined))
}

const join = (roster: Roster.Roster, feed: Feed) => {
  const [incarnation, name, host, moves] = [feed.number(), `n${feed.u8() % 4}`, feed.u8() % 3, feed.u8() % 3]
  const guest = { incarnation, key: incarnation % 2, moves, name, address: `10.0.0.${host}:1`, receiveBufferBytes: 0 }
  const joined = Roster.join(roster, guest)
  if (joined._tag === "New") {
    const before = roster.members[joined.member.slot] as Roster.Member | undefined
    assert.ok(before === undefined || before.isNew, "a slot changed hands [R-1]")
  }
  return joined
}

const rosterStep = (roster: Roster.Roster, feed: Feed): readonly [Roster.Roster, string] => {
  const op = feed.u8() % 6
  if (op < 2) {
    const joined = join(roster, feed)
    return ["roster" in joined ? joined.roster : roster, joined._tag]
  }
  const slot = feed.u8() % Math.max(1, roster.members.length + 1)
  const member = roster.members[slot] as Roster.Member | undefined
  if (op === 2) {
    if (member === undefined || !member.isNew || member.lost !== undefined) return [roster, "no newcomer"]
    const proved = Roster.prove(roster, slot)
    return [proved.roster, proved._tag]
  }
  const lose = [Roster.lose, Roster.loseMute, Roster.letGo][op - 3]
  return [lose(roster, slot, "no"), lose.name]
}

const roster: Target = {
  name: "roster",
  valid: [
    Uint8Array.of(0, 1, 0, 0, 0, 2, 0, 0, 2, 1, 1, 0, 2, 1, 3, 0, 0, 3, 0, 0, 0, 2, 2),
    Uint8Array.of(0, 1, 0, 0, 0, 2, 0, 0, 1, 0, 1, 1, 4, 0, 0, 5, 0, 0, 0, 5, 1)
  ],
  check: (bytes) => {
    const feed = new Feed(bytes)
    let roster = Roster.make()
    const seen: Array<string> = []
    while (!feed.isEmpty) {
      const [next, told] = rosterStep(roster, feed)
      checkRoster(next)
      seen.push(told)
      roster = next
    }
    return seen.slice(-4).join(" ")
  }
}

export const targets: ReadonlyArray<Target> = [datagram, manifest, names, rules, text, fileState, roster]
