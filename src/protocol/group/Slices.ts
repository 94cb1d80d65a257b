/**
 * How many catchers one question asks, so that their answers do not overflow the master's receive buffer. Pure.
 *
 * As many as the buffer has room for the answers of; half as many after a slice of which less than half answered in time,
 * twice as many after one that did.
 */

import * as Limits from "../Limits.ts"

/** How many slots a question asks now, and the most that it ever does. */
export interface Slices {
  readonly slots: number
  readonly most: number
}

/** The first slice is as large as the buffer, in bytes, has room for the answers of. */
export const make = (receiveBufferBytes: number): Slices => {
  const fits = Math.floor(receiveBufferBytes / Limits.answerBytes)
  const most = Math.max(Limits.minSliceSlots, Math.min(Limits.maxSliceSlots, fits))
  return { slots: most, most }
}

/** A slice of `asked` was given its time; `owing` of them have not answered. */
export const asked = (self: Slices, asked: number, owing: number): Slices => {
  // fewer than a slice may have: the last of a group, or those that are silent anyway
  if (asked < self.slots || (owing > 0 && owing * 2 <= asked)) return self
  const slots = owing === 0 ? self.slots * 2 : Math.floor(self.slots / 2)
  return { ...self, slots: Math.max(Limits.minSliceSlots, Math.min(self.most, slots)) }
}
