/**
 * Takes from an older version of a file what the new one has of it: blocks at their own place first, then blocks that have moved,
 * which are looked for where the old version has nothing at its place.
 */
import * as Effect from "effect/Effect"
import type { Runs } from "../protocol/Words.ts"
import * as Limits from "../protocol/Limits.ts"
import { hash } from "../content/Hash.ts"
import * as Blocks from "./Blocks.ts"
import * as Index from "./Index.ts"
import type { Searcher } from "./Search.ts"
import * as Signature from "./Signature.ts"
import * as Wasm from "./Wasm.ts"

/** An older version. */
export interface Old {
  readonly size: number
  /** Fills `into` from an offset; fails where that cannot be read. */
  readonly read: (offset: number, into: Uint8Array) => Effect.Effect<void, unknown>
  /** It is the file that is written: what is at its own place stays. */
  readonly isOwn?: boolean
  /** Reads the same where nothing is written over it, if there is such a file. */
  readonly elsewhere?: Old["read"]
  /** Its blocks, if they were hashed before, and whether it is still what was hashed. */
  readonly known?: Known
  /** It is read no more. */
  readonly close?: Effect.Effect<void>
}

interface Known {
  readonly blocks: Blocks.Blocks
  readonly isStill: Effect.Effect<boolean>
}

/** Of an older version, by its hashed blocks as they are known now: undefined once it is another. */
export const knownBy = (now: () => Blocks.Blocks | undefined): Pick<Old, "known"> => {
  const blocks = now()
  return blocks === undefined ? {} : { known: { blocks, isStill: Effect.sync(() => now() !== undefined) } }
}

/** How an older version is used. */
export interface Reusing {
  readonly signature: Signature.Signature
  /** Is told how many bytes of at most how many were read and written. */
  readonly told?: (done: number, total: number) => void
  /** May what needs no more than to be copied be copied later? [Y-18] */
  readonly postpones?: boolean
}

/** What the older versions have of the blocks. */
export interface Reused {
  /** Bytes that are right: offset and length of each run. */
  readonly held: Runs
  /** Absent: all of it is copied. */
  readonly postponed?: Later
}

/** Blocks that are held, one byte each, and 1 where it is still to be copied from that version. */
export interface Later {
  readonly old: Old & { readonly known: Known }
  readonly blocks: Uint8Array
}

/** Bytes that are looked through between two turns of the event loop: a few milliseconds at most. */
const turnBytes = 1024 * 1024
/** So many blocks that do not agree are copied with those around them, rather than left out by two calls more. */
const gapBlocks = 2
/** Of so few blocks that do not agree, between others that do, nothing has moved beyond them. */
const shortGap = 2
/** Of so many blocks at most the hashes are looked up: a key takes some 60 bytes. */
const mostKeys = 65_536
/** The search ends after so many bytes in which it has found nothing. */
const vainBytes = 64 * 1024 * 1024
/** Blocks whose sum agreed and whose content did not: more of them than this for each block are somebody's intention. */
const vainBlocks = 4

/**
 * Writes what the older versions have of the blocks; answers the bytes that are right then, as offset and length of each run. Where one
 * cannot be read, what follows has to come. What was found of one is not looked for in the next.
 */
export const reuse = Effect.fn("Reuse.reuse")(function* <E>(
  { postpones = false, signature, told = () => {} }: Reusing,
  versions: ReadonlyArray<Old>,
  write: Write<E>
) {
  const found = new Uint8Array(signature.weak.length)
  const totals = versions.map(({ size }) => Math.min(signature.size, size) + size)
  const total = totals.reduce((sum, bytes) => sum + bytes, signature.size)
  let done = 0
  // where a step of the disk takes long, those of one turn may take longer than a master waits
  const counting =
    <E>(transfer: Old["read"] | Write<E>) =>
    (at: number, bytes: Uint8Array) =>
      Effect.tap(transfer(at, bytes), () => Effect.sync(() => told((done += bytes.length), total)))
  const olds = versions.map((version): Old => ({
    ...{ ...version, read: counting(version.read) },
    ...(version.elsewhere && { elsewhere: counting(version.elsewhere) })
  }))
  const counted = counting(write) as Write<E>
  let postponed: Later | undefined
  for (const [i, old] of olds.entries()) {
    const later = yield* knownInPlace(signature, old, counted, found, postpones && postponed === undefined)
    // what is read of it then is not counted any more
    if (later !== undefined) postponed = { old: { ...versions[i], known: later.known }, blocks: later.blocks }
  }
  for (const old of olds) yield* moved(signature, old, counted, found)
  return { held: runsOf(signature, found), ...(postponed && { postponed }) } as Reused
})

