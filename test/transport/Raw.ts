/** Datagrams of UDP whose source port is written by hand, on the loopback interface: for root on Linux with koffi. */
import * as Effect from "effect/Effect"
import { createRequire } from "node:module"
import * as Addresses from "../../src/protocol/Address.ts"
import * as Kernel from "../../src/system/Sockets.ts"
import type { Address } from "../../src/transport/Transport.ts"
import type { Options } from "../../src/transport/Udp.ts"

const udpProtocol = 17
const rawSocket = 3
const multicastInterface = 32
const timeToLive = 33

/** Sends to the group from that port of this machine; undefined where that is not allowed. */
export const forger = ({
  group,
  port
}: Options): ((from: Address, datagram: Uint8Array) => Effect.Effect<void>) | undefined => {
  if (process.geteuid?.() !== 0 || Kernel.load()._tag === "None") return undefined
  return (from, datagram) =>
    Effect.sync(() => {
      const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi")
      const library = koffi.load(null)
      const call = (declaration: string, ...args: ReadonlyArray<unknown>): number => {
        const status = library.func(declaration)(...args) as number
        if (status < 0) throw new Error(`${declaration}: ${Kernel.codeOf(koffi.errno())}`)
        return status
      }
      const fd = call("int socket(int, int, int)", 2, rawSocket, udpProtocol)
      const own = Uint8Array.from([127, 0, 0, 1])
      const option = "int setsockopt(int, int, int, const void *, uint32_t)"
      call(option, fd, 0, multicastInterface, own, 4)
      call(option, fd, 0, timeToLive, new Uint8Array(4), 4)
      const source = Kernel.destination({ ip: { bytes: own }, port: 0 })
      call("int bind(int, const void *, uint32_t)", fd, source, source.length)
      const to = Kernel.destination({ ip: Addresses.parseIp(group)!, port })
      const packet = new Uint8Array(8 + datagram.length)
      const view = new DataView(packet.buffer)
      view.setUint16(0, Number(from.split(":")[1]))
      view.setUint16(2, port)
      view.setUint16(4, packet.length)
      packet.set(datagram, 8)
      const send = "int64_t sendto(int, const void *, uint64_t, int, const void *, uint32_t)"
      call(send, fd, packet, packet.length, 0, to, to.length)
      call("int close(int)", fd)
    })
}
