/** Pages under a seal: the cipher of their content, and their marks. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PageStream from "../../src/phase/PageStream.ts"
import * as Layout from "../../src/protocol/file/Layout.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { SourceChanged } from "../../src/report/Errors.ts"
import { Marks } from "../../src/seal/Marks.ts"
import * as PageSeal from "../../src/seal/PageSeal.ts"
import { MasterExchange, MasterProtection } from "../../src/session/Exchange.ts"
import type { Lane } from "../../src/session/Sender.ts"
import { Dice } from "../../src/simulate/Dice.ts"
import * as Aes from "../../src/system/Aes.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import * as Header from "../../src/wire/Header.ts"

const secret = Uint8Array.from({ length: 32 }, (_, i) => i)
const zeros = (length: number) => new Uint8Array(length)
const markOf = (marks: Marks, page: number) => {
  const { high, low } = marks.of(page)
  return `${high.toString(16)}:${low.toString(16)}`
}

/** A cipher that remembers every byte of every key stream that it was used for, and what was enciphered with it. */
class Recorder {
  readonly reused: Array<string> = []
  private readonly seen = new Map<string, Int16Array>()

  readonly make: Aes.Make = (key) => {
    const under = Buffer.from(key).toString("hex")
    const cipher = Aes.cipher(key)
    return {
      apply: (iv, offset, bytes) => {
        this.record(under, BigInt(`0x${Buffer.from(iv).toString("hex")}`), offset, bytes)
        cipher.apply(iv, offset, bytes)
      }
    }
  }

  private record(key: string, iv: bigint, offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const unit = Math.floor((offset + at) / 16)
      const name = `${key} ${(iv + BigInt(unit)).toString(16)}`
      const plain = this.seen.get(name) ?? new Int16Array(16).fill(-1)
      this.seen.set(name, plain)
      for (let within = offset + at - 16 * unit; within < 16 && at < bytes.length; within++, at++) {
        if (plain[within] >= 0 && plain[within] !== bytes[at]) this.reused.push(name)
        plain[within] = bytes[at]
      }
    }
  }

  get units(): number {
    return this.seen.size
  }
}

/** A lane from which nothing is sent. */
const lane: Lane = {
  slab: (hold) => Effect.sync(() => hold(new Uint8Array(Limits.slabBytes))),
  carry: () => Effect.void,
  giveBack: () => Effect.void,
  drained: Effect.void
}

/** A master's exchange whose pages are sealed so. */
const exchangeOf = Effect.fnUntraced(function* (pages: PageSeal.PageSeal) {
  const { layerMaster } = yield* Simulated.make({ seed: 1 })
  return {
    ...Context.get(
      yield* Layer.build(Layer.provide(Layer.provide(MasterExchange.layer, MasterProtection.insecure), layerMaster)),
      MasterExchange
    ),
    pages
  }
})

/** A file whose source may change at any time, or that is in memory and stays. */
class File {
  readonly content: PageStream.Content
  private readonly bytes: Uint8Array
  private readonly dice: Dice
  private readonly isInMemory: boolean

  constructor(dice: Dice, file: number) {
    this.dice = dice
    this.isInMemory = dice.hits(0.3)
    const size = dice.whole(1, 2500)
    this.bytes = new Uint8Array(size).map(() => dice.whole(0, 255))
    const layout = Layout.make({ size, pageBytes: dice.pick(64, 100), blockPages: 4, members: dice.pick(0, 3) })
    this.content = this.isInMemory
      ? PageStream.inMemory(file, layout, this.bytes, layout.members > 0 ? [1] : [])
      : PageStream.content({
          file,
          layout,
          changed: new SourceChanged({ path: "f" }),
          read: (offset, into) => Effect.sync(() => into.set(this.bytes.subarray(offset, offset + into.length)))
        })
  }

  /** One thing that a master does with it. */
  act(): Effect.Effect<void, unknown, MasterExchange> {
    const { content, dice } = this
    const { blocks, pages } = content.layout
    if (!this.isInMemory && dice.hits(0.3)) this.bytes[dice.whole(0, this.bytes.length - 1)] ^= dice.whole(1, 255)
    const first = dice.whole(0, pages - 1)
    if (dice.hits(0.4)) return PageStream.send(content, [0, pages], lane, true)
    if (dice.hits(0.5)) return PageStream.send(content, [first, dice.whole(1, pages - first)], lane, dice.hits(0.2))
    return PageStream.sendParity(
      content,
      [{ block: dice.whole(0, blocks - 1), first: dice.whole(0, 200), count: 2 }],
      lane
    )
  }
}

