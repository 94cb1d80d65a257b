import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as PageReceiver from "../../src/phase/PageReceiver.ts"
import * as Insecure from "../../src/seal/Insecure.ts"
import { CatcherExchange } from "../../src/session/Exchange.ts"
import { TransportError } from "../../src/transport/Transport.ts"
import * as Codec from "../../src/wire/Codec.ts"
import * as Header from "../../src/wire/Header.ts"
import { Marks } from "../../src/seal/Marks.ts"
import * as PageSeal from "../../src/seal/PageSeal.ts"
import type { Membership } from "../../src/session/Answers.ts"
import type { Message } from "../../src/wire/Message.ts"

const session = 77n
const master = "10.0.0.1:1"
const membership = {
  ...{ session, slot: 0, incarnation: 1, master, pageBytes: 512, blockPages: 128, timeoutMillis: 1000 },
  pages: PageSeal.open(Header.sessionOf(session))
}

const page = (file: number, index: number, of = session) => {
  const bytes = new Uint8Array(24 + 4).fill(index)
  Header.put(bytes, 0, Header.types.Page, bytes.length, Header.sessionOf(of), file, index)
  return bytes
}
const eof = (file: number, round: number): Message => ({
  ...{ _tag: "Eof", session, file, round, first: 0, count: 1, root: undefined, counts: false, audience: [0] }
})

const { open } = Insecure.catcher({
  now: () => 0,
  group: "",
  local: () => "",
  tell: () => {},
  tellGroup: () => {},
  onRefused: () => {}
})
const inTheOpen = CatcherExchange.of({
  ...{
    open,
    onBad: () => {},
    strangers: () => [],
    isAlive: () => true,
    protection: { sealed: false },
    receive: Stream.never,
    pagesOf: () => membership.pages
  },
  ...{ answer: () => Effect.void, tell: () => Effect.void }
})

type Datagram = Uint8Array | { readonly bytes: Uint8Array; readonly from: string }

/** What is heard of what arrives, pull by pull. */
const hear = (...pulls: ReadonlyArray<ReadonlyArray<Datagram>>) => hearAs(membership, pulls)

const hearAs = (membership: Membership, pulls: ReadonlyArray<ReadonlyArray<Datagram>>) =>
  Effect.gen(function* () {
    const counts: PageReceiver.Counts = { pages: 0, parity: 0, ignored: 0 }
    const left = [...pulls]
    const ear = Effect.suspend(() => {
      const next = left.shift()
      if (next === undefined) return Effect.fail(new TransportError({ operation: "end", reason: "" }))
      return Effect.succeed([
        next.map((given) => (given instanceof Uint8Array ? { bytes: given, from: master } : given))
      ])
    })
    const heard: Array<PageReceiver.Incoming> = []
    yield* Stream.runForEach(PageReceiver.events(ear, membership, counts), (event) =>
      Effect.sync(() => heard.push(event))
    ).pipe(Effect.ignore, Effect.provideService(CatcherExchange, inTheOpen))
    return { heard, counts }
  })

const brief = (heard: ReadonlyArray<PageReceiver.Incoming>) =>
  heard.map((event) =>
    event._tag === "Pages"
      ? `pages ${event.file}: ${Array.from(event.batch.indices).join(" ")}`
      : event._tag === "Message"
        ? `${event.message._tag}`
        : event._tag === "Parity"
          ? `parity ${event.file}: ${event.batch.blocks.map((block, i) => `${block}/${event.batch.indices[i]}`).join(" ")}`
          : `stranger ${event.from}`
  )

