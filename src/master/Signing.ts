/** Signatures of files of which catchers have older versions. [Y-13] */
import * as Effect from "effect/Effect"
import * as Signature from "../delta/Signature.ts"
import * as Limits from "../protocol/Limits.ts"
import { Paths } from "../session/Session.ts"
import { Source } from "../source/Source.ts"
import * as Lacks from "../tree/Lacks.ts"
import type { Ledger } from "./Ledger.ts"

/**
 * Of what cannot be read, or has changed since the scan, there is none, nor of what is beyond a
 * list's limit: it is sent whole.
 */
export const sign = Effect.fn("Master.sign")(function* (ledger: Ledger) {
  const { pageBytes } = yield* Paths
  const isWanted = (entry: number) =>
    Signature.isSigned(ledger.entries[entry]) && ledger.isSelectable(entry) && ledger.isHashable(entry)
  const signatures: Array<Signature.Signature> = []
  let bytes = 0
  for (const index of Lacks.each(ledger.deltas.toSign(isWanted))) {
    const entry = ledger.entries[index]
    if (entry?._tag !== "File") continue
    const blockBytes = Signature.blockBytesOf(entry.size, pageBytes())
    bytes += Signature.bytesOf(entry.size, blockBytes)
    if (bytes > Limits.signatureBytes) break
    const signature = yield* signed(Signature.make(index, entry.size, blockBytes))
    if (signature !== undefined) signatures.push(signature)
  }
  return signatures
})

/** Bytes that are read and hashed between two turns of the event loop: a millisecond. */
const turnBytes = 1024 * 1024

const signed = Effect.fnUntraced(
  function* (signature: Signature.Signature) {
    const { blockBytes, entry, size, weak } = signature
    const { isUntouched, read } = yield* (yield* Source).open(entry)
    const blocks = Math.max(1, Math.floor(turnBytes / blockBytes))
    const piece = new Uint8Array(blocks * blockBytes)
    for (let first = 0; first < weak.length; first += blocks) {
      const part = piece.subarray(0, Math.min(piece.length, size - first * blockBytes))
      yield* read(first * blockBytes, part)
      for (let at = 0; at < part.length; at += blockBytes)
        Signature.put(signature, first + at / blockBytes, part.subarray(at, at + blockBytes))
      yield* Effect.yieldNow
    }
    return (yield* isUntouched) ? signature : undefined
  },
  Effect.scoped,
  (signing) => Effect.orElseSucceed(signing, () => undefined)
)
