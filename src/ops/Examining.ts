/**
 * Examines the network with the catchers that join: a session that calls, finds out which page reaches each of them, and sends probes
 * instead of files. It never begins, so catchers write nothing, and go on waiting for a master when it ends. [J-11]
 */
import * as Effect from "effect/Effect"
import * as Announce from "../phase/Announce.ts"
import * as Reach from "../protocol/group/Reach.ts"
import * as Roster from "../protocol/group/Roster.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Away, Clock, Crowd, Step, There } from "../report/Diagnosis.ts"
import { Progress } from "../report/Progress.ts"
import type { Longest } from "../session/Measuring.ts"
import { MasterExchange } from "../session/Exchange.ts"
import * as Monotonic from "../session/Monotonic.ts"
import { Announcing, Measuring, Members, Paths, Session, Standing } from "../session/Session.ts"
import * as Rates from "./Rates.ts"

/** What to wait for, and how much to try. */
export interface Options extends Omit<Announce.Patience, "atLeast"> {
  /** How many catchers are all; undefined: as many as come. */
  readonly catchers: number | undefined
  readonly hosts: ReadonlyArray<string> | undefined
  /** The largest page that the interface sends whole. */
  readonly pageBytes: number
  /** The rates that are tried end here. */
  readonly bytesPerSecond: number
  /** How long the catchers are looked at in the end, second by second; 0: not at all. */
  readonly watchMillis: number
}

/** Silence after which a catcher counts as lost while it is waited for others. */
const timeoutMillis = Limits.defaultTimeoutMillis
/** The last words to the catchers, which say them to their users. */
const farewell = "mrsync doctor has seen what it came for"

/** All that is seen of the catchers. */
export const examine = Effect.fn("Examining.examine")(function* (options: Options) {
  const { hosts, pageBytes } = options
  const wanted = hosts?.length ?? options.catchers ?? Limits.slots
  const layer = Session.layer({
    ...{ pageBytes, timeoutMillis, wanted },
    // one narrow path is no reason to try smaller pages on the others
    isEachAlone: true,
    ...(hosts === undefined ? {} : { hosts })
  })
  return yield* Effect.gen(function* () {
    const session = yield* Session
    return yield* Effect.raceFirst(conduct(options, wanted), session.run)
  }).pipe(Effect.scoped, Effect.provide(layer))
})

const conduct = (options: Options, wanted: number) =>
  Effect.gen(function* () {
    const now = yield* Monotonic.millis
    const { end } = yield* Announcing
    const { roster } = yield* Members
    const startedMillis = now()
    // with fewer than are wanted those that are there are looked at
    yield* Announce.gather({ ...options, wanted, atLeast: 0 }).pipe(
      Effect.catchTag("AnnounceTimeout", () => Effect.void)
    )
    const waitedMillis = Math.round(now() - startedMillis)
    const members = Roster.present(roster()).toSorted((a, b) => inOrder.compare(a.name, b.name))
    // nobody comes in the midst of it
    end()
    const away = yield* notThere
    const catchers = members.length === 0 ? [] : yield* look(options, members)
    return {
      ...(wanted < Limits.slots ? { wanted } : {}),
      ...{ waitedMillis, catchers, away }
    } satisfies Crowd
  }).pipe(
    Effect.ensuring(
      Effect.flatMap(Announcing, ({ lastWords }) =>
        Effect.ignore(lastWords({ _tag: "Abort", file: undefined, reason: farewell, audience: [] }))
      )
    )
  )

/** c2 before c10. */
const inOrder = new Intl.Collator("en", { numeric: true })

/** Catchers that are not there, and why. */
const notThere = Effect.gen(function* () {
  const { roster, turnedAway } = yield* Members
  const { strangers } = yield* MasterExchange
  const refused = turnedAway()
  const lost = Roster.givenUp(roster()).map(({ address, lost = "", name }) => ({ id: name, address, reason: lost }))
  const known = new Set([...refused, ...lost].map(({ id }) => id))
  const absent = Roster.absent(roster()).filter((name) => !known.has(name))
  return [
    ...refused,
    ...lost,
    ...strangers().map((reason) => ({ id: "", reason })),
    ...absent.map((id) => ({ id, reason: "it did not come" }))
  ] satisfies ReadonlyArray<Away>
})

/** What is gathered of one catcher while it is looked at. */
interface Subject {
  readonly slot: number
  readonly steps: Array<Step>
  asked: number
  answered: number
  clock: Clock | undefined
}

