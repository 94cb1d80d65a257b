/**
 * Addresses of IPv4 and IPv6 as text: one parser, one printer, and what can be said of an address by looking at it. Pure.
 *
 * Two addresses are the same when their text is, because `print` writes each in one way: IPv6 as RFC 5952 says.
 */

/** "1.2.3.4:5", or "[fe80::1%eth0]:5": an address and a port, as `print` writes them. Compared as text. */
export type Address = string

/** An address without a port. */
export interface Ip {
  /** 4 of IPv4, 16 of IPv6. */
  readonly bytes: Uint8Array
  /** The interface that an address of IPv6 belongs to (RFC 4007): "eth0" of "fe80::1%eth0". */
  readonly scope?: string
}

/** The place that a datagram is sent to, or comes from. */
export interface Endpoint {
  readonly ip: Ip
  readonly port: number
}

// ---- text to address ----

/** An address of either family; undefined: the text is none. */
export const parseIp = (text: string): Ip | undefined => {
  if (!text.includes(":")) return parseIp4(text)
  const [address, scope, ...more] = text.split("%")
  const bytes = bytesOfIp6(address)
  if (bytes === undefined || more.length > 0) return undefined
  if (scope === undefined) return { bytes }
  return scopeForm.test(scope) ? { bytes, scope } : undefined
}

/** A port that a datagram can be sent to, from its decimal digits. */
export const parsePort = (text: string): number | undefined => {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65_535 ? port : undefined
}

/** An address with a port that a datagram can be sent to; undefined: the text is none. */
export const parse = (text: string): Endpoint | undefined => {
  const host = hostOf(text)
  const isIp6 = host.startsWith("[") && host.endsWith("]")
  const ip = parseIp(isIp6 ? host.slice(1, -1) : host)
  const port = parsePort(text.slice(host.length + 1))
  return ip === undefined || port === undefined || isIp4(ip) === isIp6 ? undefined : { ip, port }
}

/** Names of interfaces, and numbers, as systems give them. */
const scopeForm = /^[^\s/%[\]\p{Cc}]{1,15}$/u

// A number that begins with 0 is octal to some programs: it is not taken.
const parseIp4 = (text: string): Ip | undefined => {
  const parts = text.split(".")
  const isByte = (part: string) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255
  return parts.length === 4 && parts.every(isByte) ? { bytes: Uint8Array.from(parts, Number) } : undefined
}

const bytesOfIp6 = (text: string): Uint8Array | undefined => {
  const halves = text.split("::")
  const groups = halves.map((half, at) => groupsOf(half, at === halves.length - 1))
  const [head, tail] = groups.length === 1 ? [groups[0], []] : groups
  if (head === undefined || tail === undefined || groups.length > 2) return undefined
  const left = 8 - head.length - tail.length
  // "::" stands for one group or more
  if (groups.length === 1 ? left !== 0 : left < 1) return undefined
  const zeros = Array.from({ length: left }, () => 0)
  return Uint8Array.from([...head, ...zeros, ...tail].flatMap((group) => [group >>> 8, group & 255]))
}

/** The numbers between colons. The last two may be written as an address of IPv4 at the end of all. */
const groupsOf = (half: string, isLast: boolean): ReadonlyArray<number> | undefined => {
  const out: Array<number> = []
  const parts = half === "" ? [] : half.split(":")
  for (const [at, part] of parts.entries()) {
    const ip4 = isLast && at === parts.length - 1 ? parseIp4(part)?.bytes : undefined
    if (ip4 !== undefined) out.push((ip4[0] << 8) | ip4[1], (ip4[2] << 8) | ip4[3])
    else if (/^[0-9a-f]{1,4}$/i.test(part)) out.push(parseInt(part, 16))
    else return undefined
  }
  return out
}

// ---- address to text ----

