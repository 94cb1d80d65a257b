/**
 * Option values: text to a typed value, or to what is wrong with it and what would be right. Pure.
 */
import * as Result from "effect/Result"
import * as Address from "../protocol/Address.ts"
import { overheadBytes } from "../protocol/group/Reach.ts"
import * as Limits from "../protocol/Limits.ts"

export interface Group {
  readonly group: string
  readonly port: number
}

/** The group and port of the original program. */
export const defaultGroup: Group = Limits.defaultGroup

/** What a simulated bad link loses, if nothing is said of it. */
export const badLossPercent = 20

type Parsed<A> = Result.Result<A, string>

/** A file's path. */
export const file = (text: string): Parsed<string> =>
  text === "" ? Result.fail("that is none: expected a file") : Result.succeed(text)

/** A command for the shell. */
export const command = (text: string): Parsed<string> =>
  text.trim() === ""
    ? Result.fail('that is none: expected a command, for example "systemctl restart site"')
    : Result.succeed(text)

/** ADDR[:PORT]. */
export const group = (text: string): Parsed<Group> => {
  const example = "for example 239.255.67.92:8888"
  const [host, ...rest] = text.split(":")
  const ip = Address.parseIp(host)
  if (ip === undefined || rest.length > 1) {
    return Result.fail(`expected a multicast IPv4 address (IPv6 is not supported), with or without a port, ${example}`)
  }
  if (Address.kindOf(ip) !== "Multicast") {
    return Result.fail(`that is no multicast address: expected one from 224.0.0.0 to 239.255.255.255, ${example}`)
  }
  const port = rest.length === 0 ? defaultGroup.port : Address.parsePort(rest[0])
  return port === undefined
    ? Result.fail(`expected a port from 1 to 65535, ${example}`)
    : Result.succeed({ group: Address.printIp(ip), port })
}

/** Where a server listens; a port of 0 is any that is free. */
export interface Listening {
  readonly host: string
  readonly port: number
}

/** [ADDR][:PORT], or a port alone: of this machine alone and any free port, where nothing else is said. */
export const listening = (text: string): Parsed<Listening> => {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(/^\d+$/.test(text) ? `:${text}` : text)
  const [, address = "none", port = "0"] = match ?? []
  const host = address.replace(/^\[|\]$/g, "").replace(/^(localhost)?$/, "127.0.0.1")
  const ip = Address.parseIp(host)
  const isPort = port === "0" || Address.parsePort(port) !== undefined
  return ip !== undefined && isPort && Address.kindOf(ip) !== "Multicast"
    ? Result.succeed({ host, port: Number(port) })
    : Result.fail(
        "expected an address of this machine and a port, for example 127.0.0.1:8080, 8080 (this machine alone) or 0.0.0.0:8080 (all networks)"
      )
}

/** How fast a simulation may be shown, as times of its own time. */
export const speeds = { least: 0.1, most: 1000 } as const

export const speed = (text: string): Parsed<number> => {
  const value = /^(\d+(\.\d+)?|\.\d+)x?$/.test(text) ? Number.parseFloat(text) : Number.NaN
  return value >= speeds.least && value <= speeds.most
    ? Result.succeed(value)
    : Result.fail(`expected a number from ${speeds.least} to ${speeds.most}, for example 10 (ten times as fast)`)
}

const prefixes: Record<string, number> = { "": 1, k: 1e3, m: 1e6, g: 1e9, ki: 1024, mi: 1024 ** 2, gi: 1024 ** 3 }

/** The lowest rate at which questions still get their answers within the usual time-outs. */
const minRateBytes = 1000

/**
 * A rate in bytes per second. `bit` is bits and `B` is bytes; k, M, G are decimal, Ki, Mi, Gi binary; a plain number or a
 * prefix alone is bytes. Case does not matter but for one letter: a small `b` could mean either, and is refused.
 */
