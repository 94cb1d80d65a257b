// attacker.mjs JSON: a host without a key, on the network of a session. It hears the group, sends whole IPv4 packets from
// whatever address it likes, and does so until it is told to stop (SIGTERM), when it says how much it sent.
//
//   master, catchers   "address:port" of each catcher; a master's ports are heard
//   perSecond          datagrams
//   count              the most that it sends; then it only hears
//   record             a file for everything that is heard
//   acts               one is drawn by lot for each datagram:
//     page             a page that was heard, with other content, as the master
//     control          sealed garbage, mutated and truncated copies, messages in the open, from anybody to anybody
//     again            a datagram that was heard, as it was
//     recorded         the next one of the file `recording`, from where it came; over and over, `shuffled` after the first time
import dgram from "node:dgram"
import { createRequire } from "node:module"
import { appendFileSync, closeSync, openSync, readFileSync } from "node:fs"
import * as zlib from "node:zlib"

const options = JSON.parse(process.argv[2])
const { acts = [], catchers = [], count = Infinity, master, perSecond = 1000, record, recording } = options
const group = { address: "239.255.67.92", port: 8888 }
const headerBytes = 24
const [sealedBodyAt, tagBytes] = [24, 16]
const pageTypes = new Set([8, 19])
const digestsType = 22

let state = options.seed ?? 1
const below = (limit) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * limit)
}
const pick = (list) => list[below(list.length)]
// what it fills datagrams with: cut from one piece, which is cheap enough for 50,000 a second
const chance = Buffer.from(Array.from({ length: 1 << 17 }, () => below(256)))
const garbage = (length) => chance.subarray(below(chance.length - length)).subarray(0, length)

// ---- sending ----

const koffi = createRequire(import.meta.url)("koffi")
const library = koffi.load(null)
const socket = library.func("int socket(int, int, int)")
const setsockopt = library.func("int setsockopt(int, int, int, const void *, uint32_t)")
const sendto = library.func("intptr_t sendto(int, const void *, size_t, int, const void *, uint32_t)")
const [AF_INET, SOCK_RAW, IPPROTO_RAW, IPPROTO_IP, IP_MULTICAST_LOOP, MSG_DONTWAIT] = [2, 3, 255, 0, 34, 0x40]
const raw = socket(AF_INET, SOCK_RAW, IPPROTO_RAW)
if (raw < 0) throw new Error("no raw socket")
setsockopt(raw, IPPROTO_IP, IP_MULTICAST_LOOP, Buffer.alloc(4), 4)

const endOf = (text) => {
  const [address, port] = text.split(":")
  return { address, port: Number(port) }
}
const octets = (address) => address.split(".").map(Number)
const packet = Buffer.alloc(1 << 16)
const target = Buffer.alloc(16)
target.writeUInt16LE(AF_INET, 0)

/** Sends a datagram as if `from` had. The kernel adds what is left out: length, number and checksum of the packet. */
const forge = (from, to, payload) => {
  packet.fill(0, 0, 28)
  packet.writeUInt32BE(0x45000000, 0)
  packet.writeUInt16BE(0x0111, 8) // one hop, UDP
  packet.set(octets(from.address), 12)
  packet.set(octets(to.address), 16)
  packet.writeUInt16BE(from.port, 20)
  packet.writeUInt16BE(to.port, 22)
  packet.writeUInt16BE(8 + payload.length, 24)
  packet.set(payload, 28)
  target.set(octets(to.address), 4)
  return sendto(raw, packet, 28 + payload.length, MSG_DONTWAIT, target, 16) > 0
}

// ---- hearing ----

const [pages, controls] = [[], []]
const [mostPages, mostControls] = [128, 1000]
const masterPorts = new Set()
const keep = (list, most, one) => {
  if (list.length < most) list.push(one)
  else list[below(most)] = one
}
const tape = record === undefined ? undefined : openSync(record, "w")
let [heard, digests] = [0, 0]
const listener = dgram.createSocket({ type: "udp4", reuseAddr: true })
listener.on("message", (bytes, { address, port }) => {
  heard++
  if (tape !== undefined) appendFileSync(tape, `${JSON.stringify([address, port, bytes.toString("base64")])}\n`)
  if (address !== master || bytes.length < headerBytes) return
  masterPorts.add(port)
  if (bytes[3] === digestsType) digests++
  const datagram = { from: { address, port }, bytes: Buffer.from(bytes) }
  // the latest pages: somebody may lack them still
  if (pageTypes.has(bytes[3])) pages[heard % mostPages] = datagram
  else keep(controls, mostControls, datagram)
})

