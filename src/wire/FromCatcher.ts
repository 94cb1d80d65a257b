/**
 * What a catcher says: the bodies of its messages, written and read.
 */

import * as Limits from "../protocol/Limits.ts"
import { type About, nothing, type Reader, type Writer } from "./Fields.ts"
import * as Header from "./Header.ts"
import type { Changes, Done } from "../protocol/Words.ts"
import type { Failure, FromCatcher, Item, Runs } from "./Message.ts"

const noLacks = 0xffff

/** Bytes that a message has at least: an answer to a probe may have to be as long as that. [N-6] */
export const bytesOf = (message: FromCatcher): number =>
  message._tag === "ProbeOk" && message.pageBytes > 0 ? Limits.headerBytes + message.pageBytes : 0

/** Writes the body. */
export const put = (message: FromCatcher, w: Writer): About => {
  switch (message._tag) {
    case "Join":
      w.u32(message.incarnation)
      w.u32(message.key)
      w.u16(message.moves)
      w.u32(message.receiveBufferBytes)
      w.text(message.name, Limits.nameBytes)
      return [0, 0]
    case "Decline":
      w.u32(message.incarnation)
      w.u32(message.silentMillis)
      w.text(message.master, Limits.nameBytes)
      return [0, 0]
    default:
      w.u16(message.slot)
      w.u32(message.incarnation)
      return putAnswer(message, w)
  }
}

type SlotAnswer = Exclude<FromCatcher, { readonly _tag: "Join" | "Decline" }>

const putAnswer = (message: SlotAnswer, w: Writer): About => {
  switch (message._tag) {
    case "PollOk":
      w.u32(message.received)
      w.u32(message.dropped)
      w.u64(message.held)
      w.u32(message.worked)
      return [0, message.poll]
    case "ProbeOk":
      w.u16(message.single)
      w.u16(message.times)
      w.u16(message.glued)
      w.u16(message.pageBytes)
      w.at = Math.max(w.at, bytesOf(message) - w.tailBytes)
      return [message.probing, message.train]
    case "OpenOk":
      return [message.file, message.opening]
    case "Complete":
      w.u64(message.held)
      return [message.file, 0]
    case "Aborted":
      return [message.file ?? nothing, 0]
    case "ByeOk":
      return [0, 0]
    case "SitOut":
      w.u8(abouts.indexOf(message.about))
      w.text(message.reason, Limits.reasonBytes)
      return [message.file, 0]
    case "Missing":
      w.u32(message.first)
      w.u32(message.count)
      w.u8(message.spoiled ? 1 : 0)
      w.u16(message.lacks === undefined ? noLacks : message.lacks.length)
      for (const lack of message.lacks ?? []) w.u8(lack)
      putRuns(w, message.first, message.count, message.runs)
      w.u64(message.held)
      return [message.file, message.round]
    case "SurveyOk":
      putChanges(w, message.changes)
      w.u32(message.doubted)
      w.u16(message.count)
      putRuns(w, message.from, message.count, message.runs)
      putRuns(w, message.from, message.count, message.doubts)
      return [message.file, message.from]
    case "Comparing":
      w.u32(message.looked)
      w.u64(message.hashed)
      w.u64(message.toHash)
      return [message.file, message.from]
    case "ItemizeOk":
      w.u32(message.total)
      w.u16(message.items.length)
      for (const item of message.items) putItem(w, item)
      return [message.file, message.from]
    case "CloseOk": {
      w.u32(message.next ?? nothing)
      w.u8(message.done === undefined ? 0 : 1)
      if (message.done !== undefined) putDone(w, message.done)
      w.u16(message.failures.length)
      for (const failure of message.failures) {
        w.u32(failure.entry)
        w.u8(failure.isVetoed === true ? 1 : 0)
        w.text(failure.reason, Limits.reasonBytes)
      }
      return [message.file, message.from]
    }
  }
}

/** What a reason is about, by its number. */
const abouts = ["File", "Tree", "Veto"] as const

/** The counts of changes, as they follow each other. */
const counted = ["created", "updated", "described", "kept", "deleted", "vetoed"] as const

const putChanges = (w: Writer, changes: Changes): void => {
  for (const change of counted) w.u32(changes[change])
}

const putDone = (w: Writer, done: Done): void => {
  putChanges(w, done)
  w.u32(done.files)
  w.u64(done.bytes)
}

const takeChanges = (r: Reader): Changes => {
  const [created, updated, described, kept, deleted, vetoed] = counted.map(() => r.u32())
  return { created, updated, described, kept, deleted, vetoed }
}

