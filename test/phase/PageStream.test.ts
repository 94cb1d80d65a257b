import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Blocks from "../../src/delta/Blocks.ts"
import * as Hash from "../../src/content/Hash.ts"
import * as Code from "../../src/parity/Code.ts"
import * as PageStream from "../../src/phase/PageStream.ts"
import * as Layout from "../../src/protocol/file/Layout.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Demand from "../../src/session/Demand.ts"
import { messages } from "../../src/session/Exchange.ts"
import { SourceChanged } from "../../src/source/Source.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import * as Header from "../../src/wire/Header.ts"
import type { Message } from "../../src/wire/Message.ts"
import { endpoint, inTime, master } from "./Rig.ts"

const bytesOf = (size: number) => Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255)

const fileOf = (
  size: number,
  options: { readonly pageBytes?: number; readonly members?: number; readonly step?: number } = {}
) => {
  const { step, ...pages } = options
  const bytes = bytesOf(size)
  const signature = step === undefined ? undefined : Blocks.ofContent(bytes, step * 512)
  const signed = signature && { blockPages: 8, hash: Blocks.hashOf(signature) }
  const layout = Layout.make({ size, pageBytes: 512, blockPages: 8, signed, ...pages })
  const reads: Array<readonly [offset: number, bytes: number]> = []
  const content = PageStream.content({
    file: 9,
    layout,
    signature,
    changed: signature && new SourceChanged({ path: "f" }),
    read: (offset, into) =>
      Effect.sync(() => {
        reads.push([offset, into.length])
        into.set(bytes.subarray(offset, offset + into.length))
      })
  })
  return { layout, bytes, content, reads }
}

