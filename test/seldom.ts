/** What takes long and seldom shows anything new: at night, or with MRSYNC_ALL=1. */
export const isAll = process.env.MRSYNC_ALL !== undefined

/** These, or all at night. */
export const mostly = <A>(cases: ReadonlyArray<A>, atNight: ReadonlyArray<A>): ReadonlyArray<A> =>
  isAll ? [...cases, ...atNight] : cases
