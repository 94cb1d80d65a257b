/** The page to watch a session, as the build has put it into the program: scripts/page.ts makes it of src/web. */

/** HTML, compressed by gzip, in base64; not there where the sources are run as they are. */
declare const MRSYNC_PAGE: string | undefined

const unbuilt = "H4sIAAAAAAAAAwMAAAAAAAAAAAA="

/** HTML, compressed by gzip; empty where the program was not built. */
export const page = (): Uint8Array => Buffer.from(typeof MRSYNC_PAGE === "string" ? MRSYNC_PAGE : unbuilt, "base64")
