import { assert, beforeEach, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Assembly, type BlockBuffer, BlockPool, type Cipher } from "../../src/catcher/Assembly.ts"
import * as Blocks from "../../src/delta/Blocks.ts"
import { digest, hash } from "../../src/content/Hash.ts"
import * as Code from "../../src/parity/Code.ts"
import * as Layout from "../../src/protocol/file/Layout.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { union } from "../../src/protocol/Runs.ts"
import * as PageSeal from "../../src/seal/PageSeal.ts"
import { type FileWriter, StoreError } from "../../src/store/Store.ts"
import * as Chance from "../../src/transport/Chance.ts"

const pageBytes = 32
const blockPages = 4

const seal = PageSeal.sealed(new Uint8Array(32).fill(7))
const apply: Cipher = (block, offset, bytes) => seal.apply(5, block, offset, bytes)
const ways: ReadonlyArray<readonly [string, Cipher | undefined, isInMemory: boolean, isSigned: boolean]> = [
  ["in the open", undefined, false, false],
  ["under a seal", apply, false, false],
  ["in the open, in memory until the commit", undefined, true, false],
  ["under a seal, in memory until the commit", apply, true, false],
  ["in the open, checked by a signature [Y-17]", undefined, false, true],
  ["under a seal, checked by a signature [Y-17]", apply, false, true]
]
/** Those of the way that is tried. */
let cipher: Cipher | undefined
let isInMemory = false
let isSigned = false
/** Pages of a block of the signature. */
const step = 2

/** A file as its master sends it: every page's payload, its content on the air, and the root. */
const sent = (size: number, unread: ReadonlyArray<number> = [], members = 0) => {
  const chance = Chance.make(size)
  const content = Uint8Array.from({ length: size }, () => Math.floor(chance.next() * 256))
  const signature = isSigned && members === 0 ? Blocks.ofContent(content, step * pageBytes) : undefined
  const signed = signature && { blockPages, hash: Blocks.hashOf(signature) }
  const layout = Layout.make({ size, pageBytes, blockPages, members, signed })
  const trailer = new Uint8Array(layout.trailerBytes)
  const blockBytes = blockPages * pageBytes
  for (let block = 0; block < (signed === undefined ? layout.blocks : 0); block++) {
    trailer.set(hash(content.subarray(block * blockBytes, (block + 1) * blockBytes)), block * Limits.hashBytes)
  }
  for (const member of unread) trailer[layout.blocks * Limits.hashBytes + (member >>> 3)] |= 1 << (member & 7)
  const [air, airTrailer] = [content.slice(), trailer.slice()]
  for (let block = 0; block < layout.blocks; block++) {
    cipher?.(block, 0, air.subarray(block * blockBytes, (block + 1) * blockBytes))
  }
  cipher?.(PageSeal.trailerBlock, 0, airTrailer)
  const payload = (page: number) => {
    const from = page < layout.dataPages ? air : airTrailer
    const at = (page < layout.dataPages ? page : page - layout.dataPages) * pageBytes
    return from.subarray(at, at + pageBytes)
  }
  return { layout, content, air, payload, root: signed?.hash ?? hash(trailer), signature }
}
type Sent = ReturnType<typeof sent>

const memoryWriter = (size: number, checked: Pick<FileWriter, "signature" | "isProven"> = {}) => {
  const content = new Uint8Array(size)
  const writes: Array<number> = []
  const reads: Array<number> = []
  let fault: "write" | "read" | undefined
  const refuse = (operation: "write" | "read") =>
    fault === operation ? Effect.fail(new StoreError({ code: "ENOSPC", path: "f", reason: "disk full" })) : Effect.void
  const writer: FileWriter = {
    ...(isInMemory ? { memory: content } : {}),
    ...checked,
    write: (offset, bytes) =>
      Effect.tap(
        Effect.suspend(() => refuse("write")),
        () =>
          Effect.sync(() => {
            assert.isAtMost(offset + bytes.length, size)
            writes.push(bytes.length)
            content.set(bytes, offset)
          })
      ),
    read: (offset, into) =>
      Effect.tap(
        Effect.suspend(() => refuse("read")),
        () =>
          Effect.sync(() => {
            reads.push(into.length)
            into.set(content.subarray(offset, offset + into.length))
          })
      ),
    commit: () => Effect.succeed([])
  }
  return { writer, content, reads, writes, fail: (operation: typeof fault) => void (fault = operation) }
}

