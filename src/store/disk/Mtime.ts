/**
 * Modification times on their way to the disk. With the C library they arrive to the nanosecond. Node alone takes a
 * double and cuts it to microseconds, so there the time is rounded down beforehand: a copy that looks newer than its
 * original would make later comparisons by time go wrong, one that looks older only costs another look.
 */

import * as Option from "effect/Option"
import * as fs from "node:fs"
import type { Calls } from "../../system/Libc.ts"
import type { Metadata } from "../../tree/Metadata.ts"

export interface Setter {
  readonly file: (fd: number, metadata: Metadata) => void
  /** `follow: false` sets a symbolic link's own time. Both throw as Node's fs does. */
  readonly path: (path: Buffer, metadata: Metadata, options: { readonly follow: boolean }) => void
}

export const setter = (libc: Option.Option<Calls>): Setter =>
  Option.match(libc, {
    onSome: (libc): Setter => ({
      file: (fd, { mtimeNanos, mtimeSeconds }) => libc.futimens(fd, mtimeSeconds, mtimeNanos),
      path: (path, { mtimeNanos, mtimeSeconds }, options) => libc.utimens(path, mtimeSeconds, mtimeNanos, options)
    }),
    onNone: (): Setter => ({
      file: (fd, metadata) => {
        const time = text(metadata)
        fs.futimesSync(fd, time, time)
      },
      path: (path, metadata, { follow }) => {
        const time = text(metadata)
        if (follow) fs.utimesSync(path, time, time)
        else fs.lutimesSync(path, time, time)
      }
    })
  })

/** Seconds as Node is given them: it takes a negative number to mean "now", but not a text of one. */
export const textOf = (seconds: number): string => String(seconds)

const text = ({ mtimeNanos, mtimeSeconds }: Metadata): string => textOf(toDouble(mtimeSeconds, mtimeNanos))

/**
 * The time as seconds in a double that is never above it, whether what takes it keeps its nanoseconds or cuts them to
 * microseconds towards zero (as Node does, which before 1970 is upwards: so there it is a whole microsecond already).
 */
export const toDouble = (seconds: number, nanos: number): number => {
  const wanted = seconds < 0 ? nanos - (nanos % 1000) : nanos
  let time = seconds + wanted / 1e9
  while (isAbove(time, seconds, wanted)) time = nextBelow(time)
  return time
}

// The same arithmetic as Node's, which splits the double at the second next to zero.
const isAbove = (time: number, seconds: number, nanos: number): boolean => {
  const whole = Math.trunc(time)
  const apart = seconds - whole
  return Math.abs(apart) > 1 ? apart < 0 : (time - whole) * 1e9 > apart * 1e9 + nanos
}

const double = new Float64Array(1)
const bits = new BigInt64Array(double.buffer)

const nextBelow = (x: number): number => {
  double[0] = x
  if (x === 0) return -Number.MIN_VALUE
  bits[0] += x > 0 ? -1n : 1n
  return double[0]
}