export type Write<E> = (offset: number, bytes: Uint8Array) => Effect.Effect<void, E>

/** Blocks that were hashed before need no more than to be copied. Answers those that are still to be copied. [Y-18] */
const knownInPlace = Effect.fnUntraced(function* <E>(
  signature: Signature.Signature,
  { known, ...old }: Old,
  write: Write<E>,
  found: Uint8Array,
  postpones: boolean
) {
  const agreeing = agreeingOf(signature, known, found)
  if (known !== undefined && agreeing !== undefined) {
    if (postpones && old.isOwn !== true && isMuch(signature, agreeing) && (yield* known.isStill)) {
      mark(found, agreeing)
      return { known, blocks: agreeing }
    }
    const isCopied = old.isOwn === true || (yield* copy(signature, old, write, agreeing, found))
    if (isCopied && (yield* known.isStill)) {
      mark(found, agreeing)
      return undefined
    }
  }
  yield* inPlace(signature, old, write, found)
  return undefined
})

const isMuch = ({ blockBytes }: Signature.Signature, blocks: Uint8Array): boolean =>
  blocks.reduce((sum, is) => sum + is, 0) * blockBytes >= Limits.postponedBytes

/** One byte a block: 1 where it was not found yet, and its hash is that of a version's; undefined: that has none of such blocks. */
const agreeingOf = (signature: Signature.Signature, known: Known | undefined, found: Uint8Array) => {
  const { blockBytes, size, strong } = known?.blocks ?? {}
  if (strong === undefined || blockBytes !== signature.blockBytes || size !== signature.size) return undefined
  const agrees = (block: number) => Blocks.agrees(signature, block, strong, block * Blocks.strongBytes)
  return found.map((isFound, block) => (isFound === 0 && agrees(block) ? 1 : 0))
}

const mark = (found: Uint8Array, blocks: Uint8Array): void => blocks.forEach((is, block) => (found[block] |= is))

/** Copies blocks to their own place; false: one of them cannot be read. */
const copy = Effect.fnUntraced(function* <E>(
  signature: Signature.Signature,
  old: Old,
  write: Write<E>,
  blocks: Uint8Array,
  found: Uint8Array
) {
  for (const [from, , bytes] of copies(signature, blocks, found)) {
    const at = from * signature.blockBytes
    if (!(yield* isRead(old.read, at, bytes))) return false
    yield* write(at, bytes)
    yield* Effect.yieldNow
  }
  return true
})

/** Blocks of one turn of the event loop at most, and memory for their content. */
const turnOf = ({ blockBytes, size }: Signature.Signature) => {
  const most = Math.max(1, Math.floor(turnBytes / blockBytes))
  return { most, memory: new Uint8Array(Math.min(most * blockBytes, size)) }
}

/** Bytes of the blocks from one to before another. */
export const lengthOf = ({ blockBytes, size }: Signature.Signature, from: number, to: number): number =>
  Math.min(to * blockBytes, size) - from * blockBytes

/**
 * Stretches of blocks, none longer than is copied in one turn, with what lies in a short gap between them: it has to come anyway.
 * Each has memory for its content, which the next one uses again.
 */
export function* copies(
  signature: Signature.Signature,
  blocks: Uint8Array,
  found?: Uint8Array
): Generator<readonly [from: number, to: number, content: Uint8Array]> {
  const { memory, most } = turnOf(signature)
  for (let from = 0; from < blocks.length; from++) {
    if (blocks[from] === 0) continue
    let to = from + 1
    for (let block = to; block < Math.min(blocks.length, from + most) && block <= to + gapBlocks; block++) {
      if (found?.[block] === 1) break
      if (blocks[block] === 1) to = block + 1
    }
    yield [from, to, memory.subarray(0, lengthOf(signature, from, to))]
    from = to - 1
  }
}