const putItem = (w: Writer, item: Item): void => {
  if (item._tag === "Change") {
    w.u8(0)
    w.u32(item.entry)
    return w.u16(item.change)
  }
  w.u8(item.isDirectory ? 2 : 1)
  w.u16(item.path.length)
  w.raw(item.path)
}

const takeSurvey = (r: Reader, from: number) => {
  const changes = takeChanges(r)
  const doubted = r.u32()
  const count = r.u16()
  const [runs, doubts] = [takeRuns(r, from, count), takeRuns(r, from, count)]
  return { changes, doubted, count, runs, doubts }
}

const takeItems = (r: Reader) => {
  const total = r.u32()
  const length = r.u16()
  if (length > Limits.itemsAnswered) r.bad = true
  const items: Array<Item> = []
  for (let i = 0; i < length && !r.bad; i++) items.push(takeItem(r))
  return { total, items }
}

const takeItem = (r: Reader): Item => {
  const form = r.u8()
  if (form > 2) r.bad = true
  if (form === 0) return { _tag: "Change", entry: r.u32(), change: r.u16() }
  const length = r.u16()
  if (length === 0 || length > Limits.pathBytes) r.bad = true
  return { _tag: "Deletion", path: r.raw(r.bad ? 0 : length), isDirectory: form === 2 }
}

/** Bytes that an item takes. */
export const itemBytes = (item: Item): number => (item._tag === "Change" ? 7 : 3 + item.path.length)

// Few runs as pairs of 16 bits (gap, length), many as a bitmap: whichever is shorter.
const putRuns = (w: Writer, first: number, count: number, runs: Runs) => {
  const bitmapBytes = Math.ceil(count / 8)
  if (runs.length * 2 < bitmapBytes) {
    w.u8(0)
    w.u16(runs.length / 2)
    for (let i = 0, at = first; i < runs.length; i += 2) {
      w.u16(runs[i] - at)
      w.u16(runs[i + 1])
      at = runs[i] + runs[i + 1]
    }
    return
  }
  w.u8(1)
  for (let i = 0; i < runs.length; i += 2) {
    for (let bit = runs[i] - first, end = bit + runs[i + 1]; bit < end; bit++) {
      w.bytes[w.at + (bit >>> 3)] |= 1 << (bit & 7)
    }
  }
  w.at += bitmapBytes
}

/** Reads the body; undefined: the type is none of a catcher's. */
export const take = (
  type: number,
  session: bigint,
  file: number,
  index: number,
  r: Reader
): FromCatcher | undefined => {
  switch (type) {
    case Header.types.Join:
      return {
        _tag: "Join",
        session,
        incarnation: r.u32(),
        key: r.u32(),
        moves: r.u16(),
        receiveBufferBytes: r.u32(),
        name: r.text(Limits.nameBytes)
      }
    case Header.types.Decline:
      return {
        _tag: "Decline",
        session,
        incarnation: r.u32(),
        silentMillis: r.u32(),
        master: r.text(Limits.nameBytes)
      }
  }
  if (!slotAnswers.has(type)) return undefined
  const sender = { session, slot: r.u16(), incarnation: r.u32() }
  if (sender.slot >= Limits.slots) r.bad = true
  return takeAnswer(type, sender, file, index, r)
}

type Sender = Pick<SlotAnswer, "session" | "slot" | "incarnation">

const takeAnswer = (type: number, sender: Sender, file: number, index: number, r: Reader): SlotAnswer | undefined => {
  switch (type) {
    case Header.types.PollOk:
      return {
        ...{ _tag: "PollOk", ...sender, poll: index },
        ...{ received: r.u32(), dropped: r.u32(), held: r.u64(), worked: r.u32() }
      }
    case Header.types.ProbeOk:
      return { _tag: "ProbeOk", ...sender, probing: file, train: index, ...takeArrived(r) }
    case Header.types.OpenOk:
      return { _tag: "OpenOk", ...sender, file, opening: index }
    case Header.types.Complete:
      return { _tag: "Complete", ...sender, file, held: r.u64() }
    case Header.types.Aborted:
      return { _tag: "Aborted", ...sender, file: file === nothing ? undefined : file }
    case Header.types.ByeOk:
      return { _tag: "ByeOk", ...sender }
    case Header.types.SitOut:
      return { _tag: "SitOut", ...sender, file, about: aboutOf(r), reason: r.text(Limits.reasonBytes) }
    case Header.types.Missing:
      return { _tag: "Missing", ...sender, file, round: index, ...takeLack(r) }
    case Header.types.ItemizeOk:
      if (file !== 0) r.bad = true
      return { _tag: "ItemizeOk", ...sender, file: 0, from: index, ...takeItems(r) }
    case Header.types.Comparing:
      return { _tag: "Comparing", ...sender, file, from: index, looked: r.u32(), hashed: r.u64(), toHash: r.u64() }
    case Header.types.SurveyOk:
      if (file !== 0) r.bad = true
      return { _tag: "SurveyOk", ...sender, file: 0, from: index, ...takeSurvey(r, index) }
    case Header.types.CloseOk:
      return { _tag: "CloseOk", ...sender, file, from: index, ...takeClosed(r) }
  }
  return undefined
}

