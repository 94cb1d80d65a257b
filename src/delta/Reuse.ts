/**
 * Takes from older versions of a file what the new one has of it: blocks at their own place first, then blocks that have moved, then
 * sub-blocks of those that were not found.
 */
import * as Effect from "effect/Effect"
import * as Limits from "../protocol/Limits.ts"
import { union } from "../protocol/Runs.ts"
import type { Runs } from "../protocol/Words.ts"
import * as Blocks from "./Blocks.ts"
import { Later } from "./Later.ts"
import { moved } from "./Moved.ts"
import { isRead, type Known, type Old, type Write } from "./Old.ts"
import * as Signature from "./Signature.ts"
import { copies, runsOf, stretches, turnOf } from "./Stretches.ts"
import * as SubBlocks from "./SubBlocks.ts"

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
  /** Bytes that are right, sub-blocks for all that is known yet [Y-19]: offset and length of each run. */
  readonly held: Runs
  /** Absent: all of it is copied. */
  readonly postponed?: Postponed
}

/** What is held, and still to be copied from that version. [Y-18] */
export interface Postponed {
  readonly old: Old & { readonly known: Known }
  readonly later: Later
}

/**
 * Writes what the older versions have of the blocks; answers the bytes that are held then. Where one cannot be read, what follows has to
 * come. What was found of one is not looked for in the next.
 */
export const reuse = Effect.fn("Reuse.reuse")(function* <E>(
  { postpones = false, signature, told = () => {} }: Reusing,
  versions: ReadonlyArray<Old>,
  write: Write<E>
) {
  const found = new Uint8Array(Blocks.countOf(signature))
  const totals = versions.map(({ size }) => (1 + SubBlocks.mostShifts) * Math.min(signature.size, size) + size)
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
  let postponed: Postponed | undefined
  for (const old of olds)
    postponed = (yield* knownInPlace(signature, old, counted, found, postpones && postponed === undefined)) ?? postponed
  const searched: Array<SubBlocks.Searched> = []
  for (const old of olds) searched.push({ old, shifts: yield* moved(signature, old, counted, found) })
  const parts = yield* SubBlocks.take({ signature, versions: searched, found, postponed, write: counted })
  const held = union([runsOf(signature, found), parts])
  if (postponed === undefined) return { held } as Reused
  // what is read of it then is not counted any more
  const { read } = versions[olds.indexOf(postponed.old)]
  return { held, postponed: { ...postponed, old: { ...postponed.old, read } } } as Reused
})

/** Blocks that were hashed before need no more than to be copied. Answers those that are still to be copied. [Y-18] */
const knownInPlace = Effect.fnUntraced(function* <E>(
  signature: Signature.Signature,
  old: Old,
  write: Write<E>,
  found: Uint8Array,
  postpones: boolean
) {
  const { known } = old
  const agreeing = agreeingOf(signature, known, found)
  if (known !== undefined && agreeing !== undefined) {
    if (postpones && old.isOwn !== true && isMuch(signature, agreeing) && (yield* known.isStill)) {
      mark(found, agreeing)
      return { old: old as Postponed["old"], later: new Later(signature, agreeing) }
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
