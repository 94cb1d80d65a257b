/**
 * One file at a catcher: the four-state reducer run inside a fiber. The fiber takes events from its mailbox, steps the
 * reducer, runs the commands against the store and sends the answers; what the reducer decides is not decided here.
 */

import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import * as FileState from "../protocol/file/FileState.ts"
import * as Layout from "../protocol/file/Layout.ts"
import * as Limits from "../protocol/Limits.ts"
import type { DestinationEscape, FileWriter, StoreError } from "../store/Store.ts"
import { reasonOf } from "../store/Store.ts"
import type { TransportError } from "../transport/Transport.ts"
import type { Failure } from "../wire/Message.ts"
import { Assembly, type BlockPool, type Verdict } from "./Assembly.ts"

/** What a file at a catcher stands on. */
export interface Options {
  /** Where an earlier fiber of this file ended; `FileState.initial` for a new one. */
  readonly past: FileState.State
  /** Memory for its blocks, shared with other files. */
  readonly pool: BlockPool
  /** Opens the place for the content; its scope ends when the file is committed or dropped. */
  readonly open: (layout: Layout.Layout) => Effect.Effect<FileWriter, Refusal, Scope.Scope>
  /**
   * Is the content, with this root, there already? Then its commit, which needs no page; undefined: it has to come. Like `open`
   * it keeps in its scope what the commit needs.
   */
  readonly recognise?: (
    layout: Layout.Layout,
    root: Uint8Array
  ) => Effect.Effect<Commit | undefined, never, Scope.Scope>
  /** Once every hash agrees, before Complete is answered (the manifest is put to use here). */
  readonly verified: Effect.Effect<void, StoreError>
  /** Tells the master. */
  readonly answer: (answer: FileState.Answer) => Effect.Effect<void, TransportError>
  /** What a failure comes from: it may be none of this file's own. */
  readonly causeOf?: (error: Refusal) => Effect.Effect<Refusal>
}

/** Why a place for a file is refused. */
export type Refusal = StoreError | DestinationEscape

/** One file at a catcher: a mailbox, and the fiber that empties it. */
export interface CatchFile {
  /** Completes when the pages have been taken in, so that the receiver waits. Pages that no state would take are dropped. */
  readonly pages: (batch: FileState.PageBatch) => Effect.Effect<void>
  /** As `pages`. */
  readonly parity: (batch: FileState.ParityBatch) => Effect.Effect<void>
  /** Dropped when the mailbox is full: it will be asked again. */
  readonly question: (event: FileState.Event) => void
  /** The store has failed. */
  readonly fail: (reason: string) => void
  /** As of now. */
  readonly state: () => FileState.State
  /** Runs until the file is committed, dropped or sat out, and nothing more is asked. What is unfinished then is removed. */
  readonly run: Effect.Effect<void, TransportError>
}

/** Nothing is open: a later question may be answered by another fiber, from this state. */
const isOver = (state: FileState.State): boolean =>
  state._tag === "Sick" || (state._tag === "Idle" && state.past !== "Opening")

// A page is taken only with the length that the layout gives it, so that a copy never leaves its block.
const isSound = (layout: Layout.Layout, page: number, payload: Uint8Array): boolean =>
  page < layout.pages && payload.length === Layout.payloadBytes(layout, page)

const sound = (layout: Layout.Layout, batch: FileState.PageBatch): FileState.PageBatch => {
  const { indices, payloads } = batch
  let soundPages = 0
  while (soundPages < payloads.length && isSound(layout, indices[soundPages], payloads[soundPages])) soundPages++
  if (soundPages === payloads.length) return batch
  const kept = payloads.map((_, i) => i).filter((i) => isSound(layout, indices[i], payloads[i]))
  return { indices: kept.map((i) => indices[i]), payloads: kept.map((i) => payloads[i]) }
}

const soundParity = (layout: Layout.Layout, batch: FileState.ParityBatch): FileState.ParityBatch => {
  const { blocks, indices, payloads } = batch
  if (payloads.every((payload) => payload.length === layout.pageBytes)) return batch
  const kept = payloads.map((_, i) => i).filter((i) => payloads[i].length === layout.pageBytes)
  return {
    blocks: kept.map((i) => blocks[i]),
    indices: kept.map((i) => indices[i]),
    payloads: kept.map((i) => payloads[i])
  }
}

/** An event in the mailbox; `taken` opens once it has been worked on. */
interface Letter {
  readonly event: FileState.Event
  readonly taken?: Latch.Latch
}

/** Gives content that is there already its metadata. Failures are of single entries. */
export type Commit = Effect.Effect<ReadonlyArray<Failure>, StoreError>

/** The writer, with an assembly that knows the pages which the file has already. */
const openWriter = Effect.fnUntraced(function* (layout: Layout.Layout, { open, pool }: Options) {
  const writer = yield* open(layout)
  const assembly = new Assembly(layout, writer, pool)
  const held = Layout.wholePages(layout, writer.held ?? [])
  if (held.length > 0) yield* assembly.hold(held)
  return { assembly, held, writer }
})

/** What the commands work on while the file is open; what was recognised takes no pages. */
interface Opened {
  readonly commit: Commit
  readonly assembly: Assembly | undefined
  readonly scope: Scope.Closeable
}

