/**
 * Linux's own socket calls, for what Node does not offer: datagrams that the kernel cuts apart and glues together
 * (UDP_SEGMENT, UDP_GRO), many of them in one call (recvmmsg), and receive buffers beyond the system's limit. They go
 * through koffi, an optional dependency. This is the transport's only module of unsafe memory: every structure that the
 * kernel sees is laid out here, in buffers that live as long as their socket, and nothing but plain values leaves.
 *
 * Layouts and numbers are those of 64-bit Linux (include/uapi/linux: socket.h, in.h, udp.h).
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Os from "node:os"
import * as Native from "../native/Native.ts"
import * as Addresses from "../protocol/Address.ts"
import type { Address } from "../protocol/Address.ts"

/** What one call gave: one datagram, or several that the kernel has glued together. */
interface Arrived {
  readonly bytes: Uint8Array
  readonly from: Address
}

export interface Plan {
  /** The local IPv4 address and port to bind; port 0: any. */
  readonly address: string
  readonly port: number
  /** The interface's IPv4 address, and how far datagrams to a group go. */
  readonly interface: string
  readonly ttl: number
  /** Joins this group, whose port others of this machine share. */
  readonly group?: string
}

export interface Socket {
  readonly local: Address
  /** What the kernel keeps for us, as Linux counts it, halved. */
  readonly receiveBufferBytes: number
  /** Sends datagrams of `datagramBytes` glued together, the last may be shorter; 0, or the system's error number. */
  readonly send: (bytes: Uint8Array, datagramBytes: number, to: Destination) => number
  /**
   * What is there now, without waiting; datagrams of one sender may be glued. The bytes last until the next call. A sender that
   * cannot be answered has no address.
   */
  readonly receive: () => ReadonlyArray<Arrived>
  /** Calls back once, when there is something to read, room to write, or an end; gives the way to stop waiting. */
  readonly when: (what: "readable" | "writable", then: () => void) => () => void
  /** Datagrams, or glued ones, that the kernel dropped because the receive buffer was full. */
  readonly dropped: () => number
  readonly close: () => void
}

/** An address in the kernel's form. */
export type Destination = Uint8Array

export interface Kernel {
  /** Throws an error with the system's `code`, as Node's own calls do. */
  readonly open: (plan: Plan) => Socket
}

/** An address of IPv4 in the kernel's form (sockaddr_in). */
export const destination = ({ ip, port }: Addresses.Endpoint): Destination => {
  const out = new Uint8Array(16)
  out[0] = afInet
  out[2] = port >>> 8
  out[3] = port
  out.set(ip.bytes.subarray(0, 4), 4)
  return out
}

/** An address of IPv4 that a socket was asked to have. */
const ip4 = (text: string): Addresses.Ip => {
  const ip = Addresses.parseIp(text)
  if (ip !== undefined && Addresses.isIp4(ip)) return ip
  throw Object.assign(new Error(`${text} is no IPv4 address`), { code: "EADDRNOTAVAIL" })
}

/** Loads koffi and the C library; none where they, or offload, cannot be had. */
export const load = (): Option.Option<Kernel> => {
  if (process.platform !== "linux" || !layouts.has(process.arch)) return Option.none()
  return Result.getSuccess(Result.try(bindLibrary))
}

/** Where a pointer and a size_t are 64 bits, little end first. */
const layouts = new Set<string>(["x64", "arm64", "riscv64", "loong64"])

const afInet = 2
const sockDatagram = 2
const sockNonBlocking = 0o4000
const sockCloseOnExec = 0o2000000
const level = { ip: 0, socket: 1, udp: 17 } as const
const socketOption = { reuse: 2, sendBuffer: 7, receiveBuffer: 8, sendForce: 32, receiveForce: 33, memory: 55 } as const
const ipOption = { multicastInterface: 32, ttl: 33, loop: 34, join: 35, all: 49 } as const
const udpOption = { segment: 103, gro: 104 } as const
const dontWait = 0x40

