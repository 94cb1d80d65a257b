/**
 * How far a session is, a few times a second, as the master sees it: what each catcher holds by its
 * own answers, what is still to come, and which catchers are behind and why.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Roster from "../protocol/group/Roster.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Exclusion from "../protocol/pace/Exclusion.ts"
import { limiting, type Waits } from "../protocol/pace/Limiting.ts"
import * as Window from "../protocol/pace/Window.ts"
import * as Metrics from "../report/Metrics.ts"
import type { Limit, Looking } from "../report/Event.ts"
import { type CatcherView, type Event, Progress, seconds } from "../report/Progress.ts"
import * as Monotonic from "../session/Monotonic.ts"
import { Asking, Members, Sender, Standing } from "../session/Session.ts"
import { Transport } from "../transport/Transport.ts"
import type { Ledger } from "./Ledger.ts"

type Tick = Extract<Event, { readonly _tag: "Tick" }>

const tickMillis = 250
/** What sets the pace is told of the time since so many ticks ago. */
const limitTicks = 8
/** An answer that is owed for so long is waited for: others have come meanwhile. */
const owedMillis = 500
/** Catchers that are named when it is told. */
const limitNames = 3

/** Tells how far the session is until interrupted. */
export const ticking = Effect.fnUntraced(function* (ledger: Ledger, startedMillis: number) {
  const progress = yield* Progress
  const session = yield* looked
  const now = yield* Monotonic.millis
  const limit = limits(ledger, session, now())
  const tick = Effect.map(Clock.currentTimeMillis, (nowMillis) => ({
    ...tickOf(ledger, session, seconds(nowMillis - startedMillis), now()),
    limit: limit(now())
  }))
  const count = yield* counted(session)
  const telling = Effect.gen(function* () {
    yield* Effect.sleep(tickMillis)
    yield* session.standing.askHeld
    const told = yield* tick
    progress.publish(told)
    yield* count(told)
  })
  return yield* Effect.ensuring(Effect.forever(telling), Effect.flatMap(tick, count))
})

type Session = Effect.Success<typeof looked>

/** What sets the pace, each time since a few ticks ago. */
const limits = (ledger: Ledger, { asking, members, sender, standing }: Session, sinceMillis: number) => {
  const readings: Array<{ readonly atMillis: number; readonly waits: Waits }> = [
    { atMillis: sinceMillis, waits: sender.waits() }
  ]
  return (nowMillis: number): Limit => {
    const waits = sender.waits()
    readings.push({ atMillis: nowMillis, waits })
    if (readings.length > limitTicks) readings.shift()
    const [before] = readings
    const now = { window: sender.window(), nowMillis }
    const limit = limiting(before.waits, waits, nowMillis - before.atMillis, now)
    const { by, share } = limit
    const slots = by === "Work" ? asking.owing(owedMillis) : limit.slots
    const { members: known } = members.roster()
    const isUnexplained = slots.length > 0 && ledger.underWay.looking(slots[0]) === undefined
    const behind = isUnexplained ? ledger.whyBehind(slots[0], true, standing.whyBehind) : undefined
    // where only an answer is waited for, a link is slow as long as it carries what was sent
    const isLinkDone = by === "Work" && behind === "slow link" && !Window.isComing(now.window, slots[0], nowMillis)
    const why = isLinkDone ? "slow machine" : behind
    return {
      by,
      share: Math.round(share * 100) / 100,
      catchers: slots.slice(0, limitNames).map((slot) => known[slot].name),
      more: Math.max(0, slots.length - limitNames),
      ...(why === undefined ? {} : { why })
    }
  }
}

/** The parts of the session that are looked at. */
const looked = Effect.gen(function* () {
  return { asking: yield* Asking, members: yield* Members, sender: yield* Sender, standing: yield* Standing }
})

/** The metrics of the session. */
const counted = Effect.fnUntraced(function* ({ sender }: Session) {
  const { stats } = yield* Transport
  const count = yield* Metrics.counting("master", yield* stats)
  return ({ files }: Tick) =>
    Effect.map(stats, (read) => {
      const { bytes, pages, repaired } = sender.totals()
      count({ files, pages, pageBytes: bytes, repairedPages: repaired }, read)
    })
})

