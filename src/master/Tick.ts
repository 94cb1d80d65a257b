/**
 * How far a session is, a few times a second, as the master sees it: what each catcher holds by its
 * own answers, what is still to come, and which catchers are behind and why.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Roster from "../protocol/group/Roster.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Exclusion from "../protocol/pace/Exclusion.ts"
import * as Window from "../protocol/pace/Window.ts"
import * as Metrics from "../report/Metrics.ts"
import { type CatcherView, type Event, Progress, seconds } from "../report/Progress.ts"
import * as Monotonic from "../session/Monotonic.ts"
import { Members, Sender, Standing } from "../session/Session.ts"
import { Transport } from "../transport/Transport.ts"
import type { Ledger } from "./Ledger.ts"

type Tick = Extract<Event, { readonly _tag: "Tick" }>

const tickMillis = 250

/** Tells how far the session is until interrupted. */
export const ticking = Effect.fnUntraced(function* (ledger: Ledger, startedMillis: number) {
  const progress = yield* Progress
  const session = { members: yield* Members, sender: yield* Sender, standing: yield* Standing }
  const now = yield* Monotonic.millis
  const tick = Effect.map(Clock.currentTimeMillis, (nowMillis) =>
    tickOf(ledger, session, seconds(nowMillis - startedMillis), now())
  )
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

/** The parts that are looked at. */
interface Session {
  readonly members: Members["Service"]
  readonly sender: Sender["Service"]
  readonly standing: Standing["Service"]
}

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
  const { bytes, repaired } = session.sender.totals()
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
    const isSlow = isAtIt(member) && ((ackers.has(slot) && !bounding.has(slot)) || isBehind(rest(slot)))
    const straggled = isAtIt(member) ? whyBehind(ledger, session, slot, isSlow) : undefined
    return {
      id: member.name,
      address: member.address,
      state: ledger.stateOf(member) ?? (isSlow || straggled !== undefined ? "Slow" : "Receiving"),
      ...(straggled === undefined ? {} : { straggled }),
      files: done.files,
      bytes: member.lost !== undefined ? done.bytes : held(slot)
    }
  })
  const compares = ({ slot }: Roster.Member) => ledger.policy !== undefined && !ledger.isSurveyed(slot)
  const comparing = new Set(members.filter((member) => isAtIt(member) && compares(member)).map(({ slot }) => slot))
  const hashed = ledger.doubts.hashing((slot) => comparing.has(slot))
  const most = members.filter(isAtIt).reduce((most, { slot }) => Math.max(most, rest(slot)), 0)
  return {
    _tag: "Tick",
    seconds,
    bytes: total - most,
    total,
    files: Math.max(0, ...catchers.map((catcher) => catcher.files)),
    sentBytes: bytes,
    ...(hashed === undefined ? {} : { hashed }),
    phase: ledger.isComparing ? "Comparing" : ledger.isSending ? "Sending" : most > 0 ? "Repairing" : "Finishing",
    repairedPages: repaired,
    catchers
  }
}

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
