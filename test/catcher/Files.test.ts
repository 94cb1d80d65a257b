import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { BlockPool } from "../../src/catcher/Assembly.ts"
import * as CatchFile from "../../src/catcher/FileFiber.ts"
import * as CatchFiles from "../../src/catcher/Files.ts"
import { digest, hash } from "../../src/content/Hash.ts"
import * as FileState from "../../src/protocol/file/FileState.ts"
import * as Layout from "../../src/protocol/file/Layout.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { type FileWriter, StoreError } from "../../src/store/Store.ts"

const file = 4
const pageBytes = 64
const size = 1000
const content = Uint8Array.from({ length: size }, (_, i) => (i * 7) & 255)
const layout = Layout.make({ size, pageBytes, blockPages: 4 })
const trailer = Buffer.concat(
  Array.from({ length: layout.blocks }, (_, block) =>
    hash(content.subarray(block * 4 * pageBytes, (block + 1) * 4 * pageBytes))
  )
)
const root = hash(trailer)
const payload = (page: number) => {
  const bytes = page < layout.dataPages ? content : trailer
  const at = (page < layout.dataPages ? page : page - layout.dataPages) * pageBytes
  return new Uint8Array(bytes.subarray(at, at + pageBytes))
}
const batch = (...indices: ReadonlyArray<number>) => ({ indices, payloads: indices.map(payload) })
const all = batch(...Array.from({ length: layout.pages }, (_, page) => page))

const open = { _tag: "Open", layout } as const
const eof = (round: number): FileState.Event => ({
  _tag: "Eof",
  round,
  first: 0,
  count: layout.pages,
  root,
  counts: false
})
const close: FileState.Event = { _tag: "Close", from: 0 }
const abort: FileState.Event = { _tag: "Abort" }

/** A catcher's files over a store that counts what is done to it. */
const rig = Effect.fnUntraced(function* (
  fault: Partial<FileWriter> = {},
  openFault?: StoreError,
  recognise?: CatchFile.Options["recognise"]
) {
  const did = { opened: 0, closed: 0, committed: 0, verified: 0 }
  const bytes = new Uint8Array(size)
  const answers: Array<FileState.Answer> = []
  const writer: FileWriter = {
    write: (offset, from) => Effect.sync(() => bytes.set(from, offset)),
    read: (offset, into) => Effect.sync(() => into.set(bytes.subarray(offset, offset + into.length))),
    commit: () =>
      Effect.as(
        Effect.andThen(
          Effect.yieldNow,
          Effect.sync(() => did.committed++)
        ),
        [{ entry: 1, reason: "no" }]
      ),
    ...fault
  }
  const files = yield* CatchFiles.make(() => ({
    pool: new BlockPool(4 * pageBytes),
    ...(recognise === undefined ? {} : { recognise }),
    open: () =>
      openFault !== undefined
        ? Effect.fail(openFault)
        : Effect.acquireRelease(
            Effect.sync(() => {
              did.opened++
              return writer
            }),
            () => Effect.sync(() => did.closed++)
          ),
    verified: Effect.sync(() => did.verified++),
    answer: (answer) => Effect.sync(() => void answers.push(answer))
  }))
  const settle = Effect.repeat(Effect.yieldNow, { times: 50 })
  /** Asks, and gives what is answered. */
  const ask = (...events: ReadonlyArray<FileState.Event>) =>
    Effect.gen(function* () {
      answers.length = 0
      for (const event of events) yield* files.question(file, event)
      yield* settle
      return [...answers]
    })
  const pages = (batch: FileState.PageBatch) => Effect.andThen(files.pages(file, batch), settle)
  /** The master's digests of pages that are told of together. */
  const tell = (first: number, count: number) => {
    const digests = Buffer.concat(Array.from({ length: count }, (_, i) => digest(payload(first + i))))
    return Effect.andThen(files.digests(file, { _tag: "Digests", first, digests }), settle)
  }
  return { files, did, bytes, ask, pages, settle, tell, live: () => [...files.states()].length }
})

const tags = (answers: ReadonlyArray<FileState.Answer>) => answers.map((answer) => answer._tag)

