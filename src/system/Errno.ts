/**
 * What the system says when it refuses, in words: the code as it names it (ENOSPC, EROFS, ...) and a reason for a person.
 * A thrown value that is no refusal of the system is a defect and is thrown again.
 */
import { constants } from "node:os"
import { getSystemErrorMap } from "node:util"

export interface Refusal {
  readonly code: string
  /** Words with the code, such as "no space left on device (ENOSPC)". */
  readonly reason: string
}

export const refusal = (code: string, words: string): Refusal => ({ code, reason: `${words} (${code})` })

/** The code of a thrown refusal, `undefined` for anything else. */
export const codeOf = (cause: unknown): string | undefined => {
  if (!(cause instanceof Error && "code" in cause && typeof cause.code === "string")) return undefined
  return nodeKnows(cause.code) ? cause.code : (named(errnoOf(cause))?.code ?? cause.code)
}

/** A thrown refusal in words. */
export const fromCause = (cause: unknown): Refusal => {
  const code = codeOf(cause)
  if (code === undefined) throw cause
  // Node refuses some arguments (a NUL byte in a path) before the system sees them: no errno, and its own words.
  return refusal(code, named(errnoOf(cause))?.words ?? (cause as Error).message.split("\n")[0])
}

/** An error as Node's own functions throw it, for the calls that go past Node. `errno` is the system's, positive. */
export const toCause = (errno: number): NodeJS.ErrnoException => {
  const { code, words } = named(errno) ?? { code: "EIO", words: `error ${errno}` }
  return Object.assign(new Error(`${code}: ${words}`), { code, errno: -errno })
}

/** The system's number of a code, positive; undefined when this system does not have it. */
export const numberOf = (code: string): number | undefined => numbers[code]

/** A refusal of a code in the system's words. */
export const ofCode = (code: string): Refusal => fromCause(toCause(numberOf(code) ?? 0))

/** What the system says with that number, positive; undefined when nobody has a name for it. */
export const ofNumber = (errno: number): Refusal | undefined => {
  const found = named(errno)
  return found === undefined ? undefined : refusal(found.code, found.words)
}

/** Positive; 0: none. */
const errnoOf = (cause: unknown): number =>
  cause instanceof Error && "errno" in cause && typeof cause.errno === "number" ? Math.abs(cause.errno) : 0

// Node's name for what it has none for is "Unknown system error -122".
const nodeKnows = (code: string): boolean => !code.startsWith("Unknown")

const named = (errno: number): { readonly code: string; readonly words: string } | undefined => {
  const known = getSystemErrorMap().get(-errno)
  if (known !== undefined) return { code: known[0], words: known[1] }
  const code = codes().get(errno)
  return code === undefined ? undefined : { code, words: unnamed[code] ?? `error ${errno}` }
}

/**
 * Codes that Node's library does not name, in the words of Linux's C library. Most have their number from Node all the
 * same; those that have not are Linux's own, with the number that nearly all of its machines have.
 */
