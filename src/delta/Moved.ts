/** Blocks that have moved: they are looked for where an old version has nothing at its place. */
import * as Effect from "effect/Effect"
import { hash } from "../content/Hash.ts"
import * as Blocks from "./Blocks.ts"
import * as Index from "./Index.ts"
import { isRead, type Known, type Old, type Write } from "./Old.ts"
import type { Searcher } from "./Search.ts"
import * as Signature from "./Signature.ts"
import { turnBytes, vainBytes } from "./Stretches.ts"
import * as Wasm from "./Wasm.ts"

/** Of so few blocks that do not agree, between others that do, nothing has moved beyond them. */
const shortGap = 2
/** Of so many blocks at most the hashes are looked up: a key takes some 60 bytes. */
const mostKeys = 65_536
/** Blocks whose sum agreed and whose content did not: more of them than this for each block are somebody's intention. */
const vainBlocks = 4

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
  readonly shifts: Float64Array
  readonly index: Index.Index
  readonly searcher: Searcher
  /** Where the window begins in the old version. */
  at: number
  /** Bytes since something was found, and blocks compared for nothing. */
  vainBytes: number
  vainBlocks: number
}

const isInVain = (searching: Searching<unknown>): boolean =>
  searching.vainBytes > vainBytes || searching.vainBlocks > vainBlocks * searching.found.length

/** Writes blocks that the old version has at other places; answers of each block by how many bytes it has moved there. */
export const moved = Effect.fnUntraced(function* <E>(
  signature: Signature.Signature,
  old: Old,
  write: Write<E>,
  found: Uint8Array
) {
  const { blockBytes, size } = signature
  const shifts = new Float64Array(found.length)
  const whole = Math.floor(size / blockBytes)
  const wanted = [...found.keys()].filter((block) => block < whole && found[block] === 0)
  if (wanted.length === 0 || old.size < blockBytes) return shifts
  const places = unlike(signature, old, found, wanted)
  if (places.length === 0) return shifts
  const index = Index.make(Signature.weakOf(signature), wanted, blockBytes, (a, b) =>
    Signature.compare(signature, a, b)
  )
  const longest = places.reduce((longest, [from, end]) => Math.max(longest, end - from), blockBytes)
  const windowBytes = Math.min(turnBytes + blockBytes, longest)
  const searcher = Wasm.searcher(index, windowBytes)
  const searching: Searching<E> = {
    ...{ signature, write, found, shifts, index, searcher },
    ...{ at: 0, vainBytes: 0, vainBlocks: 0 }
  }
  const { elsewhere: read = old.read } = old
  for (const [from, end] of places) {
    for (let at = from; at + blockBytes <= end;) {
      const length = Math.min(windowBytes, end - at)
      if (!(yield* isRead(read, at, searcher.window.subarray(0, length)))) return shifts
      searching.at = at
      at += yield* searchIn(searching, length)
      if (isInVain(searching)) return shifts
      yield* Effect.yieldNow
    }
  }
  return shifts
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
    const candidates = next === undefined ? Index.blocksOf(index, hit.sum) : [next]
    const { block, isNew } = yield* take(searching, candidates, hit.at)
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

/** Writes what begins at a place of the window to the place of the block that it is of, and of those with the same. */
const take = Effect.fnUntraced(function* <E>(searching: Searching<E>, blocks: ReadonlyArray<number>, at: number) {
  const { found, index, searcher, shifts, signature, write } = searching
  const content = searcher.window.subarray(at, at + signature.blockBytes)
  const strong = hash(content)
  const block = blocks.find((block) => Blocks.agrees(signature, block, strong))
  if (block === undefined) return none
  if (found[block] === 1) return { block, isNew: false }
  for (const twin of index.twins.get(block) ?? [block]) {
    const place = twin * signature.blockBytes
    if (found[twin] === 0) yield* write(place, content)
    if (found[twin] === 0) shifts[twin] = searching.at + at - place
    found[twin] = 1
  }
  return { block, isNew: true }
})
