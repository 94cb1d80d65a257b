/**
 * One file at a catcher: the four-state reducer run inside a fiber. The fiber takes events from its
 * mailbox, steps the reducer, runs the commands against the store and sends the answers; what the
 * reducer decides is not decided here.
 */

import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import { digest } from "../content/Hash.ts"
import * as FileState from "../protocol/file/FileState.ts"
import * as Layout from "../protocol/file/Layout.ts"
import * as Limits from "../protocol/Limits.ts"
import type { PageSeal } from "../seal/PageSeal.ts"
import type { Read } from "../session/Answers.ts"
import type { DestinationEscape, FileWriter, StoreError } from "../store/Store.ts"
import { reasonOf } from "../store/Store.ts"
import type { TransportError } from "../transport/Transport.ts"
import type { Runs, SitOutReason } from "../protocol/Words.ts"
import type { Failure } from "../wire/Message.ts"
import { Assembly, type BlockPool, type Cipher } from "./Assembly.ts"

/** The options of a file at a catcher. */
export interface Options {
  /** Where an earlier fiber of this file ended; `FileState.initial` for a new one. */
  readonly past: FileState.State
  /** Memory for its blocks, shared with other files. */
  readonly pool: BlockPool
  /** How content is enciphered: that of the membership. Without it content comes as it is. */
  readonly pages?: PageSeal
  /** Opens the place for the content; its scope ends when the file is committed or dropped. */
  readonly open: (layout: Layout.Layout) => Effect.Effect<FileWriter, Refusal, Scope.Scope>
  /**
   * Is the content, with this root, there already? Then its commit, which needs no page; undefined:
   * it has to come. Like `open` it keeps in its scope what the commit needs.
   */
  readonly recognise?: (
    layout: Layout.Layout,
    root: Uint8Array
  ) => Effect.Effect<Commit | undefined, never, Scope.Scope>
  /** Once every hash agrees, before Complete is answered (the manifest is put to use here). */
  readonly verified: Effect.Effect<void, StoreError>
  /** Is told of each step of the store, when it is done. */
  readonly steps?: () => void
  /** Is told how far the file is read before its commit [F-11]; undefined: it is over. */
  readonly reads?: (read: Read | undefined) => void
  /** Tells the master. */
  readonly answer: (answer: FileState.Answer) => Effect.Effect<void, TransportError>
  /** The cause of a failure: it may be none of this file's own. */
  readonly causeOf?: (error: Refusal) => Effect.Effect<SitOutReason>
}

/** Why a place for a file is refused. */
export type Refusal = StoreError | DestinationEscape

/** One file at a catcher: a mailbox, and the fiber that empties it. */
export interface CatchFile {
  /**
   * Completes when the pages have been taken in, so that the receiver waits. Pages that no state
   * would take are dropped.
   */
  readonly pages: (batch: FileState.PageBatch) => Effect.Effect<void>
  /** As `pages`. */
  readonly parity: (batch: FileState.ParityBatch) => Effect.Effect<void>
  /** As `pages`: what the pages of a spoiled block are like. */
  readonly digests: (digests: FileState.Digests) => Effect.Effect<void>
  /** Dropped when the mailbox is full: it will be asked again. */
  readonly question: (event: FileState.Event) => void
  /** The store has failed, not for this file alone. */
  readonly fail: (reason: string) => void
  /** As of now. */
  readonly state: () => FileState.State
  /** Bytes of an open file's content that its store has taken, or has in memory. */
  readonly heldBytes: () => number
  /**
   * Runs until the file is committed, dropped or sat out, and nothing more is asked. Unfinished
   * content is removed then.
   */
  readonly run: Effect.Effect<void, TransportError>
}

/** Nothing is open: a later question may be answered by another fiber, from this state. */
const isOver = (state: FileState.State): boolean =>
  state._tag === "Sick" || (state._tag === "Idle" && state.past !== "Opening")

// A page is taken only with the length that the layout gives it, so that a copy never leaves its
// block.
const isSound = (layout: Layout.Layout, page: number, payload: Uint8Array): boolean =>
  page < layout.pages && payload.length === Layout.payloadBytes(layout, page)

