/**
 * The socket of a manager of services (`NOTIFY_SOCKET`, sd_notify): a datagram between processes of one machine, which Node does not have. It
 * goes through koffi, an optional dependency.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Native from "../native/Native.ts"
import * as Errno from "./Errno.ts"

/** Sends a text to the manager, without waiting; throws as Node's calls do. */
type Tell = (text: string) => void

// Linux's numbers.
const afUnix = 1
const sockDatagram = 2
const sockCloseOnExec = 0o2000000
const withoutSignal = 0x4000
const dontWait = 0x40
const longestPath = 107

/** What is said of the watchdog in the environment (`WATCHDOG_USEC`), in milliseconds; undefined where that is no time. */
export const watchdogMillisOf = (micros: string): number | undefined =>
  /^0*[1-9]\d*$/.test(micros) ? Number(micros) / 1000 : undefined

/** The socket at a path, or at an abstract name (`@...`); none where it, or koffi, cannot be had. */
export const open = (address: string): Option.Option<Tell> => {
  const to = process.platform === "linux" ? addressOf(address) : undefined
  return to === undefined ? Option.none() : Result.getSuccess(Result.try(() => bind(to)))
}

/** An address in the kernel's form (sockaddr_un). */
const addressOf = (address: string): Uint8Array | undefined => {
  const isAbstract = address.startsWith("@")
  const name = Buffer.from(isAbstract ? `\0${address.slice(1)}` : address)
  if (!(isAbstract || address.startsWith("/")) || name.length > longestPath) return undefined
  // a path ends in a NUL byte, an abstract name ends where the address does
  const out = new Uint8Array(2 + name.length + (isAbstract ? 0 : 1))
  new Uint16Array(out.buffer, 0, 1)[0] = afUnix
  out.set(name, 2)
  return out
}

const bind = (to: Uint8Array): Tell => {
  const koffi = Native.load("koffi") as typeof import("koffi")
  const library = koffi.load(null)
  const socket = library.func("int socket(int, int, int)")
  const sendto = library.func("int64_t sendto(int, const void *, size_t, int, const void *, uint32_t)")
  const fd: number = socket(afUnix, sockDatagram | sockCloseOnExec, 0)
  if (fd < 0) throw Errno.toCause(koffi.errno())
  return (text) => {
    const bytes = Buffer.from(text)
    const sent = Number(sendto(fd, bytes, bytes.length, withoutSignal | dontWait, to, to.length))
    if (sent < 0) throw Errno.toCause(koffi.errno())
  }
}
