// noise.mjs SEED COUNT MASTER: random datagrams, and mutations of what is heard on the group, to the group and to the
// ports of MASTER from which the group is spoken to. Bounded by COUNT and by a minute.
import dgram from "node:dgram"
import * as zlib from "node:zlib"
const [seed, count, master] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]]
let state = seed >>> 0
const random = (below) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}
const heard = []
const ports = new Set()
const listener = dgram.createSocket({ type: "udp4", reuseAddr: true })
listener.on("message", (bytes, from) => {
  if (from.address === master) ports.add(from.port)
  if (heard.length < 500) heard.push(Buffer.from(bytes))
  else heard[random(500)] = Buffer.from(bytes)
})
const socket = dgram.createSocket({ type: "udp4", lookup: (host, _, done) => done(null, host, 4) })
const make = () => {
  if (heard.length === 0 || random(3) === 0) return Buffer.from(Array.from({ length: random(1400) }, () => random(256)))
  const bytes = Buffer.from(heard[random(heard.length)])
  const changes = 1 + random(4)
  for (let i = 0; i < changes && bytes.length > 0; i++)
    bytes[random(Math.min(bytes.length, random(2) === 0 ? 64 : 2000))] = random(256)
  // half of them with a checksum that is right, or no mutation would come further than that
  if (bytes.length > 4 && random(2) === 0) bytes.writeUInt32LE(zlib.crc32(bytes.subarray(0, -4)), bytes.length - 4)
  return random(4) === 0 ? bytes.subarray(0, random(bytes.length + 1)) : bytes
}
let sent = 0
const burst = () => {
  for (let i = 0; i < 100 && sent < count; i++, sent++) {
    const bytes = make()
    const port = [...ports][random(ports.size)]
    if (port !== undefined && random(2) === 0) socket.send(bytes, port, master, () => {})
    else socket.send(bytes, 8888, "239.255.67.92", () => {})
  }
  if (sent < count) return void setImmediate(burst)
  setTimeout(() => {
    console.log(`sent ${sent}, heard ${heard.length}, ports ${[...ports]}`)
    process.exit(ports.size > 0 ? 0 : 1)
  }, 200)
}
setTimeout(() => process.exit(2), 60_000)
listener.bind(8888, "239.255.67.92", () => {
  listener.addMembership("239.255.67.92")
  setTimeout(burst, 300)
})