/** A session whose air sends to one listener; what the listener gets is in `pages` and `parity`. */
const rig = Effect.gen(function* () {
  const network = yield* Simulated.make({ seed: 1 })
  const listener = yield* endpoint(network.layerCatcher("l"))
  const { session } = yield* master(network)
  const pages: Array<{ readonly page: number; readonly payload: Uint8Array }> = []
  const parity: typeof pages = []
  /** What arrived before so many pages had. */
  const told: Array<{ readonly message: Message; readonly pages: number }> = []
  yield* Effect.forkScoped(
    Stream.runForEach(listener.receive, (batch) =>
      Effect.sync(() => {
        for (const { bytes } of batch) {
          Header.split(bytes, (at) => {
            const type = Header.typeOf(bytes, at)
            if (type === Header.types.Digests)
              told.push({ message: messages(bytes.subarray(at))[0], pages: pages.length })
            if (type !== Header.types.Page && type !== Header.types.Parity) return
            assert.isTrue(Header.isOf(bytes, at, Header.sessionOf(session.id)))
            assert.strictEqual(Header.fileOf(bytes, at), 9)
            const to = type === Header.types.Page ? pages : parity
            to.push({ page: Header.indexOf(bytes, at), payload: Header.bodyOf(bytes, at).slice() })
          })
        }
      })
    )
  )
  const send = (
    content: PageStream.Content,
    runs: ReadonlyArray<number>,
    hashing = false,
    digested: ReadonlyArray<number> = []
  ) =>
    inTime(
      Effect.gen(function* () {
        yield* PageStream.send(content, runs, session.fresh, hashing, Demand.always, digested)
        yield* session.fresh.drained
        yield* Effect.sleep(5)
      }).pipe(Effect.provide(session.services))
    )
  return { session, pages, parity, send, told }
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
      // the trailer is not known before
      yield* send(content, [0, layout.pages], true)
      pages.length = reads.length = 0
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

  it.effect("of what a signature checks it reads whole blocks of that, and no others; there is no trailer [Y-17]", () =>
    Effect.gen(function* () {
      const { pages, send } = yield* rig
      const { bytes, content, layout, reads } = fileOf(20_000, { step: 4 })
      assert.strictEqual(layout.pages, layout.dataPages)
      // within one, two at once, and the last, which is short
      for (const hashing of [true, false]) yield* send(content, [1, 2, 8, 8, layout.dataPages - 1, 1], hashing)
      const once: typeof reads = [
        [0, 4 * 512],
        [8 * 512, 8 * 512],
        [36 * 512, 20_000 - 36 * 512]
      ]
      assert.deepStrictEqual(reads, [...once, ...once])
      for (const { page, payload } of pages)
        assert.deepStrictEqual(payload, bytes.slice(page * 512, Math.min((page + 1) * 512, 20_000)))
      assert.deepStrictEqual(PageStream.root(content), layout.signed?.hash)
    })
  )

  it.effect("and sends nothing of a block that is none of the signature's, nor parity of it [Y-17]", () =>
    Effect.gen(function* () {
      const { pages, parity, send, session } = yield* rig
      const { bytes, content } = fileOf(20_000, { step: 4 })
      bytes[5 * 512] ^= 1
      yield* send(content, [0, 4, 8, 2], true)
      const before = pages.length
      assert.strictEqual(before, 6)
      assert.strictEqual((yield* Effect.flip(send(content, [6, 1], true)))._tag, "SourceChanged")
      const sending = PageStream.sendParity(content, [{ block: 0, first: 0, count: 1 }], session.fresh)
      assert.strictEqual((yield* Effect.flip(Effect.provide(sending, session.services)))._tag, "SourceChanged")
      yield* inTime(Effect.sleep(5))
      assert.deepStrictEqual([pages.length, parity.length], [before, 0])
    })
  )

  it.effect("what has grown is read again once it was sent, where no signature has checked it [P-8]", () =>
    Effect.gen(function* () {
      for (const [step, isOther] of [
        [undefined, false],
        [undefined, true],
        [4, true]
      ] as const) {
        const { send } = yield* rig
        const { bytes, content, layout, reads } = fileOf(20_000, step === undefined ? {} : { step })
        const grown = {
          ...{ ...content, changed: new SourceChanged({ path: "f" }) },
          ...{ isUntouched: Effect.succeed(false), hasGrown: Effect.succeed(true) }
        }
        yield* send(grown, [0, layout.pages], true)
        reads.length = 0
        if (isOther) bytes[9000] ^= 1
        const settled = yield* Effect.exit(PageStream.settle(grown))
        assert.strictEqual(settled._tag, step === undefined && isOther ? "Failure" : "Success")
        assert.strictEqual(reads.length > 0, step === undefined)
      }
    })
  )

  it.effect("before pages that were spoiled it tells the digests of their blocks, of the trailer too [Q-15]", () =>
    Effect.gen(function* () {
      const { pages, send, told } = yield* rig
      // blocks of 8 pages, the last of 2; a trailer of 9 pages
      const { content, layout } = fileOf(130 * 8 * 512 + 700)
      assert.deepStrictEqual([layout.dataPages, layout.pages - layout.dataPages], [1042, 9])
      yield* send(content, [0, layout.pages], true)
      assert.deepStrictEqual(told, [])
      const streamed = new Map(pages.splice(0).map(({ page, payload }) => [page, payload]))
      const digests = (first: number, count: number) =>
        Buffer.concat(Array.from({ length: count }, (_, i) => Hash.hash(streamed.get(first + i)!).subarray(0, 8)))
      // of the blocks 0, 2, 130, and of both parts of the trailer; block 1 lost its pages otherwise
      const spoiled = [3, 1, 5, 2, 16, 8, 1040, 4, 1050, 1]
      yield* send(content, [3, 1, 5, 2, 9, 2, 16, 8, 1040, 4, 1050, 1], false, spoiled)
      const expected = [
        [0, 8],
        [16, 8],
        [1040, 2],
        [1042, 8],
        [1050, 1]
      ] as const
      assert.deepStrictEqual(
        told.map(({ message }) => (message._tag === "Digests" ? { ...message, session: 0n } : message)),
        expected.map(([first, count]) => ({
          ...{
            _tag: "Digests" as const,
            session: 0n,
            file: 9,
            opening: 1,
            first,
            digests: new Uint8Array(digests(first, count))
          }
        }))
      )
      for (const { message, pages: before } of told) {
        const first = message._tag === "Digests" ? message.first : -1
        const own = pages.findIndex(({ page }) => page >= first)
        assert.isAtMost(before, own, `digests of ${first} come too late`)
      }
      for (const { page, payload } of pages) assert.deepStrictEqual(payload, streamed.get(page))
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
        const batches = yield* PageStream.pages(content, [0, layout.pages], session.fresh, true).pipe(
          Stream.mapEffect((batch) => Effect.as(session.fresh.giveBack(batch.slab), batch)),
          Stream.runCollect,
          Effect.provide(session.services)
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
      const { fresh } = session
      const stuck = { ...fresh, carry: () => Effect.sync(() => void taken++) }
      const fiber = yield* Effect.forkChild(
        PageStream.send(content, [0, layout.pages], stuck, true).pipe(Effect.provide(session.services))
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
        const error = yield* PageStream.send(failing, [0, 3], session.fresh).pipe(
          Effect.flip,
          Effect.provide(session.services)
        )
        assert.strictEqual(error._tag, "SourceChanged")
      }
      for (let i = 0; i < Limits.airSlabs; i++)
        yield* inTime(
          session.fresh.slab(() => {}),
          10
        )
    })
  )

  it.effect("parity pages make good as many pages of their blocks, and count as repairs", () =>
    Effect.gen(function* () {
      const { parity, session } = yield* rig
      // 3 blocks of 8 pages, the last with 2 and a half
      const { bytes, content, layout } = fileOf(18 * 512 + 200)
      const blocks = [
        { block: 0, first: 0, count: 2 },
        { block: 2, first: 200, count: 1 }
      ]
      yield* inTime(
        Effect.gen(function* () {
          yield* PageStream.sendParity(content, blocks, session.repair)
          yield* session.repair.drained
          yield* Effect.sleep(5)
        }).pipe(Effect.provide(session.services))
      )
      assert.deepStrictEqual(
        parity.map(({ page }) => Header.parityOf(page)),
        [
          { block: 0, index: 0 },
          { block: 0, index: 1 },
          { block: 2, index: 200 }
        ]
      )
      assert.deepStrictEqual(session.totals(), {
        ...{ pages: 3, repaired: 3, parity: 3 },
        bytes: 3 * (Limits.headerBytes + 512)
      })
      const decoded = (block: number, missing: ReadonlyArray<number>, from: number) => {
        const at = block * 8 * 512
        const damaged = bytes.slice(at, at + Layout.blockBytes(layout, block))
        for (const page of missing) damaged.fill(0, page * 512, (page + 1) * 512)
        const given = parity.slice(from, from + missing.length)
        const indices = given.map(({ page }) => Header.parityOf(page).index)
        Code.decode(Code.reference, damaged, 512, missing, Buffer.concat(given.map(({ payload }) => payload)), indices)
        assert.deepStrictEqual(damaged, bytes.slice(at, at + damaged.length))
      }
      decoded(0, [3, 7], 0)
      decoded(2, [2], 2)
    })
  )

  it.effect("repairs go before what is left of a slab, new pages before the next slab for stragglers", () =>
    Effect.gen(function* () {
      const { pages, session } = yield* rig
      const { content } = fileOf(2000 * 512)
      const { fresh, repair, straggler } = session
      yield* inTime(
        Effect.gen(function* () {
          const sending = [
            PageStream.send(content, [0, 1500], straggler),
            PageStream.send(content, [1600, 1], fresh, true),
            PageStream.send(content, [1700, 1], repair)
          ]
          yield* Effect.all(sending, { concurrency: 3 })
          yield* straggler.drained
          yield* Effect.sleep(5)
        }).pipe(Effect.provide(session.services))
      )
      const sent = pages.map(({ page }) => page)
      const slab = Math.floor(Limits.slabBytes / (Limits.headerBytes + 512))
      assert.strictEqual(sent.length, 1502)
      assert.isBelow(sent.indexOf(1700), sent.indexOf(1600))
      assert.isBelow(sent.indexOf(1700), slab)
      assert.isAtMost(sent.indexOf(1600), slab + 1)
    })
  )
})
