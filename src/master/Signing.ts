/** Signatures of files of which catchers have older versions. [Y-13] */
import * as Effect from "effect/Effect"
import * as Blocks from "../delta/Blocks.ts"
import * as Signature from "../delta/Signature.ts"
import * as Wasm from "../delta/Wasm.ts"
import * as Limits from "../protocol/Limits.ts"
import { Source } from "../source/Source.ts"
import * as Lacks from "../tree/Lacks.ts"
import type { Ledger } from "./Ledger.ts"

/**
 * Of what cannot be read, or has changed since the scan, there is none, nor of what is beyond a
 * list's limit: it is sent whole.
 */
export const sign = Effect.fn("Master.sign")(function* (ledger: Ledger, pageBytes: number) {
  const isWanted = (entry: number) =>
    Blocks.hasBlocks(ledger.entries[entry]) && ledger.isSelectable(entry) && ledger.isHashable(entry)
  const signatures: Array<Signature.Signature> = []
  let bytes = 0
  for (const entry of Lacks.each(ledger.deltas.toSign(isWanted))) {
    const signature = ledger.deltas.kept(entry) ?? (yield* signed(ledger, entry, { pageBytes }))
    if (signature === undefined) continue
    bytes += Signature.bytesOf(signature.size, signature.blockBytes)
    if (bytes > Limits.signatureBytes) break
    signatures.push(signature)
  }
  return signatures
})

/** The signature of a large file; undefined: it cannot be read, or has changed. */
export const signed = Effect.fnUntraced(
  function* (ledger: Ledger, entry: number, { pageBytes, told = () => {} }: Blocks.Hashing) {
    const file = ledger.entries[entry]
    if (file?._tag !== "File") return undefined
    const signature = Signature.make(entry, file.size, Blocks.bytesOf(file.size, pageBytes))
    const { sumOf, window } = Wasm.summer(Blocks.turnBytesOf(signature.blockBytes))
    const take = (block: number, at: number, length: number) => {
      signature.weak[block] = sumOf(at, length)
      Blocks.put(signature, block, window.subarray(at, at + length))
    }
    const { isUntouched, read } = yield* (yield* Source).open(entry)
    yield* Blocks.each(signature, window, read, take, told)
    return (yield* isUntouched) ? signature : undefined
  },
  Effect.scoped,
  (signing) => Effect.orElseSucceed(signing, () => undefined)
)