// ---- what it sends ----

const everybody = () => [...catchers.map(endOf), ...[...masterPorts].map((port) => ({ address: master, port }))]
const somewhere = () => (below(2) === 0 ? group : pick(everybody()))

const mutated = (bytes) => {
  const out = Buffer.from(bytes)
  for (let times = 1 + below(4); times > 0; times--)
    out[below(Math.min(out.length, below(2) === 0 ? 64 : 2000))] = below(256)
  return below(4) === 0 ? out.subarray(0, below(out.length + 1)) : out
}

// of the session that is heard, with a checksum that is right [W-7]
const inTheOpen = (bytes) => {
  const out = Buffer.alloc(headerBytes + 1 + below(40) + 4)
  out.set(garbage(out.length))
  bytes.copy(out, 0, 0, 16)
  out[3] = 1 + below(22)
  out.writeUInt16LE(out.length, 4)
  out.writeUInt16LE(0, 6)
  if (below(2) === 0) out.writeUInt32LE(0, headerBytes)
  out.writeUInt32LE(zlib.crc32?.(out.subarray(0, -4)) ?? crc32(out.subarray(0, -4)), out.length - 4)
  return out
}
const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})
const crc32 = (bytes) => ~bytes.reduce((crc, byte) => table[(crc ^ byte) & 0xff] ^ (crc >>> 8), -1) >>> 0

// a header that is right, a number that is new, and then anything
const sealedGarbage = (bytes) => {
  const out = Buffer.from(bytes)
  if (below(2) === 0) out[3] = 1 + below(31)
  out.writeUInt32LE((out.readUInt32LE(16) + 1 + below(1000)) >>> 0, 16)
  const at = below(2) === 0 ? sealedBodyAt : Math.max(sealedBodyAt, out.length - tagBytes)
  out.set(garbage(out.length - at), at)
  return out
}

const acting = {
  page: () => {
    const { bytes, from } = pick(pages.filter((page) => page !== undefined))
    const out = Buffer.from(garbage(bytes.length))
    bytes.copy(out, 0, 0, headerBytes)
    return [from, group, out]
  },
  control: () => {
    const one = pick(controls)
    const [from, to] = [below(2) === 0 ? one.from : pick(everybody()), somewhere()]
    return [from, to, pick([mutated, sealedGarbage, inTheOpen])(one.bytes)]
  },
  again: () => {
    const { bytes, from } = pick(below(2) === 0 && pages.length > 0 ? pages.filter(Boolean) : controls)
    return [from, somewhere(), bytes]
  },
  noise: () => [pick(everybody()), somewhere(), Buffer.from(garbage(below(1400)))]
}
const canAct = { page: () => pages.length > 0, control: () => controls.length > 0, again: () => controls.length > 0 }

const tapeOf = (file) =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [address, port, bytes] = JSON.parse(line)
      return [{ address, port }, group, Buffer.from(bytes, "base64")]
    })
if (recording !== undefined) {
  const recorded = tapeOf(recording)
  let nth = 0
  acting.recorded = () => {
    if (nth === recorded.length) console.log("replayed")
    return nth < recorded.length ? recorded[nth++] : pick(recorded)
  }
}

let sent = 0
let [allowed, beforeMillis] = [0, performance.now()]
let [firstMillis, lastMillis] = []
const tick = () => {
  const nowMillis = performance.now()
  // what a pause of the machine has left out is not made up for beyond a tenth of a second
  allowed = Math.min(allowed + ((nowMillis - beforeMillis) / 1000) * perSecond, perSecond / 10 + 1)
  beforeMillis = nowMillis
  for (; allowed >= 1 && sent < count; allowed--) {
    const act = pick(acts)
    if (canAct[act]?.() === false || (act !== "recorded" && masterPorts.size === 0)) break
    firstMillis ??= nowMillis
    if (forge(...acting[act]())) sent++
  }
  if (sent >= count) lastMillis ??= nowMillis
}
const stop = () => {
  if (tape !== undefined) closeSync(tape)
  console.log(
    JSON.stringify({ sent, heard, digests, seconds: ((lastMillis ?? performance.now()) - firstMillis) / 1000 })
  )
  process.exit(0)
}
process.on("SIGTERM", stop)
listener.bind(group.port, group.address, () => {
  listener.addMembership(group.address)
  listener.setRecvBufferSize(1 << 22)
  console.log("listening")
  if (acts.length > 0) setInterval(tick, 2)
})