/** What the option `memory` gives: 32-bit numbers, the last of them the drops (linux/sock_diag.h; since Linux 4.12). */
const memoryFigures = 9
/** Most messages of one recvmmsg, and the largest that a glued one gets (the kernel glues up to 64 KiB). */
const messages = 128
const messageBytes = 65_536
/** What one recvmmsg is to bring, so that single datagrams do not come in small batches, nor glued ones outgrow the caches. */
const receiveBytes = 512 * 1024
const leastMessages = receiveBytes / messageBytes
/** Senders whose addresses are kept as text: more than send at one time, but for forgers. */
const rememberedSenders = 1024
/** struct mmsghdr, struct iovec, sockaddr_in. */
const headerBytes = 64
const vectorBytes = 16
const nameBytes = 16
/** What to ask for; without privileges net.core.rmem_max and wmem_max cut it. */
const wantedBufferBytes = 32 * 1024 * 1024

const bindLibrary = (): Kernel => new Library(Native.load("koffi") as Koffi)

type Koffi = typeof import("koffi")

/** The C library's calls; a socket is configured before it is handed out. */
class Library implements Kernel {
  readonly koffi: Koffi
  readonly calls: ReturnType<typeof callsOf>

  constructor(koffi: Koffi) {
    this.koffi = koffi
    this.calls = callsOf(koffi.load(null))
  }

  open(plan: Plan): Socket {
    const fd: number = this.calls.socket(afInet, sockDatagram | sockNonBlocking | sockCloseOnExec, 0)
    if (fd < 0) this.fail("socket")
    const opened = Result.try(() => {
      this.configure(fd, plan)
      return new LinuxSocket(this, fd)
    })
    if (opened._tag === "Failure") {
      this.calls.close(fd)
      throw opened.failure
    }
    return opened.success
  }

  private configure(fd: number, plan: Plan): void {
    if (plan.group !== undefined) this.need(fd, level.socket, socketOption.reuse, int(1))
    const local = destination({ ip: ip4(plan.address), port: plan.port })
    if (this.calls.bind(fd, local, local.length) !== 0) this.fail("bind")
    const own = ip4(plan.interface).bytes
    this.need(fd, level.ip, ipOption.multicastInterface, own)
    this.need(fd, level.ip, ipOption.ttl, int(plan.ttl))
    // catchers may run on the master's machine
    this.need(fd, level.ip, ipOption.loop, int(1))
    // hear only what this socket has joined, not what others of this machine have
    this.set(fd, level.ip, ipOption.all, int(0))
    if (plan.group !== undefined) {
      this.need(fd, level.ip, ipOption.join, Uint8Array.from([...ip4(plan.group).bytes, ...own]))
    }
    const { receiveBuffer, receiveForce, sendBuffer, sendForce } = socketOption
    const wanted = int(wantedBufferBytes)
    if (!this.set(fd, level.socket, receiveForce, wanted)) this.set(fd, level.socket, receiveBuffer, wanted)
    if (!this.set(fd, level.socket, sendForce, wanted)) this.set(fd, level.socket, sendBuffer, wanted)
    this.need(fd, level.udp, udpOption.gro, int(1))
    this.need(fd, level.udp, udpOption.segment, int(0))
  }

  set(fd: number, level: number, option: number, value: Uint8Array): boolean {
    return this.calls.setsockopt(fd, level, option, value, value.length) === 0
  }

  /** Throws an error as Node's own calls do. */
  fail(syscall: string): never {
    const errno = this.koffi.errno()
    const code = codeOf(errno)
    throw Object.assign(new Error(`${syscall} ${code}`), { errno, code, syscall })
  }

  private need(fd: number, level: number, option: number, value: Uint8Array): void {
    if (!this.set(fd, level, option, value)) this.fail("setsockopt")
  }
}

const callsOf = (library: ReturnType<Koffi["load"]>) => ({
  socket: library.func("int socket(int, int, int)"),
  setsockopt: library.func("int setsockopt(int, int, int, const void *, uint32_t)"),
  getsockopt: library.func("int getsockopt(int, int, int, void *, void *)"),
  bind: library.func("int bind(int, const void *, uint32_t)"),
  getsockname: library.func("int getsockname(int, void *, void *)"),
  sendto: library.func("int64_t sendto(int, const void *, uint64_t, int, const void *, uint32_t)"),
  recvmmsg: library.func("int recvmmsg(int, void *, unsigned int, int, void *)"),
  close: library.func("int close(int)")
})