const inPlace = Effect.fnUntraced(function* <E>(
  signature: Signature.Signature,
  old: Old,
  write: Write<E>,
  found: Uint8Array
) {
  const { blockBytes, size } = signature
  const { memory: piece } = turnOf(signature)
  const end = Math.min(size, old.size)
  for (let at = 0; at < end; at += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, end - at))
    const first = at / blockBytes
    const last = first + Math.ceil(part.length / blockBytes)
    const own = new Uint8Array(last - first)
    const wanted = [...own.keys()].filter((block) => found[first + block] === 0)
    if (wanted.length === 0) continue
    if (!(yield* isRead(old.read, at, part))) return
    markFound(signature, part, { own, wanted, first })
    for (const [from, to] of stretches(own, 0, own.length)) {
      const begin = at + from * blockBytes
      const bytes = part.subarray(from * blockBytes, Math.min(at + to * blockBytes, size) - at)
      if (old.isOwn !== true) yield* write(begin, bytes)
      found.fill(1, first + from, first + to)
    }
    yield* Effect.yieldNow
  }
})

/** Blocks from `first` on: those that are wanted are marked in `own` where they are found. */
interface Marking {
  readonly own: Uint8Array
  readonly wanted: ReadonlyArray<number>
  readonly first: number
}

/** Marks the blocks whose content this is. The old version may end within one. */
export const markFound = (
  signature: Signature.Signature,
  content: Uint8Array,
  { first, own, wanted }: Marking
): void => {
  for (const block of wanted) {
    const at = block * signature.blockBytes
    const length = Blocks.lengthOf(signature, first + block)
    const isWhole = at + length <= content.length
    if (isWhole && Signature.isBlock(signature, first + block, content.subarray(at, at + length))) own[block] = 1
  }
}

export const isRead = (read: Old["read"], at: number, into: Uint8Array) => Effect.isSuccess(read(at, into))

/** Blocks that were found, from `first` to before `last`: where each stretch begins, and where it ends. */
export function* stretches(
  found: Uint8Array,
  first: number,
  last: number
): Generator<readonly [from: number, to: number]> {
  for (let block = first; block < last; block++) {
    if (found[block] === 0) continue
    const from = block
    while (block < last && found[block] === 1) block++
    yield [from, block]
  }
}

export const runsOf = (signature: Signature.Signature, found: Uint8Array): Runs =>
  [...stretches(found, 0, found.length)].flatMap(([from, to]) => [
    from * signature.blockBytes,
    lengthOf(signature, from, to)
  ])

/**
 * What of an old version is none of the new one at its own place, with a block at both sides: there moved blocks may begin. From one
 * block or two between others that are right nothing has moved to either side. A single one may have moved itself, as a whole, unless
 * its hash says that it has not.
 */
const unlike = (signature: Signature.Signature, old: Old, found: Uint8Array, wanted: ReadonlyArray<number>) => {
  const { blockBytes } = signature
  const isNowhere = nowhere(signature, old.known, wanted)
  const out: Array<[from: number, end: number]> = []
  const push = (from: number, end: number) => {
    const last = out.at(-1)
    if (last !== undefined && from <= last[1]) last[1] = end
    else out.push([from, end])
  }
  for (let from = 0, to = 0; from < found.length && from * blockBytes < old.size; from = to + 1) {
    for (to = from; to < found.length && found[to] === 0;) to++
    const count = to - from
    const isBetween = from > 0 && to < found.length && count <= shortGap
    const beside = isBetween ? 0 : 1
    if (count === 0 || (isBetween && count === 1 && isNowhere(from))) continue
    push(Math.max(0, (from - beside) * blockBytes), Math.min(old.size, (to + beside) * blockBytes))
  }
  const longer = found.length * blockBytes
  if (old.size > longer) push(Math.max(0, longer - blockBytes), old.size)
  return out
}

/** Is a block of an older version, by the hash that is known of it, none of those that are wanted? */
const nowhere = (signature: Signature.Signature, known: Known | undefined, wanted: ReadonlyArray<number>) => {
  if (known?.blocks.blockBytes !== signature.blockBytes || wanted.length > mostKeys) return () => false
  const { strong } = known.blocks
  const hashes = new Set(wanted.map((block) => Blocks.keyOf(signature.strong, block)))
  return (block: number) =>
    (block + 1) * Blocks.strongBytes <= strong.length && !hashes.has(Blocks.keyOf(strong, block))
}

