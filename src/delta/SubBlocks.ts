/**
 * Sub-blocks of blocks that no older version has: they are taken where the block would be, and where it would be if it had moved like the
 * block before it or behind it. A weak sum is all that says that they are right: the hash of the block decides, once what it lacks
 * has come. [Y-19]
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { push } from "../protocol/Runs.ts"
import * as Blocks from "./Blocks.ts"
import type { Later } from "./Later.ts"
import { isRead, type Old, type Write } from "./Old.ts"
import type { Summer } from "./Search.ts"
import * as Signature from "./Signature.ts"
import { lengthOf, stretches, turnBytes, turnOf, vainBytes } from "./Stretches.ts"
import * as Wasm from "./Wasm.ts"

/** An older version, and of each block by how many bytes it was found to have moved there. */
export interface Searched {
  readonly old: Old
  readonly shifts: Float64Array
}

interface Taking<E> {
  readonly signature: Signature.Signature
  readonly versions: ReadonlyArray<Searched>
  /** One byte a block: 1 where all of it was found. */
  readonly found: Uint8Array
  /** What of one of the versions is to be copied later, if there is one: sub-blocks are added to it. [Y-18] */
  readonly postponed: Postponable | undefined
  readonly write: Write<E>
}

interface Postponable {
  readonly old: Old
  readonly later: Later
}

/** Blocks side by side, and what was taken of them. */
interface Stretch {
  readonly from: number
  readonly to: number
  readonly content: Uint8Array
  /** One byte a sub-block. */
  readonly states: Uint8Array
}

/**
 * Of a sub-block: it has to come; it is in `content`, and has to be written; it is there as well, and stands in the file; or it is to be
 * copied later.
 */
const [lacked, taken, standing, pending] = [0, 1, 2, 3]

/**
 * Takes the sub-blocks that the versions have, and marks blocks of which they have all. Answers which bytes of others were taken:
 * offset and length of each run.
 */
export const take = Effect.fn("SubBlocks.take")(function* <E>(taking: Taking<E>) {
  const { found, signature, versions } = taking
  const runs: Array<number> = []
  const gaps = [...stretches(found, 0, found.length, 0)]
  if (signature.subBytes >= signature.blockBytes || gaps.length === 0) return runs
  const { memory, most } = turnOf(signature)
  const longest = gaps.reduce((longest, [from, to]) => Math.max(longest, to - from), 0)
  const summer = Wasm.summer(Math.min(longest * signature.blockBytes, memory.length))
  const states = new Uint8Array(Math.min(most * Signature.subsOf(signature), signature.sums.length))
  const began = yield* Clock.currentTimeMillis
  let looked = 0
  let turn = 0
  let vain = 0
  for (const [first, end] of gaps) {
    for (let from = first; from < end; from += most) {
      const to = Math.min(from + most, end)
      const content = memory.subarray(0, lengthOf(signature, from, to))
      const stretch = { from, to, content, states: states.fill(lacked) }
      for (const { old, shifts } of versions)
        for (const shift of distinct(shifts[first - 1], shifts[end])) {
          const hasTaken = yield* takeAt(taking, stretch, old, shift, summer)
          vain = hasTaken ? 0 : vain + content.length
        }
      yield* settle(taking, stretch, runs)
      looked += content.length
      const millis = (yield* Clock.currentTimeMillis) - began
      const isSlow = millis > leastMillis && looked < millis * leastBytesPerMilli
      if (isSlow || vain > vainBytes) return runs
      turn += content.length
      if (turn < turnBytes) continue
      turn = 0
      yield* Effect.yieldNow
    }
  }
  return runs
})

/**
 * The look ends where after so long it has read less than so much in each millisecond: a disk that has to seek for each gap. Then whole
 * blocks come sooner from the master.
 */
const leastMillis = 1000
const leastBytesPerMilli = 16 * 1024

/** A gap is read so often at most. */
export const mostShifts = 3