const begin = Effect.fnUntraced(function* (
  file: Sent,
  pool = new BlockPool(blockPages * pageBytes),
  proven: Pick<FileWriter, "isProven"> = {}
) {
  const { signature } = file
  const memory = memoryWriter(file.layout.size, { ...proven, ...(signature && { signature }) })
  const assembly = new Assembly(file.layout, memory.writer, pool, cipher)
  const verified = (root: Uint8Array) => Effect.sync(() => assembly.verify(root))
  return { ...memory, pool, assembly, verified }
})

const batchOf = (file: Sent, pages: ReadonlyArray<number>, damaged: ReadonlySet<number> = new Set()) => ({
  indices: pages,
  payloads: pages.map((page) => {
    // as Node's datagrams are
    const payload = Buffer.from(file.payload(page))
    if (damaged.has(page)) payload[0] ^= 1
    return payload
  })
})

const everyPage = (file: Sent) => Array.from({ length: file.layout.pages }, (_, page) => page)

/** Compares what was held of a block after `verify` with its digests; the pages that are to be put again. */
const compared = (assembly: Assembly, file: Sent, block: number) => {
  const [first, count] = Layout.blockSpan(file.layout, block)
  const digests = Array.from({ length: count }, (_, i) => digest(file.payload(first + i)))
  return Effect.map(assembly.compare({ first, digests: Buffer.concat(digests) }, [first + 1, count - 1]), (wrong) => [
    first,
    ...wrong
  ])
}

const put = (assembly: Assembly, file: Sent, pages: ReadonlyArray<number>, damaged?: ReadonlySet<number>) =>
  Effect.gen(function* () {
    for (let i = 0; i < pages.length; i += 7) {
      const batch = batchOf(file, pages.slice(i, i + 7), damaged)
      const before = Buffer.concat(batch.payloads)
      yield* assembly.put(batch, undefined)
      // others may look at what was received
      assert.strictEqual(Buffer.compare(Buffer.concat(batch.payloads), before), 0)
    }
  })

/** Every buffer that the pool may make is there, and each of them once. */
const assertWhole = (pool: BlockPool) => {
  const buffers = new Set<BlockBuffer>()
  for (let i = 0; i < Limits.assemblingBlocks; i++) {
    const buffer = pool.take()
    assert.isDefined(buffer, `buffer ${i} did not come back`)
    buffers.add(buffer!)
  }
  assert.isUndefined(pool.take())
  assert.strictEqual(buffers.size, Limits.assemblingBlocks)
}

it("of large blocks fewer are assembled at one time", () => {
  const blockBytes = Limits.maxPageBytes * Limits.blockPages
  const pool = new BlockPool(blockBytes)
  let taken = 0
  while (taken < Limits.assemblingBlocks && pool.take() !== undefined) taken++
  assert.strictEqual(taken, Limits.leastAssemblingBlocks)
})

const clean = { blocks: [], trailer: false }

const shuffled = (pages: ReadonlyArray<number>, seed: number) => {
  const chance = Chance.make(seed)
  const keys = new Map(pages.map((page) => [page, chance.next()]))
  return pages.toSorted((a, b) => keys.get(a)! - keys.get(b)!)
}
/** The first page of every block, then the second of every block, ...: as many blocks are begun as there are. */
const striped = (file: Sent) => everyPage(file).sort((a, b) => (a % blockPages) - (b % blockPages) || a - b)

// Sizes at the edges of pages and blocks, and one with more blocks than the pool has buffers.
const sizes = [1, 31, 32, 33, 127, 128, 129, 1000, 4096]
const many = (Limits.assemblingBlocks + 60) * blockPages * pageBytes - 45

