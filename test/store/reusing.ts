/** How an older version of a large file is used, by the content that is to come. */
import * as Blocks from "../../src/delta/Blocks.ts"
import type { Reusing } from "../../src/delta/Reuse.ts"
import * as Signature from "../../src/delta/Signature.ts"
import { signatureOf } from "../delta/contents.ts"

/** Bytes of a page, and of a sub-block. */
export const pageBytes = 1432

export const blockBytesOf = (size: number): number => Blocks.bytesOf(size, pageBytes)

/** As the master signs it. */
export const reusing = (entry: number, content: Uint8Array): Reusing => {
  const blockBytes = blockBytesOf(content.length)
  return { signature: { ...signatureOf(content, blockBytes, Signature.subBytesOf(blockBytes, pageBytes)), entry } }
}