const takeArrived = (r: Reader) => {
  const arrived = { single: r.u16(), times: r.u16(), glued: r.u16(), pageBytes: r.u16() }
  if (arrived.pageBytes > Limits.longestAnswerPage) r.bad = true
  else r.padding(arrived.pageBytes - r.tailBytes)
  return arrived
}

const aboutOf = (r: Reader): (typeof abouts)[number] => {
  const about = abouts[r.u8()]
  if (about === undefined) r.bad = true
  return about ?? "File"
}

const takeClosed = (r: Reader) => {
  const next = r.u32()
  const done = flagOf(r) ? { done: { ...takeChanges(r), files: r.u32(), bytes: r.u64() } } : {}
  const length = r.u16()
  const failures: Array<Failure> = []
  for (let i = 0; i < length && !r.bad; i++) failures.push(takeFailure(r))
  return { ...done, failures, next: next === nothing ? undefined : next }
}

const takeFailure = (r: Reader): Failure => {
  const entry = r.u32()
  const vetoed = flagOf(r) ? ({ isVetoed: true } as const) : {}
  return { entry, reason: r.text(Limits.reasonBytes), ...vetoed }
}

const flagOf = (r: Reader): boolean => {
  const flag = r.u8()
  if (flag > 1) r.bad = true
  return flag === 1
}

// Of other types nothing is read: their bodies begin otherwise.
const slotAnswers: ReadonlySet<number> = new Set([
  Header.types.PollOk,
  Header.types.ProbeOk,
  Header.types.OpenOk,
  Header.types.Complete,
  Header.types.Aborted,
  Header.types.ByeOk,
  Header.types.SitOut,
  Header.types.Missing,
  Header.types.SurveyOk,
  Header.types.Comparing,
  Header.types.ItemizeOk,
  Header.types.CloseOk
])

const takeLack = (r: Reader) => {
  const first = r.u32()
  const count = r.u32()
  const spoiled = flagOf(r)
  const lacks = takeLacks(r)
  // of a spoiled block the pages are listed
  if (spoiled && lacks !== undefined) r.bad = true
  const runs = takeRuns(r, first, count)
  return { first, count, spoiled, lacks, runs, held: r.u64() }
}

// A block lacks no more pages than it has.
const takeLacks = (r: Reader): ReadonlyArray<number> | undefined => {
  const length = r.u16()
  if (length === noLacks) return undefined
  if (length > Limits.spanBlocks) r.bad = true
  const lacks = r.raw(length)
  if (lacks.some((lack) => lack > Limits.blockPages)) r.bad = true
  return [...lacks]
}

// Runs come out ascending, apart from each other, and inside the span, or the answer is bad.
const takeRuns = (r: Reader, first: number, count: number): Runs => {
  const out: Array<number> = []
  if (count > Limits.spanPages) r.bad = true
  const push = (page: number, length: number) => {
    if (out.length > 0 && out[out.length - 2] + out[out.length - 1] === page) out[out.length - 1] += length
    else out.push(page, length)
  }
  const form = r.u8()
  if (form > 1) r.bad = true
  if (form === 0) {
    const length = r.u16()
    let at = first
    for (let i = 0; i < length && !r.bad; i++) {
      const page = at + r.u16()
      at = page + r.u16()
      if (at > first + count || at === page) r.bad = true
      else push(page, at - page)
    }
  } else if (!r.bad) {
    const bitmap = r.raw(Math.ceil(count / 8))
    for (let i = 0; i < count && !r.bad; i++) if ((bitmap[i >>> 3] & (1 << (i & 7))) !== 0) push(first + i, 1)
  }
  return r.bad ? [] : out
}
