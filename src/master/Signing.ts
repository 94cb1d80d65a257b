/** Signatures of files of which catchers have older versions. [Y-13] */
import * as Effect from "effect/Effect"
import * as Blocks from "../delta/Blocks.ts"
import * as Signature from "../delta/Signature.ts"
import * as Wasm from "../delta/Wasm.ts"
import { Source } from "../source/Source.ts"
import { carriedBytes } from "../tree/Holes.ts"
import * as Lacks from "../tree/Lacks.ts"
import type { CarriedFile } from "../tree/Plan.ts"
import type { Ledger } from "./Ledger.ts"

/** Of the files that are to be selected. */
export const sign = (ledger: Ledger, pageBytes: number) => {
  const isWanted = (entry: number) => ledger.isSelectable(entry) && ledger.isHashable(entry)
  return signAll(ledger, pageBytes, Lacks.each(ledger.deltas.toSign(isWanted)))
}

/** Of files that were taken anew: what a log has grown by is all that has to be sent of it. */
export const signRevised = (ledger: Ledger, pageBytes: number, files: ReadonlyArray<CarriedFile>) => {
  const entries = files.flatMap(({ kind, members }) => (kind === "Single" ? [members[0].entry] : []))
  return signAll(
    ledger,
    pageBytes,
    entries.filter((entry) => ledger.deltas.isOld(entry))
  )
}

/**
 * Of what cannot be read, or has changed since the scan, there is none, nor of what is beyond
 * the limit of the session's lists: it is sent whole. Where they have room for the sub-blocks of
 * all, they have those. [Y-19]
 */
const signAll = Effect.fn("Master.sign")(function* (ledger: Ledger, pageBytes: number, entries: Iterable<number>) {
  const { deltas } = ledger
  let signatures: Array<Signature.Signature> = []
  let subs = 0
  let hasSubs = true
  for (const entry of entries) {
    if (!Blocks.hasBlocks(ledger.entries[entry])) continue
    const signature = deltas.kept(entry) ?? (yield* signed(ledger, entry, { pageBytes }))
    if (signature === undefined) continue
    if (!deltas.takeRoom(signature)) break
    subs += Signature.bytesOf(signature) - Signature.coarseBytesOf(signature)
    signatures.push(hasSubs ? signature : Signature.coarse(signature))
    if (!hasSubs || deltas.hasRoomForSubs(subs)) continue
    hasSubs = false
    signatures = signatures.map(Signature.coarse)
  }
  if (hasSubs) deltas.takeRoomForSubs(subs)
  return signatures
})

/** The signature of a large file; undefined: it cannot be read, or has changed. */
export const signed = Effect.fnUntraced(
  function* (ledger: Ledger, entry: number, { pageBytes, told = () => {} }: Blocks.Hashing) {
    const file = ledger.entries[entry]
    if (file?._tag !== "File") return undefined
    const bytes = carriedBytes(file)
    const blockBytes = Blocks.bytesOf(bytes, pageBytes)
    const subBytes = Signature.subBytesOf(blockBytes, pageBytes)
    const signature = Signature.make(entry, { size: bytes, blockBytes, subBytes })
    const { sumOf, window } = Wasm.summer(Blocks.turnBytesOf(signature.blockBytes))
    const take = (block: number, at: number, length: number) => {
      Signature.sum(signature, block, (from, length) => sumOf(at + from, length))
      Blocks.put(signature, block, window.subarray(at, at + length))
    }
    const { hasGrown, isUntouched, read } = yield* (yield* Source).open(entry)
    yield* Blocks.each(signature, window, read, take, told)
    if (yield* isUntouched) return signature
    if (!(yield* hasGrown)) return undefined
    // what was appended to may have been written to as well: only what was read twice alike was
    // there at one moment
    const again = yield* Blocks.hashed(Blocks.make(signature.size, signature.blockBytes), read, () => {})
    return Buffer.compare(again.strong, signature.strong) === 0 ? signature : undefined
  },
  Effect.scoped,
  (signing) => Effect.orElseSucceed(signing, () => undefined)
)
