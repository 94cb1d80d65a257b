/** How long a story's session waits, and what its faults may last. */

/** So long that a living catcher which loses half of all questions and answers is heard in time. */
export const timeoutMillis = 12_000
/** What lasts no longer than this is no excuse. */
export const shortMillis = timeoutMillis / 6