class LinuxSocket implements Socket {
  readonly local: Address
  readonly receiveBufferBytes: number
  readonly when: Socket["when"]
  private readonly library: Library
  private readonly fd: number
  /** Made when it is first read: 8 MiB, which a socket that only sends, or is only tried, can do without. */
  private ring: ReturnType<typeof makeRing> | undefined
  private readonly watch: ReturnType<typeof makeWatch>
  private readonly figures = new DataView(new ArrayBuffer(4 * memoryFigures))
  /** The length at which the kernel cuts apart what is sent; 0: it does not. */
  private segmentBytes = 0
  private mostMessages = leastMessages
  private isClosed = false

  constructor(library: Library, fd: number) {
    const { calls, koffi } = library
    this.library = library
    this.fd = fd
    const value = int(0)
    calls.getsockopt(fd, level.socket, socketOption.receiveBuffer, value, int(4))
    this.receiveBufferBytes = new DataView(value.buffer).getInt32(0, true) / 2
    const name = new Uint8Array(nameBytes)
    if (calls.getsockname(fd, name, int(nameBytes)) !== 0) library.fail("getsockname")
    this.local = Addresses.print(endpointOf(name))
    this.watch = makeWatch((events, happened) => koffi.node.poll(fd, events, happened))
    this.when = this.watch.when
  }

  readonly send: Socket["send"] = (bytes, datagramBytes, to) => {
    if (this.isClosed) return errno.ECANCELED
    const { fd, library, segmentBytes } = this
    // one datagram that is longer than the segments of the last batch must not be cut at their length
    const wanted = bytes.length > datagramBytes ? datagramBytes : bytes.length > segmentBytes ? 0 : segmentBytes
    if (wanted !== segmentBytes) {
      if (!library.set(fd, level.udp, udpOption.segment, int(wanted))) return library.koffi.errno()
      this.segmentBytes = wanted
    }
    const status: number = library.calls.sendto(fd, bytes, bytes.length, dontWait, to, to.length)
    return status < 0 ? library.koffi.errno() : 0
  }

  readonly receive: Socket["receive"] = () => {
    if (this.isClosed) return []
    const { fd, library, mostMessages } = this
    const ring = (this.ring ??= makeRing(library.koffi.address))
    ring.reset(mostMessages)
    const count: number = library.calls.recvmmsg(fd, ring.headers, mostMessages, dontWait, null)
    if (count <= 0) return []
    const received = ring.take(count)
    const bytes = received.reduce((sum, message) => sum + message.bytes.length, 0)
    const fitting = Math.floor((receiveBytes * count) / Math.max(1, bytes))
    this.mostMessages = Math.max(leastMessages, Math.min(messages, fitting))
    return received
  }

  readonly dropped: Socket["dropped"] = () => {
    if (this.isClosed) return 0
    const { fd, figures, library } = this
    const given = int(figures.byteLength)
    const status: number = library.calls.getsockopt(fd, level.socket, socketOption.memory, figures.buffer, given)
    return status === 0 ? figures.getUint32(4 * (memoryFigures - 1), true) : 0
  }

  readonly close: Socket["close"] = () => {
    if (this.isClosed) return
    this.isClosed = true
    this.watch.close()
    this.library.calls.close(this.fd)
  }
}

type Events = Readonly<Record<"readable" | "writable", boolean>>
type Happened = (...told: ReadonlyArray<unknown>) => void

/** A handle of koffi's, whose types leave out the status that comes before the events. */
interface PollHandle {
  readonly start: (events: Events, happened: Happened) => void
  readonly stop: () => void
  readonly close: () => void
}

/**
 * Waits for a socket. The event loop takes one watch of a descriptor, so both kinds share it; and it goes on until an event
 * comes that nobody waits for, because to begin and to end it at every event costs more than the calls in vain.
 */