/** Makes a file; nothing happens before `run` is run. */
export const make = (options: Options): Effect.Effect<CatchFile> =>
  Effect.gen(function* () {
    // Whoever puts something in runs the fiber then and there, within its own turn and until it has to wait: a queue would wake
    // it in the event loop's next turn, which at the rate of a slow link costs more than the work. Questions fill it no further
    // than its limit, and one receiver waits for its letter.
    const mailbox: Array<Letter> = []
    const posted = Latch.makeUnsafe(false)
    const put = (letter: Letter) => {
      mailbox.push(letter)
      posted.openUnsafe()
    }
    const { causeOf = Effect.succeed<Refusal> } = options
    let state = options.past
    let opened: Opened | undefined

    const release = (exit: Exit.Exit<unknown, unknown>) =>
      Effect.suspend(() => {
        const closing = opened
        opened = undefined
        closing?.assembly?.release()
        return closing === undefined ? Effect.void : Scope.close(closing.scope, exit)
      })

    const inScope = <A, E>(scope: Scope.Closeable, effect: Effect.Effect<A, E, Scope.Scope>) =>
      effect.pipe(
        Effect.provideService(Scope.Scope, scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )

    const recognise = Effect.fnUntraced(function* (layout: Layout.Layout, root: Uint8Array | undefined) {
      if (root === undefined || options.recognise === undefined) return false
      const scope = yield* Scope.make()
      const commit = yield* inScope(scope, options.recognise(layout, root))
      if (commit === undefined) yield* Scope.close(scope, Exit.void)
      else opened = { commit, scope, assembly: undefined }
      return commit !== undefined
    })

    const openStore = Effect.fnUntraced(function* (layout: Layout.Layout, root: Uint8Array | undefined) {
      if (yield* recognise(layout, root)) return { _tag: "Recognised" } as const
      const scope = yield* Scope.make()
      const { assembly, held, writer } = yield* inScope(scope, openWriter(layout, options))
      // only when it is asked for: what it waits for may begin after the open
      opened = { commit: Effect.suspend(() => writer.commit(assembly.skipped)), scope, assembly }
      return { _tag: "Opened", held } as const
    })

    const verify = Effect.fnUntraced(function* (root: Uint8Array, assembly: Assembly) {
      const verdict: Verdict = assembly.verify(root)
      if (verdict.blocks.length === 0 && !verdict.trailer) yield* options.verified
      return { _tag: "Verified", ...verdict } as const
    })

    const commitOpened = Effect.fnUntraced(function* ({ commit }: Opened) {
      const failures = yield* commit
      yield* release(Exit.void)
      return { _tag: "Committed", failures: [...failures].sort((a, b) => a.entry - b.entry) } as const
    })

    // What a command brings about, as the reducer's next event.
    const perform = (
      command: FileState.Command
    ): Effect.Effect<FileState.Event | undefined, StoreError | TransportError> => {
      const assembly = opened?.assembly
      switch (command._tag) {
        case "OpenStore":
          return Effect.catch(openStore(command.layout, command.root), (error) =>
            Effect.map(causeOf(error), (cause) => ({ _tag: "OpenFailed", reason: reasonOf(cause) }) as const)
          )
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
          return assembly === undefined ? Effect.undefined : verify(command.root, assembly)
        case "Commit":
          return opened === undefined ? Effect.undefined : commitOpened(opened)
        case "Discard":
          return Effect.as(release(Exit.void), undefined)
        case "Answer":
          return Effect.as(options.answer(command.answer), undefined)
      }
    }

    const handle = Effect.fnUntraced(function* (event: FileState.Event) {
      const events: Array<FileState.Event> = [event]
      for (let next = events.shift(); next !== undefined; next = events.shift()) {
        const [stepped, commands] = FileState.step(state, next)
        state = stepped
        for (const command of commands) {
          const outcome = yield* Effect.catchTag(perform(command), "StoreError", (error) =>
            Effect.map(causeOf(error), (cause): FileState.Event => ({ _tag: "StoreFailed", reason: reasonOf(cause) }))
          )
          if (outcome !== undefined) events.push(outcome)
        }
      }
    })

    // The bytes of pages are the receiver's: it waits until they have been copied, or nobody is there any more to do so.
    let ended = false
    const post = (event: FileState.Event) =>
      Effect.suspend(() => {
        if (ended) return Effect.void
        const taken = Latch.makeUnsafe(false)
        put({ event, taken })
        return taken.isOpen() ? Effect.void : taken.await
      })
    const end = Effect.sync(() => {
      ended = true
      for (const { taken } of mailbox.splice(0)) taken?.openUnsafe()
    })

    return {
      pages: (batch) =>
        state._tag === "GetData" && state.verifying === undefined
          ? post({ _tag: "Pages", batch: sound(state.layout, batch) })
          : Effect.void,
      parity: (batch) =>
        state._tag === "GetData" && state.verifying === undefined
          ? post({ _tag: "Parity", batch: soundParity(state.layout, batch) })
          : Effect.void,
      fail: (reason) => {
        if (!ended) put({ event: { _tag: "StoreFailed", reason } })
      },
      question: (event) => {
        if (!ended && mailbox.length < Limits.mailboxQuestions) put({ event })
      },
      state: () => state,
      run: Effect.onExit(
        Effect.gen(function* () {
          do {
            if (mailbox.length === 0) {
              posted.closeUnsafe()
              yield* posted.await
            }
            // it stays in the mailbox while it is worked on, so that the end finds who waits for it
            const { event, taken } = mailbox[0]
            yield* handle(event)
            mailbox.shift()
            taken?.openUnsafe()
          } while (mailbox.length > 0 || !isOver(state))
        }),
        (exit) => Effect.andThen(end, release(exit))
      )
    }
  })
