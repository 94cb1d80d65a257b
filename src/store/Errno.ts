/**
 * What the system says when it refuses, in words: the code as it names it (ENOSPC, EROFS, ...) and a reason for a person.
 * A thrown value that is no refusal of the system is a defect and is thrown again.
 */
import { getSystemErrorMap } from "node:util"

export interface Refusal {
  readonly code: string
  /** Words with the code, such as "no space left on device (ENOSPC)". */
  readonly reason: string
}

export const refusal = (code: string, words: string): Refusal => ({ code, reason: `${words} (${code})` })

/** The code of a thrown refusal, `undefined` for anything else. */
export const codeOf = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

/** A thrown refusal in words. */
export const fromCause = (cause: unknown): Refusal => {
  const code = codeOf(cause)
  if (code === undefined) throw cause
  const errno = cause instanceof Error && "errno" in cause && typeof cause.errno === "number" ? cause.errno : 0
  // Node refuses some arguments (a NUL byte in a path) before the system sees them: no errno, and its own words.
  return refusal(code, getSystemErrorMap().get(errno)?.[1] ?? (cause as Error).message.split("\n")[0])
}

/** An error as Node's own functions throw it, for the calls that go past Node. `errno` is the system's, positive. */
export const toCause = (errno: number): NodeJS.ErrnoException => {
  const [code, words] = getSystemErrorMap().get(-errno) ?? ["EIO", `error ${errno}`]
  return Object.assign(new Error(`${code}: ${words}`), { code, errno: -errno })
}