const sound = (layout: Layout.Layout, batch: FileState.PageBatch): FileState.PageBatch => {
  const { indices, payloads } = batch
  let soundPages = 0
  while (soundPages < payloads.length && isSound(layout, indices[soundPages], payloads[soundPages])) soundPages++
  if (soundPages === payloads.length) return batch
  const kept = payloads.map((_, i) => i).filter((i) => isSound(layout, indices[i], payloads[i]))
  return { ...batch, indices: kept.map((i) => indices[i]), payloads: kept.map((i) => payloads[i]) }
}

const soundParity = (layout: Layout.Layout, batch: FileState.ParityBatch): FileState.ParityBatch => {
  const { blocks, indices, payloads } = batch
  if (payloads.every((payload) => payload.length === layout.pageBytes)) return batch
  const kept = payloads.map((_, i) => i).filter((i) => payloads[i].length === layout.pageBytes)
  return {
    ...batch,
    blocks: kept.map((i) => blocks[i]),
    indices: kept.map((i) => indices[i]),
    payloads: kept.map((i) => payloads[i])
  }
}

// [C-8] A page of a block that was spoiled is taken with its digest only. Others are not hashed,
// because that takes long page by page.
const hashed = (state: FileState.State, event: FileState.Event): FileState.Event => {
  if (event._tag !== "Pages" || state._tag !== "GetData" || state.spoiled === undefined) return event
  const { indices, payloads } = event.batch
  const digests = payloads.map((payload, i) =>
    FileState.awaitsDigest(state, indices[i]) ? digest(payload) : undefined
  )
  return { ...event, digests }
}

/** An event in the mailbox; `taken` opens once it has been worked on. */
interface Letter {
  readonly event: FileState.Event
  readonly taken?: Latch.Latch
}

/** Gives content that is there already its metadata. Failures are of single entries. */
export type Commit = Effect.Effect<ReadonlyArray<Failure>, StoreError>

/** The writer, which tells of each piece that is written or read. */
const stepping = (writer: FileWriter, steps: Options["steps"] = () => {}): FileWriter => {
  const step = Effect.sync(steps)
  return {
    ...writer,
    write: (offset, bytes) => Effect.andThen(writer.write(offset, bytes), step),
    read: (offset, into) => Effect.andThen(writer.read(offset, into), step)
  }
}

/** The writer, with an assembly that knows the pages which the file has already. */
const openWriter = Effect.fnUntraced(function* ({ layout, opening }: OpenStore, { open, pages, pool, steps }: Options) {
  const writer = stepping(yield* open(layout), steps)
  const assembly = new Assembly(layout, writer, pool, cipherOf(pages, opening))
  const held = Layout.wholePages(layout, writer.held ?? [])
  if (held.length > 0) yield* assembly.hold(held)
  return { assembly, held, writer }
})

/** [F-11] Is the content still right? It may be asked several times. */
const isStillRight = (assembly: Assembly, reads: Options["reads"] = () => {}): Effect.Effect<boolean, StoreError> => {
  const total = Limits.looksAtStanding * assembly.size
  let done = 0
  const told = (bytes: number) => reads({ done: (done += bytes), total })
  return Effect.ensuring(
    assembly.standsStill(told),
    Effect.sync(() => reads(undefined))
  )
}

/** [Y-18] Pages that were held and are wrong, once all that is held is in the file. */
const settled = (layout: Layout.Layout, { settle }: FileWriter, reads: Options["reads"] = () => {}) => {
  if (settle === undefined) return Effect.succeed<Runs>([])
  const settling = settle((done, total) => reads({ done, total }))
  return Effect.ensuring(
    Effect.map(settling, (bytes) => Layout.wholePages(layout, bytes)),
    Effect.sync(() => reads(undefined))
  )
}

type OpenStore = Extract<FileState.Command, { readonly _tag: "OpenStore" }>

const cipherOf = (pages: PageSeal | undefined, opening = 0): Cipher | undefined =>
  pages?.isSealed === true ? (block, offset, bytes) => pages.apply(opening, block, offset, bytes) : undefined

/** The open file, on which the commands work. One that was recognised takes no pages. */
interface Opened {
  readonly commit: Commit
  readonly assembly: Assembly | undefined
  readonly settled: Effect.Effect<Runs, StoreError>
  readonly scope: Scope.Closeable
}

