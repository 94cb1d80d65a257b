/**
 * Holes: zeros that a new file need not have written. A range is left out when it is zero throughout and nothing was
 * written there before; the file reads as zero there all the same.
 */

import { isZero } from "../../tree/Holes.ts"

/** Shortest write that may become a hole: the block of most file systems. */
const holeBytes = 4096
/** Content that one bit remembers as written. */
const chunkBytes = 64 * 1024

export class Sparse {
  /** One bit a chunk. */
  private readonly written: Uint8Array

  constructor(size: number) {
    this.written = new Uint8Array(Math.ceil(size / chunkBytes / 8))
  }

  /** May this write be left out? If not, its chunks count as written from now on. */
  leavesOut(offset: number, bytes: Uint8Array): boolean {
    if (bytes.length >= holeBytes && !this.isWritten(offset, bytes.length) && isZero(bytes)) return true
    const last = lastChunk(offset, bytes.length)
    for (let chunk = Math.floor(offset / chunkBytes); chunk <= last; chunk++) {
      this.written[Math.floor(chunk / 8)] |= 1 << (chunk % 8)
    }
    return false
  }

  private isWritten(offset: number, length: number): boolean {
    const last = lastChunk(offset, length)
    for (let chunk = Math.floor(offset / chunkBytes); chunk <= last; chunk++) {
      if ((this.written[Math.floor(chunk / 8)] & (1 << (chunk % 8))) !== 0) return true
    }
    return false
  }
}

const lastChunk = (offset: number, length: number): number => Math.floor((offset + length - 1) / chunkBytes)
