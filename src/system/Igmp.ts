/**
 * Hears the queries of IGMP that reach an interface: a switch that snoops keeps a group alive only where somebody queries. It takes
 * Linux, koffi and the right to open raw sockets (root); without them it says why not.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Native from "../native/Native.ts"
import * as Interfaces from "./Interfaces.ts"

/** The queries that were heard so far. */
export interface Heard {
  count: number
  /** The address of the last that asked. */
  from: string | undefined
}

const [afInet, sockRaw, protocol] = [2, 3, 2]
const sockNonBlocking = 0o4000
const sockCloseOnExec = 0o2000000
const [socketLevel, bindToDevice] = [1, 25]
const dontWait = 0x40
const bufferBytes = 2048
/** How often the socket is looked at. */
const lookMillis = 200
/** A flood of packets is left to the kernel, which drops what has no room. */
const packetsAtOnce = 64
/** RFC 2236: the first byte of a query. */
const membershipQuery = 0x11

/** Listens on that interface until the scope closes; fails with the reason where it cannot. */
export const listen = (name: string): Effect.Effect<Heard, string, Scope.Scope> =>
  Effect.gen(function* () {
    const socket = yield* Effect.acquireRelease(Effect.fromResult(open(name)), ({ close }) => Effect.sync(close))
    const heard: Heard = { count: 0, from: undefined }
    const look = Effect.sync(() => {
      for (let i = 0; i < packetsAtOnce; i++) {
        const packet = socket.receive()
        if (packet === undefined) return
        const from = queryOf(packet)
        if (from === undefined) continue
        heard.count++
        heard.from = from
      }
    })
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(look, Effect.sleep(lookMillis))))
    return heard
  })

/** The sender of a query in a packet of IPv4; undefined: it is none. */
export const queryOf = (packet: Uint8Array): string | undefined => {
  const headerBytes = ((packet[0] ?? 0) & 15) * 4
  if (headerBytes < 20 || packet[headerBytes] !== membershipQuery) return undefined
  return packet.subarray(12, 16).join(".")
}

interface Raw {
  /** The next packet; undefined: there is none now. The bytes last until the next call. */
  readonly receive: () => Uint8Array | undefined
  readonly close: () => void
}

const open = (name: string): Result.Result<Raw, string> => {
  if (process.platform !== "linux") return Result.fail("this is not Linux")
  const loaded = Result.try(() => {
    const koffi = Native.load("koffi") as typeof import("koffi")
    const library = koffi.load(null)
    return {
      socket: library.func("int socket(int, int, int)"),
      setsockopt: library.func("int setsockopt(int, int, int, const void *, uint32_t)"),
      recv: library.func("int64_t recv(int, void *, uint64_t, int)"),
      close: library.func("int close(int)")
    }
  })
  if (Result.isFailure(loaded)) return Result.fail("koffi cannot be loaded")
  const { close, recv, setsockopt, socket } = loaded.success
  const fd: number = socket(afInet, sockRaw | sockNonBlocking | sockCloseOnExec, protocol)
  if (fd < 0) return Result.fail("a raw socket takes root")
  const device = Buffer.from(`${Interfaces.deviceOf(name)}\0`)
  if (setsockopt(fd, socketLevel, bindToDevice, device, device.length) !== 0) {
    close(fd)
    return Result.fail(`the interface ${name} cannot be listened to`)
  }
  const buffer = new Uint8Array(bufferBytes)
  return Result.succeed({
    receive: () => {
      const bytes = Number(recv(fd, buffer, buffer.length, dontWait))
      return bytes > 0 ? buffer.subarray(0, bytes) : undefined
    },
    close: () => void close(fd)
  })
}
