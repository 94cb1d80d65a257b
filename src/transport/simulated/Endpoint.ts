/**
 * One end of the network: its address, and what it holds unread.
 */

import type { Address, Received } from "../Transport.ts"
import type { Link } from "./Link.ts"
import { datagramsOf, part, type Piece } from "./Piece.ts"

/** A receive buffer like that of a tuned Linux machine. */
export const defaultReceiveBufferBytes = 4 * 1024 * 1024
/** The least that one datagram takes of a receive buffer, whatever its length: the kernel's bookkeeping costs as well. */
export const leastBufferedBytes = 256

export class Endpoint {
  readonly name: string
  address: Address
  readonly isCatcher: boolean
  readonly link: Link
  readonly bufferLimitBytes: number
  /** More than 0: multicast reaches it. */
  hearsGroup: number
  buffer: Array<Piece> = []
  bufferedBytes = 0
  sent = 0
  received = 0
  dropped = 0
  unanswerable = 0
  closed = false
  wake: (() => void) | undefined

  constructor(
    name: string,
    address: Address,
    isCatcher: boolean,
    link: Link,
    receiveBufferBytes = defaultReceiveBufferBytes
  ) {
    this.name = name
    this.address = address
    this.isCatcher = isCatcher
    this.link = link
    this.bufferLimitBytes = receiveBufferBytes
    this.hearsGroup = isCatcher ? 1 : 0
  }

  drop(datagrams: number): void {
    this.dropped += datagrams
    this.link.traffic.dropped += datagrams
  }

  /** Returns how many datagrams found room. */
  accept(pieces: ReadonlyArray<Piece>): number {
    let taken = 0
    for (const piece of pieces) {
      const eachBytes = Math.max(piece.datagramBytes, leastBufferedBytes)
      // the last datagram may be shorter
      const allBytes = Math.max(piece.bytes.length, piece.datagrams * leastBufferedBytes)
      const room = this.bufferLimitBytes - this.bufferedBytes
      const fit = allBytes <= room ? piece.datagrams : Math.min(piece.datagrams - 1, Math.floor(room / eachBytes))
      this.drop(piece.datagrams - fit)
      if (fit === 0) continue
      this.bufferedBytes += fit === piece.datagrams ? allBytes : fit * eachBytes
      this.buffer.push(fit === piece.datagrams ? piece : part(piece, 0, fit))
      taken += fit
    }
    const { traffic } = this.link
    traffic.peakBufferBytes = Math.max(traffic.peakBufferBytes, this.bufferedBytes)
    return taken
  }

  drain(): ReadonlyArray<Received> {
    const pieces = this.buffer
    this.buffer = []
    this.bufferedBytes = 0
    const datagrams = datagramsOf(pieces)
    this.received += datagrams
    this.link.traffic.received += datagrams
    return pieces
  }

  close(): void {
    this.closed = true
    this.buffer = []
    this.wake?.()
  }
}
