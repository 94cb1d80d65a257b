import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as PageStream from "../../src/phase/PageStream.ts"
import { Session } from "../../src/phase/Session.ts"
import * as Layout from "../../src/protocol/Layout.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Hash from "../../src/store/Hash.ts"
import { SourceChanged } from "../../src/store/Source.ts"
import * as Simulated from "../../src/transport/Simulated.ts"
import * as Header from "../../src/wire/Header.ts"
import { endpoint, inTime, master } from "./Rig.ts"

const bytesOf = (size: number) => Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255)

const fileOf = (size: number, options: { readonly pageBytes?: number; readonly members?: number } = {}) => {
  const layout = Layout.make({ size, pageBytes: 512, blockPages: 8, ...options })
  const bytes = bytesOf(size)
  const reads: Array<readonly [offset: number, bytes: number]> = []
  const content = PageStream.content({
    file: 9,
    layout,
    read: (offset, into) =>
      Effect.sync(() => {
        reads.push([offset, into.length])
        into.set(bytes.subarray(offset, offset + into.length))
      })
  })
  return { layout, bytes, content, reads }
}

/** A session whose air sends to one listener; what the listener gets is in `pages`. */
const rig = Effect.gen(function* () {
  const network = yield* Simulated.make({ seed: 1 })
  const listener = yield* endpoint(network.layerCatcher("l"))
  const { session } = yield* master(network)
  const pages: Array<{ readonly page: number; readonly payload: Uint8Array }> = []
  yield* Effect.forkScoped(
    Stream.runForEach(listener.receive, (batch) =>
      Effect.sync(() => {
        for (const { bytes } of batch) {
          Header.split(bytes, (at) => {
            if (Header.typeOf(bytes, at) !== Header.types.Page) return
            assert.isTrue(Header.isOf(bytes, at, Header.sessionOf(session.id)))
            assert.strictEqual(Header.fileOf(bytes, at), 9)
            pages.push({ page: Header.indexOf(bytes, at), payload: Header.bodyOf(bytes, at).slice() })
          })
        }
      })
    )
  )
  const send = (content: PageStream.Content, runs: ReadonlyArray<number>, hashing = false) =>
    inTime(
      Effect.gen(function* () {
        yield* PageStream.send(content, runs, session.air.fresh, hashing)
        yield* session.air.fresh.drained
        yield* Effect.sleep(5)
      }).pipe(Effect.provideService(Session, session))
    )
  return { session, pages, send }
})