const tickOf = (ledger: Ledger, session: Session, seconds: number, nowMillis: number): Tick => {
  const members = Roster.participants(session.members.roster())
  const { bytes, pages, repaired } = session.sender.totals()
  const { total } = ledger
  const held = (slot: number) => Math.min(total, Math.max(session.standing.held(slot), ledger.progress(slot).bytes))
  const rest = (slot: number) => ledger.rest(slot, session.standing.held(slot))
  const isAtIt = (member: Roster.Member) => ledger.stateOf(member) === undefined
  const bounding = new Set(Exclusion.bounding(session.sender.window(), nowMillis).map((acker) => acker.slot))
  const ackers = new Set(session.sender.window().ackers.map((acker) => acker.slot))
  const isBehind = behind(
    members.filter(isAtIt).map(({ slot }) => rest(slot)),
    total
  )
  const catchers = members.map((member): CatcherView => {
    const { slot } = member
    const done = ledger.progress(slot)
    const looking = isAtIt(member) ? ledger.underWay.looking(slot) : undefined
    // it says what it does
    const isWaitedFor = isAtIt(member) && looking === undefined
    const isSlow = isWaitedFor && ((ackers.has(slot) && !bounding.has(slot)) || isBehind(rest(slot)))
    const straggled = isWaitedFor ? whyBehind(ledger, session, slot, isSlow) : undefined
    return {
      id: member.name,
      address: member.address,
      state: ledger.stateOf(member) ?? (isSlow || straggled !== undefined ? "Slow" : "Receiving"),
      ...(straggled === undefined ? {} : { straggled }),
      ...(looking === undefined ? {} : { looking }),
      files: done.files,
      missingPages: done.missingPages,
      bytes: member.lost !== undefined ? done.bytes : held(slot)
    }
  })
  const compares = ({ slot }: Roster.Member) => ledger.policy !== undefined && !ledger.isSurveyed(slot)
  const comparing = new Set(members.filter((member) => isAtIt(member) && compares(member)).map(({ slot }) => slot))
  const hashed = ledger.doubts.hashing((slot) => comparing.has(slot))
  const most = members.filter(isAtIt).reduce((most, { slot }) => Math.max(most, rest(slot)), 0)
  const phase = ledger.isComparing ? "Comparing" : ledger.isSending ? "Sending" : most > 0 ? "Repairing" : "Finishing"
  const looking = ledger.underWay.isOpening || phase === "Finishing" ? furthestBehind(catchers) : undefined
  return {
    _tag: "Tick",
    seconds,
    bytes: total - most,
    total,
    files: Math.max(0, ...catchers.map((catcher) => catcher.files)),
    sentBytes: bytes,
    ...(hashed === undefined ? {} : { hashed }),
    ...(looking === undefined ? {} : { looking }),
    phase,
    repairedPages: repaired,
    pages,
    underWay: ledger.underWay.tell(ledger.entries),
    catchers
  }
}

/** How far that catcher is which has most to look through yet. */
const furthestBehind = (catchers: ReadonlyArray<CatcherView>): Looking | undefined =>
  catchers
    .flatMap(({ looking }) => looking ?? [])
    .reduce<Looking | undefined>(
      (most, one) => (most === undefined || one.total - one.bytes > most.total - most.bytes ? one : most),
      undefined
    )

// Loss looks like a slow link, a slow machine, or like answers that are lost, until enough pages
// have been counted to tell.
const whyBehind = (ledger: Ledger, session: Session, slot: number, isSlow: boolean) => {
  const why = ledger.whyBehind(slot, isSlow, session.standing.whyBehind)
  const window = session.sender.window()
  if (why === "slow machine") return Window.isUntried(window, slot) ? undefined : why
  return (why === "slow link" || why === "lost answers") && !Window.isClean(window, slot) ? undefined : why
}

/**
 * Lacks a catcher so much more than the half of the group that lacks least? Much as in, of
 * the whole tree, to be shown.
 */
const behind = (rests: ReadonlyArray<number>, total: number) => {
  const median = rests.toSorted((a, b) => a - b)[Math.floor((rests.length - 1) / 2)] ?? 0
  return (rest: number): boolean => rest - median > Limits.stragglerShare * total
}
