/**
 * The delivery of one file: open barrier, page stream, missing rounds and close, first to the
 * group, then to the stragglers that it did not wait for. docs/protocol.md draws it as a state
 * machine; `state` is the state in one word.
 */
import * as Effect from "effect/Effect"
import * as Close from "../phase/Close.ts"
import type { Looks } from "../phase/Further.ts"
import * as MissingRounds from "../phase/MissingRounds.ts"
import * as OpenBarrier from "../phase/OpenBarrier.ts"
import * as PageStream from "../phase/PageStream.ts"
import type { Repair } from "../protocol/file/Planner.ts"
import { within } from "../protocol/Runs.ts"
import type { Runs } from "../protocol/Words.ts"
import { Progress } from "../report/Progress.ts"
import type { Lane } from "../session/Sender.ts"
import { Asking, Lanes, Members, Paths, Sender, Silence, Standing } from "../session/Session.ts"
import { display } from "../tree/Names.ts"
import type { CarriedFile } from "../tree/Plan.ts"
import type { Audience } from "../wire/Message.ts"
import type { Checked } from "./Deltas.ts"
import type { Ledger } from "./Ledger.ts"
import type { State } from "./UnderWay.ts"

interface Options<E, R, E2, R2> {
  readonly ledger: Ledger
  readonly repair: Repair | undefined
  readonly carried: CarriedFile
  /** The content, for pages of that size, and checked by that signature. */
  readonly content: (pageBytes: number, checked: Checked | undefined) => Effect.Effect<PageStream.Content, E, R>
  /**
   * Closes the file at catchers that hold all of it. Answers those that have not answered in time;
   * `isLate`: with all the patience of the session.
   */
  readonly close: (slots: Audience, isLate: boolean) => Effect.Effect<Audience, E2, R2>
}

/** A delivery's state from its page stream on. */
interface Sending {
  readonly content: PageStream.Content
  readonly repairs: MissingRounds.Repairs
  readonly opened: Audience
}

export class Delivery<E, R, E2, R2> {
  state: State = "Opening"
  private readonly options: Options<E, R, E2, R2>
  private sending: Sending | undefined
  /** They miss pages, and the others are not to wait for that. */
  private late: Audience = []
  /** They hold every page, and have not answered the close in time. */
  private unclosed: Audience = []

  constructor(options: Options<E, R, E2, R2>) {
    this.options = options
  }

  stragglers(): Audience {
    return this.late
  }

