/** Every message there is, with every field from edge to edge. */
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as Limits from "../../src/protocol/Limits.ts"
import type { Changes } from "../../src/protocol/Words.ts"
import type { Item, Message } from "../../src/wire/Message.ts"
import { int } from "../protocol/generators.ts"

const u16 = Schema.Union([int(0, 0xffff), Schema.Literals([0, 1, 0xff, 0x100, 0xffff])])
const u32 = Schema.Union([int(0, 0xffff_ffff), Schema.Literals([0, 1, 0xffff, 0x1_0000, 0x8000_0000, 0xffff_fffe])])
const size = Schema.Union([int(0, Number.MAX_SAFE_INTEGER), Schema.Literals([0, 0xffff_ffff, 2 ** 32, 2 ** 53 - 1])])
// One bit less than the "no file" and "no more" marks.
const file = int(0, 0xffff_fffe)
const slot = int(0, Limits.slots - 1)
const audience = Schema.Union([
  Schema.Array(slot).check(Schema.isMaxLength(70)),
  Schema.Literals([0, 7, 8, 4095]).pipe((literals) => Schema.Array(literals))
])
const text = Schema.Array(
  Schema.Literals(["a", "Z", "-", " ", "é", "\u20ac", "\u{1f408}", "\ufeff", "\n", "\0"])
).check(Schema.isMaxLength(30))
const runs = Schema.Struct({
  first: int(0, 0xffff_ffff - Limits.spanPages),
  count: Schema.Union([int(0, Limits.spanPages), Schema.Literals([0, 1, 7, 8, 9, Limits.spanPages])]),
  parts: Schema.Array(Schema.Tuple([int(1, 300), int(1, 300)])).check(Schema.isMaxLength(40)),
  /** Every second page: the longest bitmap. */
  comb: Schema.Boolean
})
const lacks = Schema.UndefinedOr(Schema.Array(int(0, Limits.blockPages)).check(Schema.isMaxLength(Limits.spanBlocks)))
const guest = Schema.Union([
  Schema.Struct({ incarnation: u32, slot }),
  Schema.Struct({
    incarnation: u32,
    refusal: Schema.Literals(["NotListed", "NameTaken", "Full", "Started", "TooOften", "Returning"])
  })
])
const who = { slot, incarnation: u32 }

const Parts = Schema.Struct({
  session: Schema.Tuple([u32, u32]),
  message: Schema.Union([
    Schema.TaggedStruct("Announce", {
      pageBytes: int(Limits.minPageBytes, Limits.maxPageBytes),
      blockPages: int(1, Limits.blockPages),
      timeoutMillis: int(Limits.minTimeoutMillis, 0xffff_ffff),
      uptimeMillis: u32,
      spreadMillis: u16,
      joined: u16,
      wanted: u16
    }),
    Schema.TaggedStruct("Decline", { incarnation: u32, silentMillis: u32, master: text }),
    Schema.TaggedStruct("Join", { incarnation: u32, key: u32, moves: u16, receiveBufferBytes: u32, name: text }),
    Schema.TaggedStruct("Welcome", { guests: Schema.Array(guest).check(Schema.isMaxLength(128)) }),
    Schema.TaggedStruct("Open", {
      file,
      kind: Schema.Literals(["Manifest", "Single", "Bundle", "Revision", "Selection", "Hashes", "Signatures"]),
      size,
      pageBytes: int(Limits.minPageBytes, Limits.maxPageBytes),
      members: u32,
      opening: u32,
      rooted: Schema.Boolean,
      audience
    }),
    Schema.TaggedStruct("Probe", {
      probing: u32,
      train: u32,
      pageBytes: Schema.Union([Schema.Literals([0, 512, 1432]), int(700, Limits.maxPageBytes)]),
      isGlued: Schema.Boolean,
      audience
    }),
    Schema.TaggedStruct("Poll", { poll: u32, audience }),
    Schema.TaggedStruct("Eof", {
      file,
      round: u32,
      first: u32,
      count: int(0, Limits.spanPages),
      rooted: Schema.Boolean,
      counts: Schema.Boolean,
      audience
    }),
    Schema.TaggedStruct("Digests", {
      file,
      opening: u32,
      first: u32,
      count: int(1, Limits.blockPages),
      byte: int(0, 255)
    }),
    Schema.TaggedStruct("Survey", { audience, from: u32 }),
    Schema.TaggedStruct("SurveyOk", {
      ...who,
      runs,
      doubted: u32,
      changed: Schema.Array(u32).check(Schema.isMaxLength(6))
    }),
    Schema.TaggedStruct("Comparing", { ...who, from: u32, looked: u32, hashed: size, toHash: size }),
    Schema.TaggedStruct("Itemize", { audience, from: u32 }),
    Schema.TaggedStruct("ItemizeOk", {
      ...who,
      from: u32,
      total: u32,
      changes: Schema.Array(u16).check(Schema.isMaxLength(20))
    }),
    Schema.TaggedStruct("Close", { file, from: u32, audience }),
    Schema.TaggedStruct("Abort", { file: Schema.UndefinedOr(file), isPutOff: Schema.Boolean, reason: text, audience }),
    Schema.TaggedStruct("Bye", {}),
    Schema.TaggedStruct("OpenOk", { ...who, file, opening: u32 }),
    Schema.TaggedStruct("SitOut", { ...who, file, reason: text, about: Schema.Literals(["File", "Tree", "Veto"]) }),
    Schema.TaggedStruct("Missing", { ...who, file, round: u32, held: size, lacks, runs, spoiled: Schema.Boolean }),
    Schema.TaggedStruct("Complete", { ...who, file, held: size }),
    Schema.TaggedStruct("CloseOk", {
      ...who,
      file,
      from: u32,
      failures: Schema.Array(Schema.Struct({ entry: u32, reason: text, isVetoed: Schema.Boolean })).check(
        Schema.isMaxLength(5)
      ),
      changed: Schema.Array(u32).check(Schema.isMaxLength(6)),
      next: Schema.UndefinedOr(file)
    }),
    Schema.TaggedStruct("Aborted", { ...who, file }),
    Schema.TaggedStruct("ByeOk", who),
    Schema.TaggedStruct("PollOk", { ...who, poll: u32, received: u32, dropped: u32, held: size, worked: u32 }),
    Schema.TaggedStruct("ProbeOk", {
      ...who,
      probing: u32,
      train: u32,
      single: u16,
      times: u16,
      glued: u16,
      pageBytes: int(0, Limits.longestAnswerPage)
    })
  ])
})