describe("PageStream", () => {
  it.effect("sends exactly the pages of a file, each with its header and payload [L-1]", () =>
    Effect.gen(function* () {
      for (const size of [1, 511, 512, 513, 8 * 512, 8 * 512 + 1, 100_000]) {
        const { pages, send } = yield* rig
        const { bytes, content, layout } = fileOf(size)
        yield* send(content, [0, layout.pages], true)
        assert.deepStrictEqual(
          pages.map(({ page }) => page),
          Array.from({ length: layout.pages }, (_, page) => page)
        )
        const sent = Buffer.concat(pages.map(({ payload }) => payload))
        assert.deepStrictEqual(new Uint8Array(sent.subarray(0, size)), bytes)
        assert.deepStrictEqual(new Uint8Array(sent.subarray(size)), content.trailer)
      }
    })
  )

  it.effect("hashes each block when it first passes: the trailer; its hash is the root", () =>
    Effect.gen(function* () {
      const { send } = yield* rig
      const { bytes, content, layout, reads } = fileOf(20_000)
      for (const span of PageStream.spans(layout)) yield* send(content, span, true)
      const blockBytes = 8 * 512
      const hashes = Array.from({ length: layout.blocks }, (_, block) =>
        Hash.hash(bytes.subarray(block * blockBytes, (block + 1) * blockBytes))
      )
      assert.deepStrictEqual(Buffer.from(content.trailer), Buffer.concat(hashes))
      assert.deepStrictEqual(PageStream.root(content), Hash.hash(content.trailer))
      // a repair reads parts of blocks, and hashes nothing
      const whole = reads.splice(0)
      yield* send(content, [1, 2, 9, 1])
      assert.deepStrictEqual(Buffer.from(content.trailer), Buffer.concat(hashes))
      // every block was read once and in one piece
      assert.deepStrictEqual(
        whole,
        hashes.map((_, block) => [block * blockBytes, Math.min(blockBytes, 20_000 - block * blockBytes)] as const)
      )
    })
  )

  it.effect("sends the runs that a round asks for, and reads no more than those", () =>
    Effect.gen(function* () {
      const { pages, send } = yield* rig
      const { bytes, content, layout, reads } = fileOf(20_000)
      const runs = [1, 2, 6, 4, 20, 1, layout.dataPages - 1, 2]
      yield* send(content, runs)
      const asked = [1, 2, 6, 7, 8, 9, 20, layout.dataPages - 1, layout.dataPages]
      assert.deepStrictEqual(
        pages.map(({ page }) => page),
        asked
      )
      for (const { page, payload } of pages) {
        assert.strictEqual(payload.length, Layout.payloadBytes(layout, page))
        if (page < layout.dataPages) {
          assert.deepStrictEqual(payload, bytes.slice(page * 512, page * 512 + payload.length))
        }
      }
      assert.strictEqual(
        reads.reduce((sum, [, length]) => sum + length, 0),
        pages.reduce((sum, { page, payload }) => sum + (page < layout.dataPages ? payload.length : 0), 0)
      )
    })
  )

  it.effect("a bundle's bits of members that could not be read follow the hashes", () =>
    Effect.gen(function* () {
      const layout = Layout.make({ size: 10, pageBytes: 512, members: 20 })
      const content = PageStream.inMemory(1, layout, bytesOf(10), [0, 8, 19])
      assert.deepStrictEqual([...content.trailer.subarray(Limits.hashBytes)], [1, 1, 8])
    })
  )

  it.effect("a batch fits into a slab for every size of page, and its datagrams are equal but for the last", () =>
    Effect.gen(function* () {
      const { session } = yield* rig
      for (const pageBytes of [Limits.minPageBytes, Limits.defaultPageBytes, 8000, Limits.maxPageBytes]) {
        const { content, layout } = fileOf(pageBytes * 5 + 7, { pageBytes })
        const batches = yield* PageStream.pages(content, [0, layout.pages], session.air.fresh, true).pipe(
          Stream.mapEffect((batch) => Effect.as(session.air.fresh.giveBack(batch.slab), batch)),
          Stream.runCollect,
          Effect.provideService(Session, session)
        )
        for (const { bytes, datagramBytes } of batches) {
          assert.isAtMost(bytes, Limits.slabBytes)
          assert.isAbove(bytes, 0)
          assert.strictEqual(datagramBytes, Limits.headerBytes + layout.pageBytes)
        }
      }
    })
  )

  it.effect("nothing drains: no more slabs are filled, and no more is read, than the lane has", () =>
    Effect.gen(function* () {
      const { session } = yield* rig
      const { content, layout, reads } = fileOf(3_000_000)
      // takes slabs and gives none back, as an air whose window is closed
      let taken = 0
      const { fresh } = session.air
      const stuck = { ...fresh, carry: () => Effect.sync(() => void taken++) }
      const fiber = yield* Effect.forkChild(
        PageStream.send(content, [0, layout.pages], stuck, true).pipe(Effect.provideService(Session, session))
      )
      yield* inTime(Effect.sleep(50))
      assert.isUndefined(fiber.pollUnsafe())
      assert.strictEqual(taken, Limits.airSlabs)
      const most = Limits.airSlabs * Limits.slabBytes + 8 * 512
      assert.isAtMost(
        reads.reduce((sum, [, bytes]) => sum + bytes, 0),
        most
      )
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("a source that fails, fails the stream, and its slab goes back to the lane", () =>
    Effect.gen(function* () {
      const { session } = yield* rig
      const { layout } = fileOf(5000)
      const read = () => Effect.fail(new SourceChanged({ path: "f" }))
      const failing = PageStream.content({ file: 9, layout, read })
      for (let i = 0; i < 3 * Limits.airSlabs; i++) {
        const error = yield* PageStream.send(failing, [0, 3], session.air.fresh).pipe(
          Effect.flip,
          Effect.provideService(Session, session)
        )
        assert.strictEqual(error._tag, "SourceChanged")
      }
      for (let i = 0; i < Limits.airSlabs; i++)
        yield* inTime(
          session.air.fresh.slab(() => {}),
          10
        )
    })
  )
})