/** The one way to write an address. */
export const printIp = ({ bytes, scope }: Ip): string => {
  if (bytes.length === 4) return bytes.join(".")
  const text = isMapped(bytes) ? `::ffff:${bytes.subarray(12).join(".")}` : shortened(bytes)
  return scope === undefined ? text : `${text}%${scope}`
}

/** The one way to write an address with its port. */
export const print = ({ ip, port }: Endpoint): Address =>
  isIp4(ip) ? `${printIp(ip)}:${port}` : `[${printIp(ip)}]:${port}`

/** "::" takes the place of the first of the longest runs of zeros, of two groups or more. */
const shortened = (bytes: Uint8Array): string => {
  const groups = Array.from({ length: 8 }, (_, at) => (bytes[2 * at] << 8) | bytes[2 * at + 1])
  let first = 0
  let most = 1
  for (let at = 0, count = 0; at < 8; at++) {
    count = groups[at] === 0 ? count + 1 : 0
    if (count > most) [first, most] = [at + 1 - count, count]
  }
  const text = (part: ReadonlyArray<number>) => part.map((group) => group.toString(16)).join(":")
  return most === 1 ? text(groups) : `${text(groups.slice(0, first))}::${text(groups.slice(first + most))}`
}

// ---- parts of the text ----

/** The text of an address without its port. */
export const hostOf = (address: Address): string => address.slice(0, Math.max(0, address.lastIndexOf(":")))

/** The port at the end of an address's text. */
export const portOf = (address: Address): number => Number(address.slice(address.lastIndexOf(":") + 1))

/** Are both on one machine, as far as addresses tell? */
export const isSameHost = (one: Address, other: Address): boolean => hostOf(one) === hostOf(other)

// ---- kinds ----

/**
 * What an address stands for (RFC 1122, RFC 4291): a group, this machine, a machine of this link, no machine, or nothing that is
 * defined; else one machine.
 */
type Kind = "Multicast" | "Loopback" | "LinkLocal" | "Unspecified" | "Reserved" | "Unicast"

/** What an address stands for. One of IPv4 that is mapped into IPv6 is what it is there. */
export const kindOf = ({ bytes }: Ip): Kind => {
  if (bytes.length === 4) return kindOfIp4(bytes)
  if (isMapped(bytes)) return kindOfIp4(bytes.subarray(12))
  if (bytes[0] === 0xff) return "Multicast"
  if (bytes[0] === 0xfe && bytes[1] >>> 6 === 2) return "LinkLocal"
  if (bytes.subarray(0, 15).some((byte) => byte !== 0)) return "Unicast"
  return bytes[15] === 0 ? "Unspecified" : bytes[15] === 1 ? "Loopback" : "Unicast"
}

const kindOfIp4 = (bytes: Uint8Array): Kind => {
  const [first, second] = bytes
  if (first === 0) return "Unspecified"
  if (first === 127) return "Loopback"
  if (first === 169 && second === 254) return "LinkLocal"
  return first < 224 ? "Unicast" : first < 240 ? "Multicast" : "Reserved"
}

/** Is it one of IPv4? */
export const isIp4 = ({ bytes }: Ip): boolean => bytes.length === 4

const isMapped = (bytes: Uint8Array): boolean =>
  bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0)

/**
 * Can a datagram from there be answered? Anybody can write port 0, or an address of many or of nobody, into what he sends; what
 * would answer it must not fail. Of IPv6, a machine of this link is found through its interface alone.
 */
export const isAnswerable = ({ ip, port }: Endpoint): boolean => {
  const kind = kindOf(ip)
  const isOne = kind === "Unicast" || kind === "Loopback" || kind === "LinkLocal"
  return port !== 0 && isOne && (kind !== "LinkLocal" || isIp4(ip) || ip.scope !== undefined)
}

/** Where a datagram came from; empty where it cannot be answered. */
export const sourceOf = (ip: Ip | undefined, port: number): Address =>
  ip !== undefined && isAnswerable({ ip, port }) ? print({ ip, port }) : ""