export const rate = (text: string): Parsed<number> => {
  const example = "for example 500mbit, 1.5gbit, 60MB or 10MiB (per second)"
  const match = /^(\d+(?:\.\d+)?|\.\d+) ?([kmg]i?)?(bits?|b)?(?:\/s)?$/i.exec(text)
  if (match === null) return Result.fail(`expected a rate, ${example}`)
  const [, number, prefix = "", unit = "B"] = match
  if (unit === "b") return Result.fail(`"b" could be bits or bytes: write "bit" or "B", ${example}`)
  const value = (Number(number) * prefixes[prefix.toLowerCase()]) / (unit === "B" ? 1 : 8)
  if (!(value >= minRateBytes)) return Result.fail(`expected at least ${minRateBytes} bytes per second, ${example}`)
  if (value > Number.MAX_SAFE_INTEGER) return Result.fail(`expected a smaller rate, ${example}`)
  return Result.succeed(Math.round(value))
}

/** The most content that is simulated: it is in memory. */
const maxSizeBytes = 1024 ** 3

/** A size in bytes of what is simulated, 1 GiB at most: a plain number is bytes, prefixes as in a rate. */
export const size = (text: string): Parsed<number> => {
  const example = "for example 32MiB, 1.5GB or 700kB"
  const match = /^(\d+(?:\.\d+)?|\.\d+) ?([kmg]i?)?b?$/i.exec(text)
  if (match === null) return Result.fail(`expected a size in bytes, ${example}`)
  const [, number, prefix = ""] = match
  const value = Math.round(Number(number) * prefixes[prefix.toLowerCase()])
  return value <= maxSizeBytes ? Result.succeed(value) : Result.fail(`expected a size from 0 to 1GiB, ${example}`)
}

const powers: Record<string, number> = { "": 0, k: 1, m: 2, g: 3, t: 4, p: 5 }

/** A size of a file, as rsync reads it: K and KiB are binary, KB is decimal, and "+1" or "-1" is one byte more or less. */
export const fileSize = (text: string): Parsed<number> => {
  const example = "for example 500K, 1.5M (both binary), 10MB (decimal) or 2G-1"
  const match = /^(\d+(?:\.\d*)?|\.\d+)(?:b|([kmgtp])(i?b)?)?([+-]1)?$/i.exec(text)
  if (match === null) return Result.fail(`expected a size in bytes, ${example}`)
  const [, number, unit = "", suffix = "", more = "0"] = match
  const value =
    Math.floor(Number(number) * (suffix.length === 1 ? 1000 : 1024) ** powers[unit.toLowerCase()]) + Number(more)
  return value >= 0 && value <= Number.MAX_SAFE_INTEGER
    ? Result.succeed(value)
    : Result.fail(`expected a size from 0 to ${Number.MAX_SAFE_INTEGER} bytes, ${example}`)
}

/** A path below a destination, for backups. */
export const backupDirectory = (text: string): Parsed<string> => {
  const names = text.split("/").filter((name) => name !== "" && name !== ".")
  return names.length > 0 && !names.includes("..") && !text.startsWith("/") && !text.includes("\0")
    ? Result.succeed(names.join("/"))
    : Result.fail("expected a directory below DEST, such as .old or old/monday: a master names no path outside of it")
}

/** Where files are kept in part: in a directory below each directory, or in one for all. */
export const partialDirectory = (text: string): Parsed<string> => {
  const names = text.split("/").filter((name) => name !== "" && name !== ".")
  return names.length > 0 && !names.includes("..") && !text.includes("\0")
    ? Result.succeed(`${text.startsWith("/") ? "/" : ""}${names.join("/")}`)
    : Result.fail("expected a directory without .., such as .parts (in each directory) or /var/tmp/parts")
}

/** What a backup's name ends with. */
export const suffix = (text: string): Parsed<string> =>
  /[/\0]/.test(text) ? Result.fail("expected a suffix without a slash, such as ~ or .old") : Result.succeed(text)

