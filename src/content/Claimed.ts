/**
 * Bytes of a length that somebody else claims. Memory is taken in pieces, where something is put: a claim alone costs
 * nothing. What was not put is zero.
 */

const pieceBytes = 64 * 1024

export class Claimed {
  readonly length: number
  private readonly pieces = new Map<number, Uint8Array>()
  /** Everything in one piece, once it was asked for. */
  private joined: Uint8Array | undefined

  constructor(length: number) {
    this.length = length
  }

  put(from: Uint8Array, offset: number): void {
    if (this.joined !== undefined) return this.joined.set(from, offset)
    this.each(offset, from.length, (piece, start, first, count) => {
      let bytes = this.pieces.get(piece)
      if (bytes === undefined) {
        bytes = new Uint8Array(Math.min(pieceBytes, this.length - piece * pieceBytes))
        this.pieces.set(piece, bytes)
      }
      bytes.set(from.subarray(first, first + count), start)
    })
  }

  read(offset: number, into: Uint8Array): void {
    if (this.joined !== undefined) return into.set(this.joined.subarray(offset, offset + into.length))
    this.each(offset, into.length, (piece, start, first, count) => {
      const bytes = this.pieces.get(piece)
      if (bytes === undefined) into.fill(0, first, first + count)
      else into.set(bytes.subarray(start, start + count), first)
    })
  }

  /** All of it. Ask only when all of it has come. */
  whole(): Uint8Array {
    if (this.joined === undefined) {
      const joined = new Uint8Array(this.length)
      for (const [piece, bytes] of this.pieces) joined.set(bytes, piece * pieceBytes)
      this.pieces.clear()
      this.joined = joined
    }
    return this.joined
  }

  // The parts of a range: which piece, where in it, where in the range, and how long.
  private each(
    offset: number,
    length: number,
    visit: (piece: number, start: number, first: number, count: number) => void
  ): void {
    for (let done = 0; done < length;) {
      const at = offset + done
      const piece = Math.floor(at / pieceBytes)
      const start = at - piece * pieceBytes
      const count = Math.min(length - done, pieceBytes - start)
      visit(piece, start, done, count)
      done += count
    }
  }
}