interface Searching<E> {
  readonly signature: Signature.Signature
  readonly write: Write<E>
  readonly found: Uint8Array
  readonly index: Index.Index
  readonly searcher: Searcher
  /** Bytes since something was found, and blocks compared for nothing. */
  vainBytes: number
  vainBlocks: number
}

const isInVain = (searching: Searching<unknown>): boolean =>
  searching.vainBytes > vainBytes || searching.vainBlocks > vainBlocks * searching.found.length

const moved = Effect.fnUntraced(function* <E>(
  signature: Signature.Signature,
  old: Old,
  write: Write<E>,
  found: Uint8Array
) {
  const { blockBytes, size, weak } = signature
  const whole = Math.floor(size / blockBytes)
  const wanted = [...found.keys()].filter((block) => block < whole && found[block] === 0)
  if (wanted.length === 0 || old.size < blockBytes) return
  const index = Index.make(weak, wanted, blockBytes, (a, b) => Signature.compare(signature, a, b))
  const places = unlike(signature, old, found, wanted)
  const longest = places.reduce((longest, [from, end]) => Math.max(longest, end - from), blockBytes)
  const windowBytes = Math.min(turnBytes + blockBytes, longest)
  const searcher = Wasm.searcher(index, windowBytes)
  const searching: Searching<E> = { signature, write, found, index, searcher, vainBytes: 0, vainBlocks: 0 }
  const { elsewhere: read = old.read } = old
  for (const [from, end] of places) {
    for (let at = from; at + blockBytes <= end;) {
      const length = Math.min(windowBytes, end - at)
      if (!(yield* isRead(read, at, searcher.window.subarray(0, length)))) return
      at += yield* searchIn(searching, length)
      if (isInVain(searching)) return
      yield* Effect.yieldNow
    }
  }
})

/** Looks through the first bytes of the window; answers after how many of them the next window begins. */
const searchIn = Effect.fnUntraced(function* <E>(searching: Searching<E>, length: number) {
  const { index, searcher, signature } = searching
  const { blockBytes } = signature
  let at = 0
  let next: number | undefined
  /** Where a block was that had been found before. */
  let seen = { at: -1, block: -1 }
  while (at + blockBytes <= length && !isInVain(searching)) {
    const hit = next === undefined ? searcher.find(at, length) : { at, sum: 0 }
    if (hit === undefined) break
    searching.vainBytes += hit.at - at
    const content = searcher.window.subarray(hit.at, hit.at + blockBytes)
    const candidates = next === undefined ? Index.blocksOf(index, hit.sum) : [next]
    const { block, isNew } = yield* take(searching, candidates, content)
    // one that was found before may hide another that begins in it; but not where the content repeats itself from place to place
    const isRun = block === seen.block && hit.at === seen.at + 1
    const isPredicted = next !== undefined
    next = isNew ? wantedAfter(searching, block) : undefined
    if (isNew) searching.vainBytes = 0
    if (isNew || isRun) at = hit.at + blockBytes
    else if (!isPredicted) {
      seen = { at: hit.at, block }
      at = hit.at + 1
      searching.vainBlocks += candidates.length
    }
  }
  const last = Math.max(at, length - blockBytes + 1)
  searching.vainBytes += last - at
  return last
})

/** Where a block was found its next one may follow. */
const wantedAfter = ({ found, signature }: Searching<unknown>, block: number): number | undefined => {
  const next = block + 1
  return (next + 1) * signature.blockBytes <= signature.size && found[next] === 0 ? next : undefined
}

/** Nothing, or nothing that was not found before. */
const none = { block: -1, isNew: false }

/** Writes the content to the place of the block that it is of, and of those with the same. */
const take = Effect.fnUntraced(function* <E>(
  { found, index, signature, write }: Searching<E>,
  blocks: ReadonlyArray<number>,
  content: Uint8Array
) {
  const strong = hash(content)
  const block = blocks.find((block) => Blocks.agrees(signature, block, strong))
  if (block === undefined) return none
  if (found[block] === 1) return { block, isNew: false }
  for (const twin of index.twins.get(block) ?? [block]) {
    if (found[twin] === 0) yield* write(twin * signature.blockBytes, content)
    found[twin] = 1
  }
  return { block, isNew: true }
})