/** A catcher's name: what fits into a datagram, and can stand in a list. */
export const name = (text: string): Parsed<string> => {
  if (text === "") return Result.fail("expected a name, and it is empty")
  if (/[\s,\p{Cc}]/u.test(text)) return Result.fail(`expected a name without spaces, commas and control characters`)
  return Buffer.byteLength(text) > Limits.nameBytes
    ? Result.fail(`expected a name of at most ${Limits.nameBytes} bytes`)
    : Result.succeed(text)
}

/** Timers take 2^31 milliseconds at most; this is a good deal less, and still eleven days. */
const maxSeconds = 1_000_000

/** Seconds, decimals allowed, as milliseconds. */
export const seconds = (text: string): Parsed<number> => {
  const value = /^(\d+(\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN
  return value > 0 && value <= maxSeconds
    ? Result.succeed(Math.max(1, Math.round(value * 1000)))
    : Result.fail(`expected seconds, more than 0 and at most ${maxSeconds}, for example 30 or 2.5`)
}

/** A time-out: seconds, `Limits.minTimeoutMillis` at least. */
export const timeout = (text: string): Parsed<number> =>
  Result.flatMap(seconds(text), (millis) =>
    millis >= Limits.minTimeoutMillis
      ? Result.succeed(millis)
      : Result.fail(`expected seconds, ${Limits.minTimeoutMillis / 1000} at least, for example 10 or 2.5`)
  )

/** A whole number between two bounds. */
const whole =
  (what: string, min: number, max: number) =>
  (text: string): Parsed<number> => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    return value >= min && value <= max ? Result.succeed(value) : Result.fail(`expected ${what} from ${min} to ${max}`)
  }

export const catchers = whole("a number of catchers", 1, Limits.slots)
/** Seconds by which times may differ; -1: nanoseconds count. */
export const window = (text: string): Parsed<number> =>
  text === "-1" ? Result.succeed(-1) : whole("a number of seconds, or -1,", 0, 0xffff_fffe)(text)
export const deletions = whole("a number of names", 0, 0xffff_fffe)
export const ttl = whole("a time to live", 0, 255)
export const pageBytes = whole("a page size in bytes", Limits.minPageBytes, Limits.maxPageBytes)

const decimal = (text: string): number => (/^(\d+(\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN)

export const maxDelayMillis = 2000

/** Milliseconds that a datagram travels in a simulation. */
export const delay = (text: string): Parsed<number> => {
  const value = decimal(text)
  return value >= 0 && value <= maxDelayMillis
    ? Result.succeed(value)
    : Result.fail(`expected milliseconds from 0 to ${maxDelayMillis}, for example 1 or 0.2`)
}

export const fanout = whole("a number of hosts", 1, Limits.slots)

export const maxSeed = 0xffff_ffff
export const seed = whole("a whole number", 0, maxSeed)
export const some = whole("a number of catchers", 0, Limits.slots)

export const maxLossPercent = 50

/** Per cent of datagrams that are lost on purpose. */
export const loss = (text: string): Parsed<number> => {
  const value = decimal(text)
  return value >= 0 && value <= maxLossPercent
    ? Result.succeed(value)
    : Result.fail(`expected per cent of datagrams to lose, from 0 to ${maxLossPercent}, for example 2`)
}

/** The page of a session: what was asked for, or what an Ethernet frame and this interface both leave. */
export const pageFor = (
  asked: number | undefined,
  network: { readonly name: string; readonly mtuBytes: number }
): Parsed<number> => {
  const most = Math.min(network.mtuBytes - overheadBytes, Limits.maxPageBytes)
  if (asked === undefined) {
    const page = Math.min(most, Limits.defaultPageBytes)
    return page >= Limits.minPageBytes
      ? Result.succeed(page)
      : Result.fail(
          `the MTU of ${network.name} (${network.mtuBytes}) leaves less than ${Limits.minPageBytes} bytes a page`
        )
  }
  return asked <= most
    ? Result.succeed(asked)
    : Result.fail(
        `expected at most ${most}: the MTU of ${network.name} is ${network.mtuBytes}, and larger datagrams would be sent in fragments`
      )
}