describe("the pages of a sealed session", () => {
  it.effect("no part of a key stream is used for two contents: passes, repairs, parity and trailers [E-3]", () =>
    Effect.gen(function* () {
      const recorder = new Recorder()
      const exchange = yield* exchangeOf(PageSeal.sealed(secret, recorder.make))
      let sent = 0
      for (let seed = 0; seed < 60; seed++) {
        const dice = new Dice(seed)
        // a further pass is other content, perhaps of the same file
        const files = Array.from({ length: 3 }, () => new File(dice, dice.whole(0, 1)))
        for (let act = 0; act < 12; act++) {
          const acted = yield* Effect.exit(Effect.provideService(dice.pick(...files).act(), MasterExchange, exchange))
          if (acted._tag === "Success") sent++
        }
      }
      assert.deepStrictEqual(recorder.reused, [])
      assert.isAbove(sent, 200)
      assert.isAbove(recorder.units, 20_000)
    })
  )

  it("what was enciphered is deciphered, in parts of a block as well as whole", () => {
    const seal = PageSeal.sealed(secret)
    const plain = new Uint8Array(5000).map((_, at) => at * 13)
    const bytes = plain.slice()
    seal.apply(3, 9, 0, bytes)
    assert.notDeepEqual(bytes, plain)
    for (let at = 0; at < bytes.length; at += 1432) seal.apply(3, 9, at, bytes.subarray(at, at + 1432))
    assert.deepStrictEqual(bytes, plain)
  })

  it("each opening and block has a key stream of its own, and so has each secret [E-2] [E-3]", () => {
    const other = secret.map((byte) => byte ^ 1)
    const streams = [secret, other].flatMap((secret) =>
      [1, 2, 256].flatMap((opening) =>
        [0, 1, 256, PageSeal.trailerBlock].map((block) => {
          const bytes = zeros(16)
          PageSeal.sealed(secret).apply(opening, block, 0, bytes)
          return Buffer.from(bytes).toString("hex")
        })
      )
    )
    assert.strictEqual(new Set(streams).size, 24)
  })

  it("without koffi it is the same", () => {
    const [fast, slow] = [PageSeal.sealed(secret), PageSeal.sealed(secret, Aes.portable)]
    const [a, b] = [zeros(20_000), zeros(20_000)]
    fast.apply(1, 2, 5, a)
    slow.apply(1, 2, 5, b)
    assert.deepStrictEqual(a, b)
    const [c, d] = [fast, slow].map((seal) => {
      const marks = new Uint32Array(2 * Limits.markedPages)
      seal.marks(7, "Parity", 3, marks)
      return marks
    })
    assert.deepStrictEqual(c, d)
  })

  it("marks made one by one are those of a group [E-4]", () => {
    const seal = PageSeal.sealed(secret)
    const first = 5 * Limits.markedPages
    const group = new Uint32Array(2 * Limits.markedPages)
    seal.marks(7, "Page", first, group)
    for (let i = 0; i < Limits.markedPages; i++) {
      const alone = new Uint32Array(2)
      seal.marks(7, "Page", first + i, alone)
      assert.deepStrictEqual(alone, group.slice(2 * i, 2 * i + 2))
    }
  })

  it("marks differ for every opening, page and kind [E-4]", () => {
    const seal = PageSeal.sealed(secret)
    const seen = new Set<string>()
    const openings = 5
    for (let opening = 1; opening <= openings; opening++) {
      for (const kind of ["Page", "Parity"] as const) {
        const marks = new Marks(seal, opening, kind)
        for (let page = 0; page < 1000; page++) seen.add(markOf(marks, page))
        seen.add(markOf(marks, 2 ** 30)).add(markOf(marks, 2 ** 32 - 1))
        // in any order
        assert.strictEqual(markOf(marks, 3), markOf(new Marks(seal, opening, kind), 3))
      }
    }
    assert.strictEqual(seen.size, openings * 2 * 1002)
  })

  it("in the open every page has the session's id, and content is as it is", () => {
    const session = Header.sessionOf(0x0123_4567_89ab_cdefn)
    const seal = PageSeal.open(session)
    const bytes = Uint8Array.of(1, 2, 3)
    seal.apply(1, 0, 0, bytes)
    assert.deepStrictEqual(bytes, Uint8Array.of(1, 2, 3))
    for (const page of [0, 127, 128, 2 ** 32 - 1]) {
      assert.deepStrictEqual({ ...new Marks(seal, 1, "Page").of(page) }, { ...session })
    }
  })
})