const look = Effect.fnUntraced(function* (options: Options, members: ReadonlyArray<Roster.Member>) {
  const { reached } = yield* Paths
  const { longestAnswers } = yield* Measuring
  const { askHeld, dropped } = yield* Standing
  const subjects = members.map(({ slot }): Subject => ({
    ...{ slot, steps: [], asked: 0, answered: 0 },
    clock: undefined
  }))
  const pages = members.map(({ slot }) => reached(slot)?.pageBytes ?? options.pageBytes)
  const pageBytes = Math.min(...pages)
  const narrow = yield* howNarrow(
    options.pageBytes,
    members.map(({ slot }, i) => [slot, pages[i]] as const)
  )
  const answers = yield* longestAnswers(members.map(({ slot }) => slot))
  const isGlued = members.every(({ slot }) => reached(slot)?.isGlued !== false)
  const { publish } = yield* Progress
  publish({ _tag: "Note", message: "trying rates on the way to each catcher" })
  yield* climb(subjects, { pageBytes, isGlued, most: options.bytesPerSecond })
  if (options.watchMillis > 0) {
    publish({ _tag: "Note", message: `watching the catchers for ${options.watchMillis / 1000} s` })
    yield* watch(subjects, pageBytes, options.watchMillis)
  }
  // a catcher looks once a second what its buffers lost
  yield* Effect.sleep(settleMillis)
  for (let asked = 0; asked < members.length; asked += Limits.heldAsked) {
    yield* askHeld
    yield* Effect.sleep(answerMillis)
  }
  return members.map((member, i): There => {
    const { address, name, receiveBufferBytes, slot } = member
    const { answered, asked, clock, steps } = subjects[i]
    const { isGlued: takesGlued } = reached(slot) ?? {}
    const answer = answers.get(slot)
    const { reachedBytes = pages[i], tooLongBytes } = narrow.get(slot) ?? {}
    return {
      ...{ id: name, address, receiveBufferBytes, takesGlued, steps, asked, answered, clock, dropped: dropped(slot) },
      ...{ wantedPacketBytes: packetOf(options.pageBytes), packetBytes: packetOf(reachedBytes) },
      ...(tooLongBytes === undefined ? {} : { tooLongPacketBytes: packetOf(tooLongBytes) }),
      ...(answer === undefined ? {} : { answerPacketBytes: packetOf(answer.reachedBytes) })
    }
  })
})

/** Of each narrow path, where between the sizes that were tried its end is. */
const howNarrow = Effect.fnUntraced(function* (
  wanted: number,
  reached: ReadonlyArray<readonly [slot: number, pageBytes: number]>
) {
  const { longest } = yield* Measuring
  const found = new Map<number, Longest>()
  for (const reachedBytes of new Set(reached.map(([, pageBytes]) => pageBytes))) {
    if (reachedBytes === wanted) continue
    const slots = reached.flatMap(([slot, pageBytes]) => (pageBytes === reachedBytes ? [slot] : []))
    const tooLongBytes = Reach.nextLarger(wanted, reachedBytes)
    for (const slot of slots) found.set(slot, { reachedBytes, tooLongBytes })
    for (const [slot, limit] of yield* longest({ slots, reachedBytes, tooLongBytes })) found.set(slot, limit)
  }
  return found
})

/** The packet that carries a page. */
const packetOf = (pageBytes: number): number => pageBytes + Limits.headerBytes + Limits.udpHeaderBytes

/** A catcher's own count of what its buffers lost is this old at most, and its answer takes this long. */
const settleMillis = 1200
const answerMillis = 300

/** One rate after the other, until nobody takes it. */
const climb = Effect.fnUntraced(function* (
  subjects: ReadonlyArray<Subject>,
  { isGlued, most, pageBytes }: { readonly pageBytes: number; readonly isGlued: boolean; readonly most: number }
) {
  const { measure } = yield* Measuring
  const slots = subjects.map(({ slot }) => slot)
  for (const [i, wanted] of Rates.rates(most).entries()) {
    const count = Rates.countAt(wanted, Limits.headerBytes + pageBytes, i === 0)
    const { bySlot, bytesPerSecond } = yield* measure({ slots, pageBytes, count, bytesPerSecond: wanted, isGlued })
    for (const subject of subjects) {
      const { answered = 0, arrived, asked = 0 } = bySlot.get(subject.slot) ?? {}
      subject.steps.push({ bytesPerSecond: Math.round(bytesPerSecond), sent: count, arrived })
      subject.asked += asked
      subject.answered += answered
    }
    // nobody takes more, or this machine sends no faster
    if (Rates.isTooMuch(subjects.map(({ steps }) => steps.at(-1))) || bytesPerSecond < sentShare * wanted) return
  }
})

/** A machine that sends less than this share of what it was asked for is at its end. */
const sentShare = 0.7

const beatMillis = 1000
/** Datagrams of one second of the watch, and their rate. */
const beatCount = 16
const beatRate = 1_250_000

/** Second after second a few datagrams: when losses come, and when nothing comes any more. */
const watch = Effect.fnUntraced(function* (subjects: ReadonlyArray<Subject>, pageBytes: number, watchMillis: number) {
  const { measure } = yield* Measuring
  const now = yield* Monotonic.millis
  const startedMillis = now()
  const slots = subjects.map(({ slot }) => slot)
  for (let second = 1; now() - startedMillis < watchMillis; second++) {
    const trial = { slots, pageBytes, count: beatCount, bytesPerSecond: beatRate, isGlued: false }
    const { bySlot } = yield* measure(trial)
    for (const subject of subjects) {
      const { arrived } = bySlot.get(subject.slot) ?? {}
      // when nobody answers a beat takes longer than a second
      const at = Math.max(second, Math.round((now() - startedMillis) / 1000))
      subject.clock = ticked(subject.clock, at, arrived)
    }
    const leftMillis = Math.floor(startedMillis + second * beatMillis - now())
    if (leftMillis > 0) yield* Effect.sleep(leftMillis)
  }
})

/** The clock, one beat later; `arrived`: undefined where there was no answer. */
const ticked = (before: Clock | undefined, second: number, arrived: number | undefined): Clock => {
  const { arrived: all = 0, sent = 0, silentFromSecond, worstLost = 0, worstSecond = second } = before ?? {}
  const lost = 1 - (arrived ?? 0) / beatCount
  const isWorse = lost > worstLost
  return {
    ...{ seconds: second, sent: sent + beatCount, arrived: all + (arrived ?? 0) },
    ...{ worstSecond: isWorse ? second : worstSecond, worstLost: isWorse ? lost : worstLost },
    silentFromSecond: arrived === undefined ? (silentFromSecond ?? second) : undefined
  }
}
