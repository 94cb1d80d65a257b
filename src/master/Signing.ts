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
 * the limit of the session's lists: it is sent whole.
 */
const signAll = Effect.fn("Master.sign")(function* (ledger: Ledger, pageBytes: number, entries: Iterable<number>) {
  const signatures: Array<Signature.Signature> = []
  for (const entry of entries) {
    if (!Blocks.hasBlocks(ledger.entries[entry])) continue
    const signature = ledger.deltas.kept(entry) ?? (yield* signed(ledger, entry, { pageBytes }))
    if (signature === undefined) continue
    if (!ledger.deltas.takeRoom(signature)) break
    signatures.push(signature)
  }
  return signatures
})

/** The signature of a large file; undefined: it cannot be read, or has changed. */
export const signed = Effect.fnUntraced(
  function* (ledger: Ledger, entry: number, { pageBytes, told = () => {} }: Blocks.Hashing) {
    const file = ledger.entries[entry]
    if (file?._tag !== "File") return undefined
    const bytes = carriedBytes(file)
    const signature = Signature.make(entry, bytes, Blocks.bytesOf(bytes, pageBytes))
    const { sumOf, window } = Wasm.summer(Blocks.turnBytesOf(signature.blockBytes))
    const take = (block: number, at: number, length: number) => {
      signature.weak[block] = sumOf(at, length)
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