const makeWatch = (poll: (events: Events, happened: Happened) => PollHandle) => {
  // No sets: one that is cleared gets a new table, and its old one leads to that. Once one table is old, V8's collection of young objects
  // leaves each that follows, with what had waited.
  const waiting: Record<keyof Events, Array<() => void>> = { readable: [], writable: [] }
  let watched: Events = { readable: false, writable: false }
  let handle: PollHandle | undefined
  let closed = false

  const arm = (events: Events) => {
    if (handle === undefined) handle = poll(events, happened)
    else if (events.readable || events.writable) handle.start(events, happened)
    else handle.stop()
    watched = events
  }
  const wake = (what: keyof Events) => {
    const woken = waiting[what]
    waiting[what] = []
    for (const then of woken) then()
  }
  const happened: Happened = (...told) => {
    const events = told.at(-1) as Events
    const isError = !events.readable && !events.writable
    // the event loop has ended the watch; the socket forgets the error with its next call
    if (isError) watched = { readable: false, writable: false }
    const isInVain = (what: keyof Events) => events[what] && waiting[what].length === 0
    if (isInVain("readable") || isInVain("writable")) {
      arm({
        readable: watched.readable && !isInVain("readable"),
        writable: watched.writable && !isInVain("writable")
      })
    }
    if (events.readable || isError) wake("readable")
    if (events.writable || isError) wake("writable")
  }

  return {
    when: (what: keyof Events, then: () => void): (() => void) => {
      if (closed) {
        then()
        return () => {}
      }
      waiting[what].push(then)
      if (!watched[what]) arm({ ...watched, [what]: true })
      return () => {
        const at = waiting[what].indexOf(then)
        if (at >= 0) waiting[what].splice(at, 1)
      }
    },
    close: () => {
      closed = true
      handle?.close()
      wake("readable")
      wake("writable")
    }
  }
}

const int = (value: number): Uint8Array<ArrayBuffer> => {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setInt32(0, value, true)
  return out
}

/** The system's name of an error number. */
export const codeOf = (errno: number): string =>
  Object.entries(Os.constants.errno).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`

export const errno = Os.constants.errno

/** The address in a sockaddr_in. */
const endpointOf = (name: Uint8Array): Addresses.Endpoint => ({
  ip: { bytes: name.subarray(4, 8) },
  port: (name[2] << 8) | name[3]
})

/** The memory of one socket's recvmmsg: headers that point to vectors, names and the messages' bytes. */
const makeRing = (addressOf: (value: Uint8Array) => bigint) => {
  const headers = new Uint8Array(messages * headerBytes)
  const vectors = new Uint8Array(messages * vectorBytes)
  const names = new Uint8Array(messages * nameBytes)
  const bytes = new Uint8Array(messages * messageBytes)
  const view = new DataView(headers.buffer)
  const vectorView = new DataView(vectors.buffer)
  const nameView = new DataView(names.buffer)
  for (let i = 0; i < messages; i++) {
    vectorView.setBigUint64(i * vectorBytes, addressOf(bytes) + BigInt(i * messageBytes), true)
    vectorView.setBigUint64(i * vectorBytes + 8, BigInt(messageBytes), true)
    const at = i * headerBytes
    view.setBigUint64(at, addressOf(names) + BigInt(i * nameBytes), true)
    view.setBigUint64(at + 16, addressOf(vectors) + BigInt(i * vectorBytes), true)
    view.setBigUint64(at + 24, 1n, true)
  }
  const senders = new Map<number, Address>()
  // a flood has a few senders, whose texts are made once
  const senderAt = (at: number): Address => {
    const key = nameView.getUint32(at + 4) * 65_536 + nameView.getUint16(at + 2)
    const known = senders.get(key)
    if (known !== undefined) return known
    const { ip, port } = endpointOf(names.slice(at, at + nameBytes))
    const sender = Addresses.sourceOf(ip, port)
    if (senders.size >= rememberedSenders) senders.clear()
    senders.set(key, sender)
    return sender
  }
  // most messages are as long as the one before in their place, so the same view serves again
  const views = Array.from({ length: messages }, () => bytes.subarray(0, 0))
  return {
    headers,
    // what the headers point to lives as long as they do
    vectors,
    names,
    /** The kernel wrote its own lengths over these. */
    reset: (most: number) => {
      for (let i = 0; i < most; i++) view.setUint32(i * headerBytes + 8, nameBytes, true)
    },
    take: (count: number): ReadonlyArray<Arrived> => {
      const out: Array<Arrived> = []
      for (let i = 0; i < count; i++) {
        const length = view.getUint32(i * headerBytes + 56, true)
        const from = senderAt(i * nameBytes)
        if (views[i].length !== length) views[i] = bytes.subarray(i * messageBytes, i * messageBytes + length)
        out.push({ bytes: views[i], from })
      }
      return out
    }
  }
}