describe("PageReceiver", () => {
  it.effect("pages of one file come as one batch, in the order of arrival, with their payloads", () =>
    Effect.gen(function* () {
      const glued = Buffer.concat([page(1, 5), page(1, 4)])
      const { counts, heard } = yield* hear([glued, page(1, 9)])
      assert.deepStrictEqual(brief(heard), ["pages 1: 5 4 9"])
      const [event] = heard
      assert.deepStrictEqual(
        event._tag === "Pages" && event.batch.payloads.map((payload) => [...payload]),
        [5, 4, 9].map((index) => [index, index, index, index])
      )
      assert.deepStrictEqual(counts, { pages: 3, parity: 0, ignored: 0 })
    })
  )

  it.effect("a question keeps its place among the pages, and so do files [P-2]", () =>
    Effect.gen(function* () {
      const { heard } = yield* hear([
        Buffer.concat([page(1, 0), page(2, 0), page(2, 1), page(1, 1), Codec.encode(eof(1, 1)), page(1, 2)])
      ])
      assert.deepStrictEqual(brief(heard), ["pages 1: 0", "pages 2: 0 1", "pages 1: 1", "Eof", "pages 1: 2"])
      // what came after it in the same pull is not before it: counted so, every answer looked like loss by turns
      const question = heard.find((event) => event._tag === "Message")
      assert.strictEqual(question?._tag === "Message" && question.pages, 4)
    })
  )

  it.effect("another session is counted and ignored, from the master's own address too [P-1]", () =>
    Effect.gen(function* () {
      const other = Codec.encode({ ...eof(1, 1), session: 78n } as Message)
      const { counts, heard } = yield* hear([page(1, 0, 78n), other, page(1, 1)])
      assert.deepStrictEqual(brief(heard), ["pages 1: 1"])
      assert.deepStrictEqual(counts, { pages: 1, parity: 0, ignored: 2 })
    })
  )

  it.effect("another source address is counted and ignored, with our session too [P-1]", () =>
    Effect.gen(function* () {
      const from = "10.0.0.2:1"
      const all = [page(1, 0), Codec.encode(eof(1, 1)), Codec.encode({ _tag: "Bye", session })]
      const { counts, heard } = yield* hear(all.map((bytes) => ({ bytes, from })))
      assert.deepStrictEqual(heard, [])
      assert.deepStrictEqual(counts, { pages: 0, parity: 0, ignored: 3 })
    })
  )

  it.effect("another master that announces itself is a stranger, to be told so; our own session's name is not", () =>
    Effect.gen(function* () {
      const from = "10.0.0.2:1"
      const announce = (session: bigint) =>
        Codec.encode({
          ...{ _tag: "Announce", session, pageBytes: 512, blockPages: 1, timeoutMillis: 100, uptimeMillis: 1 },
          ...{ spreadMillis: 0, joined: 0, wanted: 1 }
        })
      const { counts, heard } = yield* hear([
        { bytes: announce(5n), from },
        { bytes: announce(session), from }
      ])
      assert.deepStrictEqual(brief(heard), [`stranger ${from}`])
      assert.strictEqual(counts.ignored, 2)
    })
  )

  it.effect("what cannot be read is counted; what came before it in its buffer is taken [P-1]", () =>
    Effect.gen(function* () {
      const broken = page(1, 6)
      broken[0] ^= 1
      const bodiless = Codec.encode(eof(1, 1)).slice(0, 30)
      Header.putU16(bodiless, 4, 30)
      const fromCatcher = Codec.encode({ _tag: "OpenOk", session, slot: 0, incarnation: 1, file: 1, opening: 1 })
      const unknown = Codec.encode({ _tag: "Bye", session })
      unknown[3] = 99
      for (const bytes of [bodiless, unknown]) Codec.putChecksum(bytes)
      const damaged = Codec.encode(eof(1, 1))
      damaged[25] ^= 1
      const { counts, heard } = yield* hear(
        [Buffer.from("any bytes"), Buffer.concat([page(1, 0), broken, page(1, 7)])],
        [bodiless, fromCatcher, unknown, damaged],
        [page(1, 1)]
      )
      assert.deepStrictEqual(brief(heard), ["pages 1: 0", "pages 1: 1"])
      assert.deepStrictEqual(counts, { pages: 2, parity: 0, ignored: 6 })
    })
  )

  it.effect("parity is a batch of its own, between pages in its place", () =>
    Effect.gen(function* () {
      const parity = (block: number, index: number) => {
        const bytes = page(1, Header.parityIndex(block, index))
        bytes[3] = Header.types.Parity
        return bytes
      }
      const { counts, heard } = yield* hear([
        Buffer.concat([page(1, 5), parity(7, 0), parity(7, 200)]),
        parity(8, 1),
        page(1, 6)
      ])
      assert.deepStrictEqual(brief(heard), ["pages 1: 5", "parity 1: 7/0 7/200 8/1", "pages 1: 6"])
      assert.deepStrictEqual(counts, { pages: 5, parity: 3, ignored: 0 })
    })
  )

  it.effect("under a seal pages are taken of the openings that were heard of, one batch for each [E-5]", () =>
    Effect.gen(function* () {
      const pages = PageSeal.sealed(new Uint8Array(32).fill(1))
      const marked = (opening: number, index: number, kind: PageSeal.Kind = "Page") => {
        const bytes = page(1, index)
        bytes[3] = Header.types[kind]
        const { high, low } = new Marks(pages, opening, kind).of(index)
        Header.putU32(bytes, 8, low)
        Header.putU32(bytes, 12, high)
        return bytes
      }
      const opens = (opening: number) =>
        Codec.encode({
          ...{ _tag: "Open", session, file: 1, kind: "Single", size: 5120, pageBytes: 512, members: 0, opening },
          // others are asked
          ...{ root: undefined, audience: [1] }
        })
      const { counts, heard } = yield* hearAs({ ...membership, pages }, [
        [marked(3, 0), opens(3), marked(3, 1), page(1, 2), marked(4, 3), marked(3, 4), marked(3, 5, "Parity")],
        [Buffer.concat([opens(4), marked(4, 6), marked(3, 7), marked(3, 8)])]
      ])
      assert.deepStrictEqual(
        heard.flatMap((event) => (event._tag === "Pages" || event._tag === "Parity" ? [event.batch.opening] : [])),
        [3, 3, 4, 3]
      )
      const taken = ["pages 1: 1 4", "parity 1: 0/5", "Open", "pages 1: 6", "pages 1: 7 8"]
      assert.deepStrictEqual(brief(heard), ["Open", ...taken])
      assert.deepStrictEqual(counts, { pages: 6, parity: 1, ignored: 3 })
    })
  )
})