describe.for(ways)("Assembly %s", ([, way, staysInMemory, hasSignature]) => {
  beforeEach(() => {
    cipher = way
    isInMemory = staysInMemory
    isSigned = hasSignature
  })

  it.effect("pages that the file has already need not come; a wrong byte among them costs its block", () =>
    Effect.gen(function* () {
      // the first block and a half
      const held = blockPages + Math.floor(blockPages / 2)
      for (const wrong of [undefined, 0, (held - 1) * pageBytes]) {
        const file = sent(1000)
        const { assembly, content, pool, verified } = yield* begin(file)
        content.set(file.content.subarray(0, held * pageBytes))
        if (wrong !== undefined) content[wrong] ^= 1
        yield* assembly.hold([0, held])
        const rest = everyPage(file).filter((page) => page >= held)
        yield* put(assembly, file, shuffled(rest, 1))
        const bad = wrong === undefined ? [] : [Math.floor(wrong / pageBytes / blockPages)]
        assert.deepStrictEqual(yield* verified(file.root), { blocks: bad, trailer: false })
        for (const block of bad) yield* put(assembly, file, yield* compared(assembly, file, block))
        assert.deepStrictEqual(yield* verified(file.root), clean)
        assert.deepStrictEqual(content, file.content)
        assembly.release()
        assertWhole(pool)
      }
    })
  )

  it.effect("what another program writes to the file is found when it is read once more [F-11]", () =>
    Effect.gen(function* () {
      const file = sent(1000)
      const held = blockPages + Math.floor(blockPages / 2)
      const { assembly, content, pool, verified } = yield* begin(file, undefined, { isProven: true })
      content.set(file.content.subarray(0, held * pageBytes))
      yield* assembly.hold([0, held])
      yield* put(
        assembly,
        file,
        everyPage(file).filter((page) => page >= held)
      )
      assert.deepStrictEqual(yield* verified(file.root), clean)
      assert.isTrue(yield* assembly.standsStill(() => {}))
      // in what was held from the beginning, in what has come, and at the end
      for (const wrong of [0, held * pageBytes, 999]) {
        content[wrong] ^= 1
        assert.isFalse(yield* assembly.standsStill(() => {}))
        content[wrong] ^= 1
      }
      assert.isTrue(yield* assembly.standsStill(() => {}))
      assembly.release()
      assertWhole(pool)
    })
  )

  it.effect("in order: every block is written in one piece, unless it is there already", () =>
    Effect.gen(function* () {
      for (const size of sizes) {
        const file = sent(size)
        const { assembly, content, pool, writes, verified } = yield* begin(file)
        yield* put(assembly, file, everyPage(file))
        assert.deepStrictEqual(yield* verified(file.root), clean)
        assert.deepStrictEqual(content, file.content)
        assert.strictEqual(writes.length, isInMemory ? 0 : file.layout.blocks)
        assembly.release()
        assertWhole(pool)
      }
    })
  )

  it.effect("in any order, the trailer first or last", () =>
    Effect.gen(function* () {
      for (const size of [...sizes, many]) {
        for (const seed of [1, 2, 3]) {
          const file = sent(size)
          const { assembly, content, pool, verified } = yield* begin(file)
          yield* put(assembly, file, shuffled(everyPage(file), seed))
          assert.deepStrictEqual(yield* verified(file.root), clean)
          assert.deepStrictEqual(content, file.content)
          assembly.release()
          assertWhole(pool)
        }
      }
    })
  )

  // in memory nothing is written, or read back
  if (!staysInMemory)
    it.effect("more blocks begun than there are buffers: the oldest are spilled and read back", () =>
      Effect.gen(function* () {
        const file = sent(many)
        const { assembly, content, pool, writes, verified } = yield* begin(file)
        yield* put(assembly, file, striped(file))
        assert.deepStrictEqual(yield* verified(file.root), clean)
        assert.deepStrictEqual(content, file.content)
        assert.isAbove(writes.length, file.layout.blocks)
        // each byte once, although some blocks are written in pieces
        assert.strictEqual(
          writes.reduce((sum, bytes) => sum + bytes, 0),
          file.layout.size
        )
        assembly.release()
        assertWhole(pool)
      })
    )

  it.effect("without a single buffer, because other files have them all", () =>
    Effect.gen(function* () {
      const file = sent(1000)
      const { assembly, content, pool, verified } = yield* begin(file)
      while (pool.take() !== undefined);
      yield* put(assembly, file, shuffled(everyPage(file), 4))
      assert.deepStrictEqual(yield* verified(file.root), clean)
      assert.deepStrictEqual(content, file.content)
    })
  )

  it.effect("only the fresh pages of a batch are taken", () =>
    Effect.gen(function* () {
      const file = sent(128)
      const { assembly, content, verified } = yield* begin(file)
      const pages = [0, 0, 1, 2, 3, 4]
      yield* assembly.put(batchOf(file, pages), [0, 2, 3, 4, 5])
      assert.deepStrictEqual(yield* verified(file.root), clean)
      assert.deepStrictEqual(content, file.content)
    })
  )

  for (const [name, order] of [
    ["in memory", everyPage],
    ["spilled", striped]
  ] as const) {
    it.effect(`wrong pages: exactly their blocks disagree, and they alone are put again (${name}) [C-8]`, () =>
      Effect.gen(function* () {
        const file = sent(many)
        const { assembly, content, pool, verified } = yield* begin(file)
        const last = file.layout.blocks - 1
        const blocks = [0, 7, 200, last]
        const damaged = new Set([0, 7 * blockPages + 3, 200 * blockPages + 1, last * blockPages])
        yield* put(assembly, file, order(file), damaged)
        assert.deepStrictEqual(yield* verified(file.root), { blocks, trailer: false })
        const again: Array<number> = []
        for (const block of blocks) again.push(...(yield* compared(assembly, file, block)))
        const firsts = blocks.map((block) => block * blockPages)
        assert.deepStrictEqual(
          again.toSorted((a, b) => a - b),
          [...new Set([...firsts, ...damaged])].sort((a, b) => a - b)
        )
        // wrong once more, and then right
        yield* put(assembly, file, again, new Set([0]))
        assert.deepStrictEqual(yield* verified(file.root), { blocks: [0], trailer: false })
        yield* put(assembly, file, [0])
        assert.deepStrictEqual(yield* verified(file.root), clean)
        assert.deepStrictEqual(content, file.content)
        assembly.release()
        assertWhole(pool)
      })
    )
  }

  it.effect("a block of which pages are missing is compared where it is: in memory, or in the file [C-8]", () =>
    Effect.gen(function* () {
      for (const order of [everyPage, striped]) {
        const file = sent(many)
        const { assembly, content, pool, verified } = yield* begin(file)
        const lacking = new Set(Array.from({ length: file.layout.blocks }, (_, block) => block * blockPages))
        const held = order(file).filter((page) => !lacking.has(page) || page >= file.layout.dataPages)
        const damaged = [1, 2, 3, 5, 42]
        yield* put(assembly, file, held, new Set(damaged))
        const wrong: Array<number> = []
        for (const block of [0, 1, 2, 10]) wrong.push(...(yield* compared(assembly, file, block)))
        assert.deepStrictEqual(wrong, [0, 1, 2, 3, 4, 5, 8, 40, 42])
        yield* put(assembly, file, [...new Set([...wrong, ...lacking])])
        assert.deepStrictEqual(yield* verified(file.root), clean)
        assert.deepStrictEqual(content, file.content)
        assembly.release()
        assertWhole(pool)
      }
    })
  )

  // a file with a signature has none
  if (!hasSignature)
    it.effect("pages of a damaged trailer are compared, too [C-8]", () =>
      Effect.gen(function* () {
        const file = sent(1000)
        const { assembly, verified } = yield* begin(file)
        const { dataPages, pages } = file.layout
        yield* put(assembly, file, everyPage(file), new Set([dataPages + 2, pages - 1]))
        const trailer = Array.from({ length: pages - dataPages }, (_, i) => dataPages + i)
        assert.isAbove(trailer.length, 4)
        // told of from its second page on
        const digests = Buffer.concat(trailer.slice(1).map((page) => digest(file.payload(page))))
        const told = { first: dataPages + 1, digests }
        const wrong = yield* assembly.compare(told, [dataPages + 1, trailer.length - 1])
        assert.deepStrictEqual(wrong, [dataPages + 2, pages - 1])
        yield* put(assembly, file, wrong)
        assert.deepStrictEqual(yield* verified(file.root), clean)
      })
    )

  if (!hasSignature)
    it.effect("a damaged trailer says nothing of the blocks, and can be put again", () =>
      Effect.gen(function* () {
        const file = sent(1000)
        const { assembly, content, verified } = yield* begin(file)
        const { dataPages, pages } = file.layout
        yield* put(assembly, file, everyPage(file), new Set([dataPages + 1]))
        assert.deepStrictEqual(yield* verified(file.root), { blocks: [], trailer: true })
        yield* put(
          assembly,
          file,
          Array.from({ length: pages - dataPages }, (_, i) => dataPages + i)
        )
        assert.deepStrictEqual(yield* verified(file.root), clean)
        assert.deepStrictEqual(content, file.content)
      })
    )

  it.effect("given up half way, all buffers come back", () =>
    Effect.gen(function* () {
      const file = sent(many)
      const { assembly, pool } = yield* begin(file)
      yield* put(assembly, file, striped(file).slice(0, 400))
      assembly.release()
      assembly.release()
      assertWhole(pool)
    })
  )

  it.effect("two files share a pool", () =>
    Effect.gen(function* () {
      const files = [sent(many), sent(many - 100)]
      const pool = new BlockPool(blockPages * pageBytes)
      const begun = yield* Effect.forEach(files, (file) => begin(file, pool))
      const orders = files.map((file) => shuffled(everyPage(file), 9))
      for (let i = 0; i < Math.max(...orders.map((order) => order.length)); i += 5) {
        for (const [f, { assembly }] of begun.entries()) {
          yield* assembly.put(batchOf(files[f], orders[f].slice(i, i + 5)), undefined)
        }
      }
      for (const [f, { assembly, content, verified }] of begun.entries()) {
        assert.deepStrictEqual(yield* verified(files[f].root), clean)
        assert.deepStrictEqual(content, files[f].content)
        assembly.release()
      }
      assertWhole(pool)
    })
  )

  it.effect("a bundle's bits say which members the master could not read", () =>
    Effect.gen(function* () {
      const unread = [0, 8, 19]
      const file = sent(100, unread, 20)
      const { assembly, verified } = yield* begin(file)
      yield* put(assembly, file, everyPage(file))
      assert.deepStrictEqual(yield* verified(file.root), clean)
      const skipped = Array.from({ length: 40 }, (_, member) => member).filter(assembly.skipped)
      assert.deepStrictEqual(skipped, unread)
    })
  )

  // in memory nothing is written, or read back
  if (!staysInMemory)
    it.effect("a writer that fails is an error of the put, and keeps no buffer", () =>
      Effect.gen(function* () {
        for (const operation of ["write", "read"] as const) {
          const file = sent(many)
          const { assembly, fail, pool } = yield* begin(file)
          const half = striped(file).slice(0, file.layout.blocks)
          yield* put(assembly, file, half)
          fail(operation)
          const rest = put(assembly, file, striped(file).slice(half.length))
          const error = yield* Effect.flip(rest)
          assert.strictEqual(error._tag, "StoreError")
          assert.strictEqual(error.code, "ENOSPC")
          assembly.release()
          assertWhole(pool)
        }
      })
    )

  /** Gives parity for `lost` of a block, as the reducer would. */
  const recover = Effect.fnUntraced(function* (
    assembly: Assembly,
    file: Sent,
    block: number,
    lost: ReadonlyArray<number>
  ) {
    const [first, pages] = Layout.blockSpan(file.layout, block)
    const bytes = file.air.subarray(first * pageBytes, (first + pages) * pageBytes)
    const indices = lost.map((_, i) => 3 + i)
    const made = new Uint8Array(lost.length * pageBytes)
    Code.encode(Code.reference, bytes, pageBytes, indices, made)
    const payloads = indices.map((_, i) => made.subarray(i * pageBytes, (i + 1) * pageBytes))
    const blocks = indices.map(() => block)
    const fresh = indices.map((_, i) => i)
    assembly.keepParity({ blocks, indices, payloads }, fresh)
    // what was received is used again
    made.fill(0)
    yield* assembly.recover(
      block,
      lost.toSorted((a, b) => a - b).flatMap((page) => [page, 1])
    )
  })

  it.effect("a block is made from parity: in memory, never begun, spilled, its last page short", () =>
    Effect.gen(function* () {
      for (const size of [...sizes, many]) {
        const file = sent(size)
        const { assembly, content, pool, verified } = yield* begin(file)
        // every third page of the content is lost, and every twentieth block altogether: of many blocks some are spilled
        const isLost = (page: number) =>
          page < file.layout.dataPages && (page % 3 === 0 || Math.floor(page / blockPages) % 20 === 4)
        yield* put(
          assembly,
          file,
          striped(file).filter((page) => !isLost(page))
        )
        for (let block = 0; block < file.layout.blocks; block++) {
          const [first, pages] = Layout.blockSpan(file.layout, block)
          const lost = Array.from({ length: pages }, (_, i) => first + i).filter(isLost)
          if (lost.length > 0) yield* recover(assembly, file, block, lost)
        }
        assert.deepStrictEqual(yield* verified(file.root), clean)
        assert.deepStrictEqual(content, file.content)
        assembly.release()
        assertWhole(pool)
      }
    })
  )

  it.effect("parity that is damaged gives a block whose hash is wrong; its pages may come again", () =>
    Effect.gen(function* () {
      const file = sent(1000)
      const { assembly, content, verified } = yield* begin(file)
      yield* put(
        assembly,
        file,
        everyPage(file).filter((page) => page !== 5)
      )
      assembly.keepParity({ blocks: [1], indices: [0], payloads: [new Uint8Array(pageBytes)] }, [0])
      yield* assembly.recover(1, [5, 1])
      assert.deepStrictEqual(yield* verified(file.root), { blocks: [1], trailer: false })
      yield* put(assembly, file, yield* compared(assembly, file, 1))
      assert.deepStrictEqual(yield* verified(file.root), clean)
      assert.deepStrictEqual(content, file.content)
    })
  )

  /** An older version has some blocks of the signature, from a seed: their pages, and the others. */
  const heldBy = (file: Sent, seed: number) => {
    const chance = Chance.make(seed)
    const isHeld = Array.from({ length: Math.ceil(file.layout.dataPages / step) }, () => chance.next() < 0.6)
    const pages = Array.from({ length: file.layout.dataPages }, (_, page) => page)
    const held = pages.filter((page) => isHeld[Math.floor(page / step)])
    return { chance, held, lacked: pages.filter((page) => !isHeld[Math.floor(page / step)]) }
  }

  if (hasSignature) {
    it.effect("what an older version has is neither written nor read, also in blocks of which pages come", () =>
      Effect.gen(function* () {
        const file = sent(4096 - 5)
        const { held, lacked } = heldBy(file, 3)
        const { assembly, content, reads, verified, writes } = yield* begin(file, undefined, { isProven: true })
        for (const page of held)
          content.set(file.content.subarray(page * pageBytes, (page + 1) * pageBytes), page * pageBytes)
        yield* assembly.hold(union(held.map((page) => [page, 1])))
        yield* put(assembly, file, shuffled(lacked, 1))
        assert.deepStrictEqual(yield* verified(file.root), clean)
        assert.strictEqual(Buffer.compare(content, file.content), 0)
        assert.deepStrictEqual(reads, [])
        assert.strictEqual(
          writes.reduce((sum, bytes) => sum + bytes, 0),
          lacked.reduce((sum, page) => sum + Layout.payloadBytes(file.layout, page), 0)
        )
      })
    )

    it.effect("whatever was held, lost, damaged and spilled: the wrong blocks are found, and made right", () =>
      Effect.gen(function* () {
        let found = 0
        for (let seed = 1; seed <= 200; seed++) {
          const file = sent(1 + ((seed * 7919) % 6000))
          const { chance, held, lacked } = heldBy(file, seed)
          const pool = new BlockPool(blockPages * pageBytes, 1 + (seed % 5))
          const { assembly, content, verified } = yield* begin(file, pool, { isProven: true })
          for (const page of held)
            content.set(file.content.subarray(page * pageBytes, (page + 1) * pageBytes), page * pageBytes)
          yield* assembly.hold(union(held.map((page) => [page, 1])))
          const [lost, damaged] = [lacked.filter(() => chance.next() < 0.2), lacked.filter(() => chance.next() < 0.05)]
          const coming = lacked.filter((page) => !lost.includes(page))
          yield* put(assembly, file, shuffled(coming, seed), new Set(damaged))
          const wrong = new Set(
            damaged.filter((page) => !lost.includes(page)).map((page) => Layout.blockOf(file.layout, page))
          )
          for (let block = 0; block < file.layout.blocks; block++) {
            const [first, pages] = Layout.blockSpan(file.layout, block)
            const ofBlock = lost.filter((page) => page >= first && page < first + pages)
            if (ofBlock.length > 0) yield* recover(assembly, file, block, ofBlock)
          }
          const verdict = yield* verified(file.root)
          assert.deepStrictEqual(verdict, { blocks: [...wrong].sort((a, b) => a - b), trailer: false })
          for (const block of wrong) yield* put(assembly, file, yield* compared(assembly, file, block))
          found += wrong.size
          assert.deepStrictEqual(yield* verified(file.root), clean)
          assert.strictEqual(Buffer.compare(content, file.content), 0)
          assembly.release()
        }
        assert.isAbove(found, 100)
      })
    )

    it.effect("what was right may be wrong again after it was doubted: a page that comes is hashed", () =>
      Effect.gen(function* () {
        const file = sent(1000)
        const { assembly, content, verified } = yield* begin(file, undefined, { isProven: true })
        content.set(file.content)
        yield* assembly.hold([0, file.layout.pages])
        assert.deepStrictEqual(yield* verified(file.root), clean)
        // as after digests that somebody has invented
        yield* assembly.compare({ first: 4, digests: new Uint8Array(4 * Limits.digestBytes) }, [4, 4])
        yield* put(assembly, file, [4, 5, 6, 7], new Set([6]))
        assert.deepStrictEqual(yield* verified(file.root), { blocks: [1], trailer: false })
      })
    )
  }
})