const changesOf = ([
  created = 0,
  updated = 0,
  described = 0,
  kept = 0,
  deleted = 0,
  vetoed = 0
]: ReadonlyArray<number>): Changes => ({ created, updated, described, kept, deleted, vetoed })

const runsOf = ({ comb, count, first, parts }: typeof runs.Type): ReadonlyArray<number> => {
  const out: Array<number> = []
  if (comb) {
    for (let page = first; page < first + count; page += 2) out.push(page, 1)
    return out
  }
  let at = first
  for (const [gap, length] of parts) {
    if (at + gap + length > first + count) break
    out.push(at + gap, length)
    at += gap + length
  }
  return out
}

const root = Uint8Array.from({ length: 32 }, (_, i) => i * 7)

const messageOf = ({ message, session: [low, high] }: typeof Parts.Type): Message => {
  const session = (BigInt(high) << 32n) | BigInt(low)
  const asked = (slots: ReadonlyArray<number>) => [...new Set(slots)].sort((a, b) => a - b)
  switch (message._tag) {
    case "Join":
      return { ...message, session, name: message.name.join("") }
    case "Decline":
      return { ...message, session, master: message.master.join("") }
    case "Open": {
      const { rooted, ...open } = message
      return { ...open, session, root: rooted ? root : undefined, audience: asked(message.audience) }
    }
    case "Probe":
    case "Poll":
    case "Close":
      return { ...message, session, audience: asked(message.audience) }
    case "Itemize":
    case "Survey":
      return { ...message, session, file: 0, audience: asked(message.audience) }
    case "SurveyOk": {
      const { changed, runs, ...answer } = message
      const own = runsOf(runs)
      const slice = { from: runs.first, count: runs.count, runs: own, doubts: own.slice(2, 12) }
      return { ...answer, session, file: 0, ...slice, changes: changesOf(changed) }
    }
    case "Comparing":
      return { ...message, session, file: 0 }
    case "ItemizeOk": {
      const { changes, ...answer } = message
      const items = changes.map((change): Item =>
        change % 3 === 0
          ? { _tag: "Deletion", path: Uint8Array.of(change & 255, 7), isDirectory: change % 2 === 0 }
          : { _tag: "Change", entry: change * 7, change }
      )
      return { ...answer, session, file: 0, items }
    }
    case "Eof": {
      const { rooted, ...eof } = message
      return { ...eof, session, root: rooted ? root : undefined, audience: asked(message.audience) }
    }
    case "Abort": {
      const { file, isPutOff } = message
      const reason = message.reason.join("")
      const about = file === undefined ? { file, reason } : { file, reason: isPutOff ? undefined : reason }
      return { _tag: "Abort", session, ...about, audience: asked(message.audience) }
    }
    case "SitOut":
      return { ...message, session, reason: message.reason.join("") }
    case "Missing": {
      const { runs, ...missing } = message
      const spoiled = missing.spoiled && missing.lacks === undefined
      return { ...missing, session, first: runs.first, count: runs.count, runs: runsOf(runs), spoiled }
    }
    case "Digests": {
      const { byte, count, ...digests } = message
      return {
        ...digests,
        session,
        digests: Uint8Array.from({ length: count * Limits.digestBytes }, (_, i) => i + byte)
      }
    }
    case "CloseOk": {
      const { changed, ...closed } = message
      const done = { ...changesOf(changed), files: changed[0] ?? 0, bytes: (changed[1] ?? 0) * 2 ** 20 }
      const failures = message.failures.map(({ entry, isVetoed, reason }) => ({
        ...{ entry, reason: reason.join("") },
        ...(isVetoed ? ({ isVetoed } as const) : {})
      }))
      return { ...closed, session, failures, ...(changed.length === 0 ? {} : { done }) }
    }
    default:
      return { ...message, session }
  }
}

export const AnyMessage: Arbitrary.Arbitrary<Message> = Arbitrary.map(Arbitrary.schema(Parts), messageOf)
