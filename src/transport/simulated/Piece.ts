/**
 * Datagrams on their way, several of one sender together.
 */

import * as Limits from "../../protocol/Limits.ts"
import type { Received } from "../Transport.ts"

/** Datagrams of `datagramBytes` glued together; the last may be shorter. */
export interface Piece extends Received {
  readonly datagrams: number
  readonly datagramBytes: number
}

export const datagramsOf = (pieces: ReadonlyArray<Piece>) => pieces.reduce((sum, piece) => sum + piece.datagrams, 0)
export const bytesOf = (pieces: ReadonlyArray<Piece>) => pieces.reduce((sum, piece) => sum + piece.bytes.length, 0)

export const wireBytes = ({ bytes, datagrams }: Piece) => bytes.length + datagrams * Limits.udpHeaderBytes

/** What of a piece passes where packets are that long at most. */
export const passing = (piece: Piece, mtuBytes: number, countsGlued: boolean): ReadonlyArray<Piece> => {
  const { bytes, datagramBytes, datagrams } = piece
  const mostBytes = mtuBytes - Limits.udpHeaderBytes
  if (Math.min(bytes.length, countsGlued ? Infinity : datagramBytes) <= mostBytes) return [piece]
  // the last may be shorter
  const lastBytes = bytes.length - (datagrams - 1) * datagramBytes
  return lastBytes <= mostBytes && !(countsGlued && datagrams > 1) ? [part(piece, datagrams - 1, datagrams)] : []
}

/** The datagrams [first, end) of a piece. */
export const part = (piece: Piece, first: number, end: number): Piece => ({
  bytes: piece.bytes.subarray(first * piece.datagramBytes, Math.min(end * piece.datagramBytes, piece.bytes.length)),
  from: piece.from,
  datagrams: end - first,
  datagramBytes: piece.datagramBytes
})
