/** What takes long and seldom shows anything new: at night, or with MRSYNC_ALL=1. */
const isWanted = process.env.MRSYNC_ALL !== undefined

/** These, or all at night. */
export const mostly = <A>(cases: ReadonlyArray<A>, atNight: ReadonlyArray<A>): ReadonlyArray<A> =>
  isWanted ? [...cases, ...atNight] : cases