/** An effect whose resources live on in `scope`, unless it fails. */
const inScope = <A, E>(scope: Scope.Closeable, effect: Effect.Effect<A, E, Scope.Scope>) =>
  effect.pipe(
    Effect.provideService(Scope.Scope, scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )

/** The place of one file in the store: the reducer's commands are performed on it. */
class Place {
  private readonly options: Options
  private readonly causeOf: (error: Refusal) => Effect.Effect<SitOutReason>
  private opened: Opened | undefined

  constructor(options: Options) {
    this.options = options
    this.causeOf = options.causeOf ?? ((error) => Effect.succeed({ reason: reasonOf(error), about: "File" }))
  }

  heldBytes(): number {
    return this.opened?.assembly?.heldBytes ?? 0
  }

  /** Performs a command. The outcome is the reducer's next event, where there is one. */
  perform(command: FileState.Command): Effect.Effect<FileState.Event | undefined, StoreError | TransportError> {
    const assembly = this.opened?.assembly
    switch (command._tag) {
      case "OpenStore":
        return Effect.catch(this.open(command), (error) => this.failed("OpenFailed", error))
      case "StorePages":
        return assembly === undefined
          ? Effect.undefined
          : Effect.as(assembly.put(command.batch, command.fresh), undefined)
      case "KeepParity":
        assembly?.keepParity(command.batch, command.fresh)
        return Effect.undefined
      case "DropParity":
        assembly?.dropParity(command.block)
        return Effect.undefined
      case "Recover":
        return assembly === undefined
          ? Effect.undefined
          : Effect.as(assembly.recover(command.block, command.missing), undefined)
      case "Verify":
        return this.opened === undefined || assembly === undefined
          ? Effect.undefined
          : this.verify(command.root, assembly, this.opened.settled)
      case "Compare":
        return assembly === undefined
          ? Effect.undefined
          : Effect.map(assembly.compare(command, command.held), (wrong) => ({ _tag: "Compared", wrong }) as const)
      case "Commit":
        return this.opened === undefined ? Effect.undefined : this.commit(this.opened)
      case "Discard":
        return Effect.as(this.release(Exit.void), undefined)
      case "Answer":
        return Effect.as(this.options.answer(command.answer), undefined)
    }
  }

  /** The store failed, for a reason that may be none of this file's own. */
  failed(event: "OpenFailed" | "StoreFailed", error: Refusal): Effect.Effect<FileState.Event> {
    return Effect.map(this.causeOf(error), (cause) => ({ _tag: event, ...cause }))
  }

  /** Gives everything back; what is not committed is removed. */
  release(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const closing = this.opened
      this.opened = undefined
      closing?.assembly?.release()
      return closing === undefined ? Effect.void : Scope.close(closing.scope, exit)
    })
  }

  private open(command: OpenStore) {
    return Effect.gen({ self: this }, function* () {
      if (yield* this.recognise(command.layout, command.root)) return { _tag: "Recognised" } as const
      const scope = yield* Scope.make()
      const { assembly, held, writer } = yield* inScope(scope, openWriter(command, this.options))
      // only when it is asked for: what it waits for may begin after the open
      const commit = Effect.suspend(() => writer.commit(assembly.skipped, isStillRight(assembly, this.options.reads)))
      this.opened = { commit, scope, assembly, settled: settled(command.layout, writer, this.options.reads) }
      return { _tag: "Opened", held } as const
    })
  }

  private recognise(layout: Layout.Layout, root: Uint8Array | undefined) {
    return Effect.gen({ self: this }, function* () {
      if (root === undefined || this.options.recognise === undefined) return false
      const scope = yield* Scope.make()
      const commit = yield* inScope(scope, this.options.recognise(layout, root))
      if (commit === undefined) yield* Scope.close(scope, Exit.void)
      else this.opened = { commit, scope, assembly: undefined, settled: Effect.succeed([]) }
      return commit !== undefined
    })
  }

  private verify(root: Uint8Array, assembly: Assembly, settled: Opened["settled"]) {
    return Effect.gen({ self: this }, function* () {
      const pages = yield* settled
      if (pages.length > 0) {
        assembly.lose(pages)
        return { _tag: "Lost", pages } as const
      }
      const verdict = assembly.verify(root)
      if (verdict.blocks.length === 0 && !verdict.trailer) yield* this.options.verified
      return { _tag: "Verified", ...verdict } as const
    })
  }

  private commit({ commit }: Opened) {
    return Effect.gen({ self: this }, function* () {
      const failures = yield* commit
      yield* this.release(Exit.void)
      return { _tag: "Committed", failures: [...failures].sort((a, b) => a.entry - b.entry) } as const
    })
  }
}