describe("CatchFiles", () => {
  it.effect(
    "one that is written in place is read once more: what another program wrote there is no success [F-11]",
    () =>
      Effect.gen(function* () {
        const changed = new StoreError({ code: "ESTALE", path: "f", reason: "another program wrote to it" })
        const commit: FileWriter["commit"] = (_, isRight = Effect.succeed(true)) =>
          Effect.flatMap(isRight, (right) => (right ? Effect.succeed([]) : Effect.fail(changed)))
        for (const isInPlace of [true, false]) {
          const { ask, bytes, did, pages } = yield* rig(isInPlace ? { commit } : {})
          yield* ask(open)
          yield* pages(all)
          assert.deepStrictEqual(tags(yield* ask(eof(1))), ["Complete"])
          bytes[size - 1] ^= 1
          assert.deepStrictEqual(tags(yield* ask(close)), [isInPlace ? "SitOut" : "CloseOk"])
          assert.strictEqual(did.committed, isInPlace ? 0 : 1)
          assert.strictEqual(did.closed, 1)
        }
      })
  )
  it.effect("a file from its open to its commit, each question asked twice: the same answers, one effect [C-1]", () =>
    Effect.gen(function* () {
      const { ask, bytes, did, pages } = yield* rig()
      for (let i = 0; i < 2; i++) assert.deepStrictEqual(tags(yield* ask(open)), ["OpenOk"])
      yield* pages(batch(0, 5, layout.pages - 1))
      const missing = yield* ask(eof(1))
      assert.deepStrictEqual(tags(missing), ["Missing"])
      assert.deepStrictEqual(yield* ask(eof(1)), missing)
      yield* pages(all)
      for (let i = 0; i < 2; i++) assert.deepStrictEqual(tags(yield* ask(eof(2))), ["Complete"])
      const closed = yield* ask(close)
      assert.deepStrictEqual(closed, [{ _tag: "CloseOk", from: 0, failures: [{ entry: 1, reason: "no" }] }])
      assert.deepStrictEqual(yield* ask(close), closed)
      assert.deepStrictEqual(did, { opened: 1, closed: 1, committed: 1, verified: 1 })
      assert.deepStrictEqual(bytes, content)
    })
  )

  it.effect(
    "one more open than it keeps: the file asked about longest ago is dropped, and never the manifest [F-7]",
    () =>
      Effect.gen(function* () {
        const { ask, did, files, live, settle } = yield* rig()
        const openAll = (from: number, to: number) =>
          Effect.forEach(
            Array.from({ length: to - from }, (_, i) => from + i),
            (file) => files.question(file, open)
          )
        yield* openAll(0, Limits.keptFiles + 1)
        yield* settle
        assert.strictEqual(live(), Limits.keptFiles + 1)
        yield* files.question(1, eof(1))
        yield* openAll(100, 101)
        yield* settle
        assert.strictEqual(did.closed, 1)
        const openOf = (file: number) => files.stateOf(file)?._tag
        assert.deepStrictEqual([openOf(0), openOf(1), openOf(2), openOf(3)], ["GetData", "GetData", "Idle", "GetData"])
        // it says so, and can be opened again
        yield* ask()
        yield* files.question(2, eof(1))
        yield* settle
        yield* files.question(2, close)
        yield* settle
        yield* files.question(2, open)
        yield* settle
        assert.strictEqual(openOf(2), "GetData")
      })
  )

  it.effect("its fiber retires after the commit, and a later question finds the same answer [C-1]", () =>
    Effect.gen(function* () {
      const { ask, did, files, live, pages } = yield* rig()
      yield* ask(open)
      assert.strictEqual(live(), 1)
      yield* pages(all)
      yield* ask(eof(1))
      const closed = yield* ask(close)
      assert.strictEqual(live(), 0)
      for (let i = 0; i < 3; i++) {
        assert.deepStrictEqual(yield* ask(close), closed)
        assert.deepStrictEqual(tags(yield* ask(eof(7))), ["Complete"])
        assert.deepStrictEqual(tags(yield* ask(open)), ["Complete"])
        assert.strictEqual(live(), 0)
      }
      assert.deepStrictEqual(did, { opened: 1, closed: 1, committed: 1, verified: 1 })
      assert.deepInclude(files.stateOf(file), { _tag: "Idle", past: "Committed" })
    })
  )

  it.effect("sat out, its fiber retires and goes on answering with the reason", () =>
    Effect.gen(function* () {
      const full = new StoreError({ code: "ENOSPC", path: "", reason: "disk full" })
      const { ask, did, live, pages } = yield* rig({ write: () => Effect.fail(full) })
      yield* ask(open)
      yield* pages(all)
      assert.strictEqual(live(), 0)
      for (const question of [eof(1), close, open, eof(1)]) {
        assert.deepStrictEqual(yield* ask(question), [{ _tag: "SitOut", reason: "disk full", about: "File" }])
      }
      assert.deepStrictEqual(did, { opened: 1, closed: 1, committed: 0, verified: 0 })
    })
  )

  it.effect(
    "what is recognised is not opened: Complete at once, pages are not taken, its own commit at the close [O-4]",
    () =>
      Effect.gen(function* () {
        const scope = { held: 0 }
        const asked: Array<Uint8Array> = []
        const { ask, did, live, pages } = yield* rig({}, undefined, (_, root) =>
          Effect.gen(function* () {
            asked.push(root)
            yield* Effect.acquireRelease(
              Effect.sync(() => scope.held++),
              () => Effect.sync(() => scope.held--)
            )
            return Effect.succeed([{ entry: 9, reason: "EPERM" }])
          })
        )
        const rooted: FileState.Event = { ...open, root }
        for (let i = 0; i < 2; i++) assert.deepStrictEqual(tags(yield* ask(rooted)), ["Complete"])
        assert.strictEqual(scope.held, 1)
        yield* pages(all)
        const closed = yield* ask(close)
        assert.deepStrictEqual(closed, [{ _tag: "CloseOk", from: 0, failures: [{ entry: 9, reason: "EPERM" }] }])
        assert.deepStrictEqual(yield* ask(close), closed)
        assert.deepStrictEqual([scope.held, live(), asked.length], [0, 0, 1])
        assert.deepStrictEqual(did, { opened: 0, closed: 0, committed: 0, verified: 0 })
        // what it is not is opened and received, and without a root nobody looks
        const other = yield* rig({}, undefined, () => Effect.undefined)
        assert.deepStrictEqual(tags(yield* other.ask(rooted)), ["OpenOk"])
        assert.strictEqual(other.did.opened, 1)
        const unasked = yield* rig({}, undefined, () => Effect.die("nobody asked"))
        assert.deepStrictEqual(tags(yield* unasked.ask(open)), ["OpenOk"])
      })
  )

  it.effect("what cannot be opened is sat out", () =>
    Effect.gen(function* () {
      const { ask, live } = yield* rig({}, new StoreError({ code: "EROFS", path: "f", reason: "read-only" }))
      for (let i = 0; i < 2; i++) {
        assert.deepStrictEqual(yield* ask(open), [{ _tag: "SitOut", reason: "read-only", about: "File" }])
      }
      assert.strictEqual(live(), 0)
    })
  )

  it.effect("bytes that the file has already are not asked for", () =>
    Effect.gen(function* () {
      // five whole pages, and a part of the sixth
      const heldBytes = 5 * pageBytes + 1
      const { ask, bytes, did, pages } = yield* rig({ held: [0, heldBytes] })
      bytes.set(content.subarray(0, heldBytes))
      assert.deepStrictEqual(tags(yield* ask(open)), ["OpenOk"])
      const [missing] = yield* ask(eof(1))
      // of the span that has the first gap
      assert.deepStrictEqual(missing?._tag === "Missing" && missing.runs, [5, 3])
      yield* pages(batch(...Array.from({ length: layout.pages - 5 }, (_, i) => 5 + i)))
      assert.deepStrictEqual(tags(yield* ask(eof(2))), ["Complete"])
      assert.deepStrictEqual(bytes, content)
      assert.deepStrictEqual(tags(yield* ask(close)), ["CloseOk"])
      assert.strictEqual(did.committed, 1)
    })
  )

  it.effect("bytes that the file has already and cannot be read are why it is not opened; its file is closed", () =>
    Effect.gen(function* () {
      const failing = () => Effect.fail(new StoreError({ code: "EIO", path: "f", reason: "input/output error" }))
      const { ask, did } = yield* rig({ held: [0, size], read: failing })
      assert.deepStrictEqual(yield* ask(open), [{ _tag: "SitOut", reason: "input/output error", about: "File" }])
      assert.strictEqual(did.closed, 1)
    })
  )

  it.effect("dropped half way, its file is closed; it may be opened again", () =>
    Effect.gen(function* () {
      const { ask, did, live, pages } = yield* rig()
      yield* ask(open)
      yield* pages(batch(1))
      for (let i = 0; i < 2; i++) assert.deepStrictEqual(tags(yield* ask(abort)), ["Aborted"])
      assert.strictEqual(live(), 0)
      assert.deepStrictEqual([did.opened, did.closed], [1, 1])
      yield* ask(open)
      assert.deepStrictEqual([did.opened, did.closed], [2, 1])
      yield* pages(all)
      assert.deepStrictEqual(tags(yield* ask(eof(1), close)), ["Complete", "CloseOk"])
    })
  )

  it.effect("pages of a length that is not theirs, or beyond the file, are not taken [C-3]", () =>
    Effect.gen(function* () {
      const { ask, bytes, pages } = yield* rig()
      yield* ask(open)
      const evil = new Uint8Array(5000).fill(0xee)
      const last = layout.pages - 1
      yield* pages({
        indices: [0, 1, layout.dataPages - 1, last, layout.pages, 0xffff_ffff],
        payloads: [evil, evil.subarray(0, 1), evil.subarray(0, pageBytes), evil, evil, evil.subarray(0, pageBytes)]
      })
      const [answer] = yield* ask({
        _tag: "Eof",
        round: 1,
        first: 0,
        count: layout.pages,
        root: undefined,
        counts: false
      })
      assert.deepStrictEqual(answer._tag === "Missing" && answer.runs[0], 0)
      yield* pages(all)
      assert.deepStrictEqual(tags(yield* ask(eof(2))), ["Complete"])
      assert.deepStrictEqual(bytes, content)
    })
  )

  it.effect("pages of another opening are not taken, also where some beside them have a wrong length [E-1]", () =>
    Effect.gen(function* () {
      const { ask, files, pages } = yield* rig()
      yield* ask({ ...open, opening: 2 })
      const held = () => {
        const state = files.stateOf(file)
        return state?._tag === "GetData" ? state.pages.held : -1
      }
      const some = { indices: [0, 1], payloads: [payload(0), new Uint8Array(1)] }
      yield* pages({ ...some, opening: 1 })
      assert.strictEqual(held(), 0)
      yield* pages({ ...some, opening: 2 })
      assert.strictEqual(held(), 1)
    })
  )

  it.effect(
    "damaged pages: their block is asked for again, and nothing is complete before it is right [C-6] [C-8]",
    () =>
      Effect.gen(function* () {
        const { ask, bytes, did, pages, tell } = yield* rig()
        yield* ask(open)
        const damaged = { indices: all.indices, payloads: all.payloads.map((payload) => payload.slice()) }
        damaged.payloads[5][3] ^= 1
        yield* pages(damaged)
        const missing = { _tag: "Missing", first: 4, count: 4, lacks: undefined, spoiled: true } as const
        assert.deepStrictEqual(yield* ask(eof(1)), [{ ...missing, round: 1, runs: [4, 1] }])
        assert.strictEqual(did.verified, 0)
        // before its digest is told the right page is as good as any
        yield* pages(all)
        assert.deepStrictEqual(yield* ask(eof(2)), [{ ...missing, round: 2, runs: [4, 1] }])
        yield* tell(4, 4)
        assert.deepStrictEqual(yield* ask(eof(3)), [{ ...missing, round: 3, runs: [4, 2] }])
        for (let i = 0; i < 20; i++) yield* pages(damaged)
        assert.deepStrictEqual(yield* ask(eof(4)), [{ ...missing, round: 4, runs: [5, 1] }])
        yield* pages(all)
        assert.deepStrictEqual(tags(yield* ask(eof(5))), ["Complete"])
        assert.deepStrictEqual(bytes, content)
      })
  )

  it.effect("a damaged trailer: it is asked for again, and then the blocks are judged by it [C-8]", () =>
    Effect.gen(function* () {
      const { ask, bytes, pages, tell } = yield* rig()
      yield* ask(open)
      const { indices, payloads } = all
      const isWrong = (page: number) => page === 0 || page === layout.dataPages
      yield* pages({
        indices,
        payloads: payloads.map((bytes, i) => (isWrong(indices[i]) ? bytes.map(() => 9) : bytes))
      })
      const trailer = layout.pages - layout.dataPages
      const about = { _tag: "Missing", lacks: undefined, spoiled: true } as const
      const [first] = yield* ask(eof(1))
      assert.deepInclude(first, { ...about, runs: [layout.dataPages, 1] })
      yield* tell(layout.dataPages, trailer)
      yield* pages(all)
      const [second] = yield* ask(eof(2))
      assert.deepInclude(second, { ...about, first: 0, runs: [0, 1] })
      yield* tell(0, 4)
      yield* pages(all)
      assert.deepStrictEqual(tags(yield* ask(eof(3))), ["Complete"])
      assert.deepStrictEqual(bytes, content)
    })
  )

  it.effect("digests of a file that nobody opened, or in which nothing is spoiled, change nothing [C-3]", () =>
    Effect.gen(function* () {
      const { ask, files, live, pages, tell } = yield* rig()
      yield* tell(0, 4)
      assert.strictEqual(live(), 0)
      yield* ask(open)
      const before = files.stateOf(file)
      yield* tell(0, 4)
      assert.strictEqual(files.stateOf(file), before)
      yield* pages(all)
      assert.deepStrictEqual(tags(yield* ask(eof(1))), ["Complete"])
    })
  )

  it.effect("questions of a file that nobody opened begin nothing, and are told so [Q-14]; its pages neither", () =>
    Effect.gen(function* () {
      const { ask, did, live, pages } = yield* rig()
      for (const question of [eof(1), close]) assert.deepStrictEqual(tags(yield* ask(question)), ["Aborted"])
      yield* pages(all)
      assert.strictEqual(live(), 0)
      assert.strictEqual(did.opened, 0)
    })
  )

  it.effect("a file that was never opened can be dropped: the answer is the same [F-4]", () =>
    Effect.gen(function* () {
      const { ask, did, live } = yield* rig()
      for (let i = 0; i < 2; i++) assert.deepStrictEqual(tags(yield* ask(abort)), ["Aborted"])
      assert.strictEqual(live(), 0)
      assert.strictEqual(did.opened, 0)
    })
  )

  it.effect("many questions at once: those beyond the mailbox are dropped, none is answered wrongly", () =>
    Effect.gen(function* () {
      const { ask, did, pages } = yield* rig()
      yield* ask(open)
      yield* pages(all)
      yield* ask(eof(1))
      // the commit takes a while: what is asked meanwhile waits
      const answers = yield* ask(...Array.from({ length: 5 * Limits.mailboxQuestions }, () => close))
      assert.isAtMost(answers.length, Limits.mailboxQuestions)
      assert.deepStrictEqual(new Set(tags(answers)), new Set(["CloseOk"]))
      assert.deepStrictEqual([did.opened, did.committed], [1, 1])
    })
  )

  it.effect(
    "a receiver that waits for pages to be taken is let go when the file's fiber ends, and so is one that comes later",
    () =>
      Effect.gen(function* () {
        const opened = yield* Deferred.make<void>()
        const caught = yield* CatchFile.make({
          past: FileState.initial,
          pool: new BlockPool(4 * pageBytes),
          // the disk never answers
          open: () =>
            Effect.succeed({ write: () => Effect.never, read: () => Effect.never, commit: () => Effect.never }),
          verified: Effect.void,
          answer: () => Effect.asVoid(Deferred.succeed(opened, undefined))
        })
        const fiber = yield* Effect.forkChild(caught.run)
        caught.question(open)
        yield* Deferred.await(opened)
        const waiting = yield* Effect.forkChild(caught.pages(all), { startImmediately: true })
        const behind = yield* Effect.forkChild(caught.pages(all), { startImmediately: true })
        yield* Effect.yieldNow
        assert.isUndefined(waiting.pollUnsafe())
        assert.isUndefined(behind.pollUnsafe())
        yield* Fiber.interrupt(fiber)
        yield* Fiber.join(waiting)
        yield* Fiber.join(behind)
        yield* caught.pages(all)
      })
  )

  it.effect("a file that is unfinished at the end of the session leaves no file open", () =>
    Effect.gen(function* () {
      const did = yield* Effect.scoped(
        Effect.gen(function* () {
          const { ask, did, pages } = yield* rig()
          yield* ask(open)
          yield* pages(batch(1, 2))
          return did
        })
      )
      assert.deepStrictEqual([did.opened, did.closed, did.committed], [1, 1, 0])
    })
  )
})