  private becomes(state: State): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.state = state
      this.options.ledger.underWay.becomes(this.options.carried, state)
      return Effect.logTrace(`file ${this.options.carried.file}: ${state}`)
    })
  }

  private readonly looks: Looks = (slot, looked) =>
    this.options.ledger.underWay.looks(this.options.carried, slot, looked)

  /** However it has ended, nothing of it is on its way any more. */
  readonly leave = Effect.sync(() => this.options.ledger.underWay.left(this.options.carried))

  /** Delivers to all that the group waits for; afterwards the state is "Waiting" or "Done". */
  toGroup(audience: Audience) {
    return Effect.gen({ self: this }, function* () {
      const { carried, ledger } = this.options
      const pageBytes = (yield* Paths).pageBytes()
      // the barrier says the opening of content that may not be there yet
      const token = {}
      const areHeld = (list: number) => audience.every((slot) => ledger.holds(slot, list))
      const checked = ledger.deltas.checkedBy(carried, pageBytes, areHeld)
      const opening = this.options
        .content(pageBytes, checked)
        .pipe(Effect.map((content) => ({ ...content, token, isDelta: ledger.deltas.has(carried.file) })))
      const root = checked === undefined ? ledger.roots.of(carried.file, pageBytes) : undefined
      const wasSent = ledger.roots.has(carried.file)
      const barrier = OpenBarrier.open(carried, audience, {
        ...{ pageBytes, root, signed: checked?.signed, wasSent, token },
        looks: this.looks
      })
      yield* this.becomes("Opening")
      if (!wasSent) {
        // the source is read while the catchers open
        const [{ opened, satOut }, content] = yield* Effect.all([barrier, opening], { concurrency: 2 })
        ledger.sitOut(carried.file, satOut)
        if (opened.length > 0) yield* this.stream(content, opened)
      } else {
        // [O-4] those that come late may all hold the file already, and nobody need read it; one
        // that has committed it may not have been heard
        const { opened, recognised, satOut } = yield* barrier
        ledger.sitOut(carried.file, satOut)
        yield* this.closeAt(recognised, false)
        if (opened.length > 0) yield* this.stream(yield* opening, opened)
      }
      yield* this.becomes(this.late.length + this.unclosed.length > 0 ? "Waiting" : "Done")
    })
  }

  /** Finishes what the group did not wait for. Nothing is left to do afterwards. */
  readonly toStragglers = Effect.gen({ self: this }, function* () {
    if (this.state !== "Waiting") return
    const unclosed = this.unclosed
    this.unclosed = []
    const repairing = Effect.gen({ self: this }, function* () {
      const { straggler } = yield* Lanes
      while (this.late.length > 0 && this.sending !== undefined) yield* this.finish(this.sending, this.late, straggler)
    })
    const closing = this.closeAt(unclosed, true)
    yield* Effect.scoped(
      Effect.andThen(this.heedSitOuts, Effect.all([closing, repairing], { concurrency: 2, discard: true }))
    )
    yield* this.becomes("Done")
  })

  /** Closes the file there; those that do not answer in time are tried again after the others. */
  private closeAt(slots: Audience, isLate: boolean) {
    return Effect.gen({ self: this }, function* () {
      if (slots.length === 0) return
      const silent = yield* this.options.close(slots, isLate)
      this.unclosed = [...this.unclosed, ...silent]
    })
  }

  /** A catcher that sits the file out has no part in what is still under way for it. */
  private readonly heedSitOuts = Effect.gen({ self: this }, function* () {
    const { carried, ledger } = this.options
    const { onSitOut } = yield* Asking
    const opened = this.sending?.opened ?? []
    yield* onSitOut(carried.file, (slot, why) => {
      if (opened.includes(slot)) ledger.sitOut(carried.file, new Map([[slot, why]]))
    })
  })

  /** Page stream and missing rounds of a file that is open. */
  private stream(content: PageStream.Content, opened: Audience) {
    return Effect.gen({ self: this }, function* () {
      const { carried, ledger, repair } = this.options
      const { isExcluded, serving } = yield* Sender
      const wants = (slot: number) => ledger.lacks(slot, carried.file)
      const repairs = new MissingRounds.Repairs(content.layout, repair ?? "auto", wants, this.looks)
      const sending = { content, repairs, opened }
      this.sending = sending
      ledger.deltas.begin(carried, ledger.policy)
      const lanes = lanesOf(yield* Lanes, carried, opened.every(isExcluded))
      yield* this.becomes("Streaming")
      yield* Effect.scoped(
        Effect.gen({ self: this }, function* () {
          yield* serving(opened)
          yield* this.heedSitOuts
          if (!(yield* this.streamSpans(sending, lanes))) return
          yield* PageStream.settle(content)
          // the manifest is in no catcher's hands before it was sent there
          const { pageBytes, signed } = content.layout
          const root = signed === undefined ? PageStream.root(content) : undefined
          if (carried.file > 0) ledger.roots.add(carried.file, { root, pageBytes })
          yield* this.finish(sending, opened, lanes.repair)
          yield* this.tellGrown(content)
        })
      )
    })
  }

  /** [P-8] What was appended to is no other file; a user is told that a part is not sent. */
  private tellGrown({ hasGrown }: PageStream.Content) {
    return Effect.gen({ self: this }, function* () {
      const { carried, ledger } = this.options
      if (!(yield* Effect.orElseSucceed(hasGrown, () => false))) return
      const path = display(ledger.entries[carried.members[0].entry].path)
      const progress = yield* Progress
      progress.publish({
        _tag: "Note",
        message: `${path} grew while it was sent; it arrived as it was when it was opened`
      })
    })
  }

  /**
   * Every page once, and the rounds of earlier spans meanwhile. False when nobody is left that
   * wants the rest.
   */
  private streamSpans({ content, opened, repairs }: Sending, lanes: OwnLanes) {
    return Effect.gen({ self: this }, function* () {
      const { carried, ledger } = this.options
      const { demand } = yield* Silence
      const wanted = demand(opened, repairs.wants)
      const spans = PageStream.spans(content.layout)
      const repairSpan = Effect.fnUntraced(function* (span: (typeof spans)[number]) {
        yield* lanes.fresh.drained
        const { missingPages, satOut } = yield* MissingRounds.span(content, repairs, opened, span, lanes.repair)
        ledger.missing(missingPages)
        ledger.sitOut(carried.file, satOut)
      })
      const dataOf = (runs: Runs) => within(runs, 0, content.layout.dataPages)
      const lackedOf = (span: PageStream.Span) =>
        Effect.tap(MissingRounds.lacked(content, repairs, opened, span), (runs) =>
          Effect.sync(() => ledger.deltas.ask(carried.file, content.layout.pageBytes, dataOf(span), dataOf(runs)))
        )
      const wantedOf = ledger.deltas.has(carried.file) ? lackedOf : undefined
      yield* PageStream.streamSpans(content, lanes.fresh, wanted, repairSpan, wantedOf)
      yield* lanes.fresh.drained
      // all sit it out, or were lost: not all was sent, and there is no root to ask with
      return wanted.isLeft()
    })
  }

  /** The last rounds at these, and the close at those that are complete then. */
  private finish({ content, repairs }: Sending, audience: Audience, lane: Lane) {
    return Effect.gen({ self: this }, function* () {
      const { carried, ledger } = this.options
      const { straggler } = yield* Lanes
      const { awayMillis } = yield* Silence
      const { whyOut } = yield* Paths
      yield* this.becomes("Finishing")
      const repaired = yield* MissingRounds.finish(content, repairs, audience, lane)
      const { complete, late, missingPages, satOut, unfit } = repaired
      ledger.missing(missingPages)
      yield* this.tellBehind(late, missingPages)
      ledger.sitOut(carried.file, satOut)
      this.late = late
      // they are sent it in a further pass, with pages that reach them
      const narrow = unfit.filter((slot) => whyOut(slot) === undefined)
      if (narrow.length > 0) yield* Close.putOff(carried.file, narrow, awayMillis)
      yield* this.becomes("Closing")
      yield* this.closeAt(complete, lane === straggler)
    })
  }

  private tellBehind(late: Audience, missingPages: ReadonlyMap<number, number>) {
    return Effect.gen({ self: this }, function* () {
      const { roster } = yield* Members
      const { whyBehind } = yield* Standing
      const progress = yield* Progress
      for (const slot of this.options.ledger.markLate(late)) {
        const { lost, name } = roster().members[slot]
        if (lost !== undefined) continue
        const why = whyBehind(slot, true, missingPages.get(slot) ?? 0)
        const message = `${name} is behind the others (${why}), and is sent what it lacks after them`
        progress.publish({ _tag: "Note", message })
      }
    })
  }
}

interface OwnLanes {
  readonly fresh: Lane
  readonly repair: Lane
}

const lanesOf = (
  { fresh, repair, straggler }: Lanes["Service"],
  { file }: CarriedFile,
  areStragglers: boolean
): OwnLanes => {
  // what only stragglers are to get goes at their pace from the beginning
  if (areStragglers) return { fresh: straggler, repair: straggler }
  // a catcher that comes late need not wait for the files that are on the air before it can take
  // part in the next
  return { fresh: file === 0 ? repair : fresh, repair }
}