/** By how many bytes blocks may have moved: like that before them, like that behind them, or not at all. */
const distinct = (before = 0, behind = 0): ReadonlyArray<number> =>
  before === 0 && behind === 0 ? [0] : [...new Set([before, behind, 0])]

/** Each sub-block of blocks from `from` to before `to`: its number among them, where it begins in them, and its length. */
const each = (
  signature: Signature.Signature,
  { from, to }: Pick<Stretch, "from" | "to">,
  use: (own: number, place: number, length: number, block: number) => void
): void => {
  const { blockBytes, subBytes } = signature
  let own = 0
  for (let block = from; block < to; block++) {
    const bytes = Blocks.lengthOf(signature, block)
    for (let at = 0; at < bytes; at += subBytes)
      use(own++, (block - from) * blockBytes + at, Math.min(subBytes, bytes - at), block)
  }
}

const lacks = (signature: Signature.Signature, stretch: Stretch): boolean => {
  let isLacking = false
  each(signature, stretch, (own) => (isLacking ||= stretch.states[own] === lacked))
  return isLacking
}

/** Takes what an older version has of a stretch that has moved there by so many bytes. Was it anything? */
const takeAt = Effect.fnUntraced(function* (
  { postponed, signature }: Pick<Taking<never>, "postponed" | "signature">,
  stretch: Stretch,
  old: Old,
  shift: number,
  { sumOf, window }: Summer
) {
  const { elsewhere, isOwn = false, read, size } = old
  const { content, from, states } = stretch
  if (!lacks(signature, stretch)) return false
  const start = from * signature.blockBytes
  // of the window those bytes are read that the older version has
  const [first, end] = [Math.max(0, -(start + shift)), Math.min(content.length, size - start - shift)]
  if (first >= end) return false
  const isThere = isOwn && shift === 0
  const reading = isThere ? read : (elsewhere ?? read)
  if (!(yield* isRead(reading, start + shift + first, window.subarray(first, end)))) return false
  const sub = from * Signature.subsOf(signature)
  const state = isThere ? standing : shift === 0 && postponed?.old === old ? pending : taken
  const runs: Array<number> = []
  each(signature, stretch, (own, place, length) => {
    if (states[own] !== lacked || place < first || place + length > end) return
    if (sumOf(place, length) !== signature.sums[sub + own]) return
    states[own] = state
    push(runs, place, length)
  })
  for (let i = 0; i < runs.length; i += 2) content.set(window.subarray(runs[i], runs[i] + runs[i + 1]), runs[i])
  return runs.length > 0
})

/** Writes what was taken of a stretch, or says that it is to be copied later. */
const settle = Effect.fnUntraced(function* <E>(taking: Taking<E>, stretch: Stretch, runs: Array<number>) {
  const { found, postponed, signature, write } = taking
  const { content, from, states, to } = stretch
  const start = from * signature.blockBytes
  const writes: Array<number> = []
  for (let block = from; block < to; block++) judge(taking, stretch, block)
  each(signature, stretch, (own, place, length, block) => {
    const state = states[own]
    if (state === taken || (state === pending && found[block] === 1)) push(writes, place, length)
    else if (state === pending) postponed?.later.add(block, start + place, length)
    if (state !== lacked && found[block] === 0) push(runs, start + place, length)
  })
  for (let i = 0; i < writes.length; i += 2)
    yield* write(start + writes[i], content.subarray(writes[i], writes[i] + writes[i + 1]))
})

/** A block of which all was taken is the one that was looked for, or nothing of it is right for sure. */
const judge = ({ found, signature }: Taking<unknown>, { content, from, states }: Stretch, block: number): void => {
  const { blockBytes } = signature
  const first = (block - from) * Signature.subsOf(signature)
  const bytes = content.subarray(
    (block - from) * blockBytes,
    (block - from) * blockBytes + Blocks.lengthOf(signature, block)
  )
  const own = states.subarray(first, first + Math.ceil(bytes.length / signature.subBytes))
  if (own.includes(lacked)) return
  if (Signature.isBlock(signature, block, bytes)) found[block] = 1
  else own.fill(lacked)
}