/** Makes a file; nothing happens before `run` is run. */
export const make = (options: Options): Effect.Effect<CatchFile> => Effect.sync(() => new FileFiber(options))

class FileFiber implements CatchFile {
  private readonly place: Place
  private current: FileState.State
  /**
   * A letter that is put in runs the fiber at once, within the turn of its sender, until the fiber
   * has to wait. A queue would wake it in the event loop's next turn, which at the rate of a slow
   * link costs more than the work. Questions fill the mailbox no further than its limit, and one
   * receiver waits for its letter.
   */
  private readonly mailbox: Array<Letter> = []
  private readonly posted = Latch.makeUnsafe(false)
  private hasEnded = false

  constructor(options: Options) {
    this.place = new Place(options)
    this.current = options.past
  }

  pages(batch: FileState.PageBatch): Effect.Effect<void> {
    const state = this.taking()
    return state === undefined ? Effect.void : this.post({ _tag: "Pages", batch: sound(state.layout, batch) })
  }

  parity(batch: FileState.ParityBatch): Effect.Effect<void> {
    const state = this.taking()
    return state === undefined ? Effect.void : this.post({ _tag: "Parity", batch: soundParity(state.layout, batch) })
  }

  digests({ digests, first, opening }: FileState.Digests): Effect.Effect<void> {
    return this.taking()?.spoiled === undefined ? Effect.void : this.post({ _tag: "Digests", opening, first, digests })
  }

  question(event: FileState.Event): void {
    if (!this.hasEnded && this.mailbox.length < Limits.mailboxQuestions) this.put({ event })
  }

  fail(reason: string): void {
    if (!this.hasEnded) this.put({ event: { _tag: "StoreFailed", reason, about: "Tree" } })
  }

  state(): FileState.State {
    return this.current
  }

  heldBytes(): number {
    return this.place.heldBytes()
  }

  readonly run: Effect.Effect<void, TransportError> = Effect.onExit(
    Effect.gen({ self: this }, function* () {
      do {
        if (this.mailbox.length === 0) {
          this.posted.closeUnsafe()
          yield* this.posted.await
        }
        // a letter stays in the mailbox while it is worked on, so that the end finds the receiver
        // that waits for it
        const { event, taken } = this.mailbox[0]
        yield* this.handle(event)
        this.mailbox.shift()
        taken?.openUnsafe()
      } while (this.mailbox.length > 0 || !isOver(this.current))
    }),
    (exit) => Effect.andThen(this.end, this.place.release(exit))
  )

  /** The state, where what comes is of use in it. */
  private taking(): FileState.GetData | undefined {
    const state = this.current
    return state._tag === "GetData" && state.verifying === undefined ? state : undefined
  }

  private put(letter: Letter): void {
    this.mailbox.push(letter)
    this.posted.openUnsafe()
  }

  // The bytes of pages are the receiver's: it waits until they have been copied, or until the fiber
  // has ended.
  private post(event: FileState.Event): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.hasEnded) return Effect.void
      const taken = Latch.makeUnsafe(false)
      this.put({ event, taken })
      return taken.isOpen() ? Effect.void : taken.await
    })
  }

  private readonly end = Effect.sync(() => {
    this.hasEnded = true
    for (const { taken } of this.mailbox.splice(0)) taken?.openUnsafe()
  })

  // Bound once, not for each batch of pages.
  private readonly handle = Effect.fnUntraced({ self: this }, function* (this: FileFiber, event: FileState.Event) {
    const events: Array<FileState.Event> = [hashed(this.current, event)]
    for (let next = events.shift(); next !== undefined; next = events.shift()) {
      const [stepped, commands] = FileState.step(this.current, next)
      this.current = stepped
      for (const command of commands) {
        const outcome = yield* Effect.catchTag(this.place.perform(command), "StoreError", this.onStoreError)
        if (outcome !== undefined) events.push(outcome)
      }
    }
  })

  private readonly onStoreError = (error: StoreError) => this.place.failed("StoreFailed", error)
}