const unnamed: Readonly<Record<string, string>> = {
  EADV: "advertise error",
  EBADE: "invalid exchange",
  EBADFD: "file descriptor in bad state",
  EBADMSG: "bad message",
  EBADR: "invalid request descriptor",
  EBADRQC: "invalid request code",
  EBADSLT: "invalid slot",
  EBFONT: "bad font file format",
  ECHILD: "no child processes",
  ECHRNG: "channel number out of range",
  ECOMM: "communication error on send",
  EDEADLK: "resource deadlock avoided",
  EDOM: "numerical argument out of domain",
  EDOTDOT: "RFS specific error",
  EDQUOT: "disk quota exceeded",
  EHWPOISON: "memory page has a hardware error",
  EINPROGRESS: "operation now in progress",
  EIDRM: "identifier removed",
  EISNAM: "is a named type file",
  EKEYEXPIRED: "key has expired",
  EKEYREJECTED: "key was rejected by service",
  EKEYREVOKED: "key has been revoked",
  EL2HLT: "level 2 halted",
  EL2NSYNC: "level 2 not synchronized",
  EL3HLT: "level 3 halted",
  EL3RST: "level 3 reset",
  ELIBACC: "cannot access a needed shared library",
  ELIBBAD: "accessing a corrupted shared library",
  ELIBEXEC: "cannot exec a shared library directly",
  ELIBMAX: "attempting to link in too many shared libraries",
  ELIBSCN: ".lib section in a.out corrupted",
  ELNRNG: "link number out of range",
  EMEDIUMTYPE: "wrong medium type",
  EMULTIHOP: "multihop attempted",
  ENAVAIL: "no XENIX semaphores available",
  ENETRESET: "network dropped connection on reset",
  ENOANO: "no anode",
  ENOCSI: "no CSI structure available",
  ENOEXEC: "exec format error",
  ENOKEY: "required key not available",
  ENOLCK: "no locks available",
  ENOLINK: "link has been severed",
  ENOMEDIUM: "no medium found",
  ENOMSG: "no message of desired type",
  ENONET: "machine is not on the network",
  ENOPKG: "package not installed",
  ENOSR: "out of streams resources",
  ENOSTR: "device not a stream",
  ENOTBLK: "block device required",
  ENOTNAM: "not a XENIX named type file",
  ENOTRECOVERABLE: "state not recoverable",
  ENOTUNIQ: "name not unique on network",
  EOWNERDEAD: "owner died",
  EPFNOSUPPORT: "protocol family not supported",
  EREMCHG: "remote address changed",
  EREMOTE: "object is remote",
  ERESTART: "interrupted system call should be restarted",
  ERFKILL: "operation not possible due to RF-kill",
  ESRMNT: "srmount error",
  ESTALE: "stale file handle",
  ESTRPIPE: "streams pipe error",
  ETIME: "timer expired",
  ETOOMANYREFS: "too many references: cannot splice",
  EUCLEAN: "the file system's structure needs cleaning",
  EUNATCH: "protocol driver not attached",
  EUSERS: "too many users",
  EXFULL: "exchange full"
}

/** include/uapi/asm-generic/errno.h; machines of other families (MIPS, SPARC, ...) have other numbers from 35 on. */
const linux: Readonly<Record<string, number>> = {
  ...{ ENOTBLK: 15, ECHRNG: 44, EL2NSYNC: 45, EL3HLT: 46, EL3RST: 47, ELNRNG: 48, EUNATCH: 49, ENOCSI: 50, EL2HLT: 51 },
  ...{ EBADE: 52, EBADR: 53, EXFULL: 54, ENOANO: 55, EBADRQC: 56, EBADSLT: 57, EBFONT: 59, ENONET: 64, ENOPKG: 65 },
  ...{ EREMOTE: 66, EADV: 68, ESRMNT: 69, ECOMM: 70, EDOTDOT: 73, ENOTUNIQ: 76, EBADFD: 77, EREMCHG: 78, ELIBACC: 79 },
  ...{
    ELIBBAD: 80,
    ELIBSCN: 81,
    ELIBMAX: 82,
    ELIBEXEC: 83,
    ERESTART: 85,
    ESTRPIPE: 86,
    EUSERS: 87,
    ESOCKTNOSUPPORT: 94
  },
  ...{ EPFNOSUPPORT: 96, ESHUTDOWN: 108, ETOOMANYREFS: 109, EHOSTDOWN: 112, EUCLEAN: 117, ENOTNAM: 118, ENAVAIL: 119 },
  ...{ EISNAM: 120, EREMOTEIO: 121, ENOMEDIUM: 123, EMEDIUMTYPE: 124, ENOKEY: 126, EKEYEXPIRED: 127 },
  ...{ EKEYREVOKED: 128, EKEYREJECTED: 129, EOWNERDEAD: 130, ENOTRECOVERABLE: 131, ERFKILL: 132, EHWPOISON: 133 }
}

// The C library's own numbers, which Node knows on every machine, tell which family this one is of.
const isGeneric = process.platform === "linux" && constants.errno.EDEADLK === 35 && constants.errno.EDQUOT === 122

const numbers: Readonly<Record<string, number | undefined>> = { ...(isGeneric ? linux : {}), ...constants.errno }

let byNumber: ReadonlyMap<number, string> | undefined
const codes = (): ReadonlyMap<number, string> =>
  (byNumber ??= new Map(
    Object.entries(numbers).flatMap(([code, errno]) => (errno === undefined ? [] : [[errno, code]]))
  ))
