/** How an older version of a large file is used, by the content that is to come. */
import * as Blocks from "../../src/delta/Blocks.ts"
import type { Reusing } from "../../src/delta/Reuse.ts"
import * as Weak from "../../src/delta/Weak.ts"

const pageBytes = 1432

export const blockBytesOf = (size: number): number => Blocks.bytesOf(size, pageBytes)

export const reusing = (entry: number, content: Uint8Array): Reusing => {
  const blockBytes = blockBytesOf(content.length)
  const blocks = Blocks.ofContent(content, blockBytes)
  const weak = Uint32Array.from({ length: Blocks.countOf(blocks) }, (_, block) =>
    Weak.sumOf(content, block * blockBytes, Blocks.lengthOf(blocks, block))
  )
  return { signature: { ...blocks, entry, weak } }
}
