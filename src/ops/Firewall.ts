/**
 * What the rules of a firewall do to one datagram. Pure. What a rule asks that cannot be known here is neither true nor false: such
 * a rule may decide, and the verdict is "MayDrop" where it would decide otherwise than the rules that are known.
 */
import * as Addresses from "../protocol/Address.ts"
import type { Firewall } from "../report/Diagnosis.ts"
import { type Chain, isObject, keyOf, ofIptables, ofNft, type Rules, type Statement } from "./Rules.ts"

/** A datagram of UDP; what is left out is unknown. */
interface Packet {
  readonly hook: "input" | "output"
  readonly interface: string
  readonly from?: string
  readonly to: string
  readonly toPort: number
  readonly isMulticast: boolean
  /** In bytes, with its headers: of all that are glued together, where the kernel has glued some. */
  readonly length: number
}

/** Packets that differ in length alone. */
type Packets = Omit<Packet, "length">

type Truth = "Yes" | "No" | "Unknown"

const truth = (is: boolean): Truth => (is ? "Yes" : "No")
const not = (is: Truth): Truth => (is === "Unknown" ? is : truth(is === "No"))

/** What the packet has where a rule looks; undefined: unknown; a `Truth`: whatever it is compared with. */
const fieldOf = (packet: Packet, left: unknown): string | number | undefined | { readonly is: Truth } => {
  if (!isObject(left)) return undefined
  const key = (of: unknown) => (isObject(of) ? String(of["key"]) : "")
  if ("ct" in left) return key(left["ct"]) === "state" ? "new" : undefined
  if ("fib" in left) {
    const { flags, result } = left["fib"] as { flags?: unknown; result?: unknown }
    const isOfTarget = result === "type" && String(flags) === "daddr"
    return isOfTarget ? (packet.isMulticast ? "multicast" : "local") : undefined
  }
  if ("meta" in left) {
    const isIn = packet.hook === "input"
    switch (key(left["meta"])) {
      case "iif":
      case "iifname":
        return isIn ? packet.interface : ""
      case "oif":
      case "oifname":
        return isIn ? "" : packet.interface
      case "l4proto":
        return "udp"
      case "nfproto":
        return "ipv4"
      case "length":
        return packet.length
      case "pkttype":
        return packet.isMulticast ? "multicast" : "host"
      default:
        return undefined
    }
  }
  if (!("payload" in left) || !isObject(left["payload"])) return undefined
  const { field, protocol } = left["payload"]
  if (protocol === "udp" || protocol === "th") return field === "dport" ? packet.toPort : undefined
  // what another protocol's header says is asked of its packets alone
  if (protocol !== "ip") return { is: "No" }
  if (field === "length") return packet.length
  return field === "saddr" ? packet.from : field === "daddr" ? packet.to : field === "protocol" ? "udp" : undefined
}

const numberOf = (ip: string): number | undefined => {
  const parsed = Addresses.parseIp(ip)
  if (parsed === undefined || !Addresses.isIp4(parsed)) return undefined
  return [...parsed.bytes.subarray(0, 4)].reduce((number, byte) => number * 256 + byte, 0)
}

/** Protocols that nft and iptables also say as numbers. */
const synonyms: Readonly<Record<string, ReadonlyArray<unknown>>> = { udp: [17, "17"], host: ["unicast"] }

const isOf = (value: string | number, right: unknown, sets: (name: string) => unknown): Truth => {
  if (Array.isArray(right)) return anyOf(right.map((one) => isOf(value, one, sets)))
  if (typeof right === "string" && right.startsWith("@")) return isOf(value, sets(right) ?? [], sets)
  // iptables' "eth+" and nft's "eth*" are any name that begins so
  if (typeof right === "string" && /[+*]$/.test(right)) return truth(String(value).startsWith(right.slice(0, -1)))
  if (!isObject(right)) {
    return truth(right === value || String(right) === String(value) || (synonyms[value] ?? []).includes(right))
  }
  if ("set" in right) return isOf(value, right["set"], sets)
  if ("elem" in right && isObject(right["elem"])) return isOf(value, right["elem"]["val"], sets)
  if ("range" in right && Array.isArray(right["range"])) {
    const [least, most] = right["range"].map((end) => (typeof end === "string" ? numberOf(end) : Number(end)))
    const number = typeof value === "string" ? numberOf(value) : value
    if (number === undefined || least === undefined || most === undefined) return "Unknown"
    return truth(number >= least && number <= most)
  }
  if ("prefix" in right && isObject(right["prefix"])) {
    const { addr, len } = right["prefix"]
    const [number, base] = [numberOf(String(value)), numberOf(String(addr))]
    if (number === undefined || base === undefined) return "Unknown"
    const size = 2 ** (32 - Number(len))
    return truth(Math.floor(number / size) === Math.floor(base / size))
  }
  return "Unknown"
}

const anyOf = (all: ReadonlyArray<Truth>): Truth =>
  all.includes("Yes") ? "Yes" : all.includes("Unknown") ? "Unknown" : "No"

const orders = {
  "<": (one: number, other: number) => one < other,
  "<=": (one: number, other: number) => one <= other,
  ">": (one: number, other: number) => one > other,
  ">=": (one: number, other: number) => one >= other
}
const isOrder = (op: unknown): op is keyof typeof orders => typeof op === "string" && op in orders

const verdicts = ["accept", "drop", "reject", "return", "jump", "goto", "queue"] as const
/** Statements that ask nothing, and let everything pass on. */
const idle: ReadonlySet<string> = new Set(["counter", "log", "comment", "notrack", "mangle"])

interface Outcome {
  /** Undefined: the chain says nothing, or returns. */
  readonly verdict: "accept" | "drop" | undefined
  /** Verdicts that rules would give of which it is not known whether they match. */
  readonly perhaps: ReadonlySet<"accept" | "drop">
}

class Judge {
  private readonly packet: Packet
  private readonly rules: Rules

  constructor(packet: Packet, rules: Rules) {
    this.packet = packet
    this.rules = rules
  }

  /** Does the statement's question hold of the packet? */
  private holds(statement: Statement, table: string): Truth {
    const [[kind, of] = ["", undefined]] = Object.entries(statement)
    if (idle.has(kind)) return "Yes"
    if (kind !== "match" || !isObject(of)) return "Unknown"
    const value = fieldOf(this.packet, of["left"])
    if (value === undefined) return "Unknown"
    if (typeof value === "object") return value.is
    const { op, right } = of
    if (typeof value === "number" && typeof right === "number" && isOrder(op)) return truth(orders[op](value, right))
    const is = isOf(value, right, (name) => this.rules.sets.get(keyOf(table, name)))
    return op === "!=" ? not(is) : op === "==" || op === "in" ? is : "Unknown"
  }

  /** The verdicts of one rule that come into question, each with whether it does. */
  private actionsOf(rule: ReadonlyArray<Statement>, table: string): ReadonlyArray<readonly [Truth, Statement]> {
    let is: Truth = "Yes"
    for (const statement of rule) {
      const [[kind, of] = ["", undefined]] = Object.entries(statement)
      if (verdicts.some((verdict) => verdict === kind)) return [[is, statement]]
      if (kind === "vmap" && isObject(of)) return this.mapped(of, table, is)
      const holds = this.holds(statement, table)
      if (holds === "No") return []
      if (holds === "Unknown") is = "Unknown"
    }
    return []
  }

  private mapped(map: Readonly<Record<string, unknown>>, table: string, before: Truth) {
    const { data, key } = map
    const elements = isObject(data) && Array.isArray(data["set"]) ? data["set"] : []
    return elements.flatMap((element): ReadonlyArray<readonly [Truth, Statement]> => {
      if (!Array.isArray(element) || !isObject(element[1])) return []
      const is = this.holds({ match: { op: "==", left: key, right: element[0] } }, table)
      return is === "No" ? [] : [[is === "Unknown" ? is : before, element[1]]]
    })
  }

  /** `depth`: how many chains have called this one; the kernel allows no loops. */
  walk(chain: Chain, depth = 0): Outcome {
    const perhaps = new Set<"accept" | "drop">()
    for (const rule of chain.rules) {
      for (const [is, action] of this.actionsOf(rule, chain.table)) {
        const [[kind, of] = ["", undefined]] = Object.entries(action)
        if (kind === "return" && is === "Yes") return { verdict: undefined, perhaps }
        const called = this.rules.chains.get(keyOf(chain.table, isObject(of) ? String(of["target"]) : ""))
        const outcome = called === undefined || depth > 16 ? own(kind) : this.walk(called, depth + 1)
        for (const verdict of outcome.perhaps) perhaps.add(verdict)
        if (outcome.verdict !== undefined && is === "Yes") return { verdict: outcome.verdict, perhaps }
        if (outcome.verdict !== undefined) perhaps.add(outcome.verdict)
        if (kind === "goto" && is === "Yes") return { verdict: undefined, perhaps }
      }
    }
    return { verdict: undefined, perhaps }
  }
}

const own = (kind: string): Outcome => ({
  verdict: kind === "accept" ? "accept" : kind === "drop" || kind === "reject" ? "drop" : undefined,
  perhaps: new Set()
})

/** What they do to one packet: a base chain that drops it is the last one that it meets. */
const judgeOne = (packet: Packet, ...all: ReadonlyArray<Rules>): Firewall => {
  let may: Firewall = { verdict: "Passes", where: "" }
  for (const rules of all) {
    const judging = new Judge(packet, rules)
    const bases = [...rules.chains.values()].filter(({ hook }) => hook === packet.hook)
    for (const chain of bases.sort((a, b) => a.priority - b.priority)) {
      const { perhaps, verdict = chain.policy } = judging.walk(chain)
      const where = `chain ${chain.name} of table ${chain.table}`
      if (verdict === "drop" && !perhaps.has("accept")) return { verdict: "Drops", where }
      if ((verdict === "drop" || perhaps.has("drop")) && may.verdict === "Passes") may = { verdict: "MayDrop", where }
    }
  }
  return may
}

/** No packet of a session is shorter than the one, and none is longer, glued together, than the other. */
const shortBytes = 60
const longestBytes = 65_535

/** What all rules together do to packets of every length; where short ones pass and longer ones do not, from which length on. */
export const judge = (packets: Packets, ...all: ReadonlyArray<Rules>): Firewall => {
  const at = (length: number) => judgeOne({ ...packets, length }, ...all)
  const [short, long] = [at(shortBytes), at(longestBytes)]
  if (short.verdict !== "Passes" || long.verdict === "Passes") return short
  let [passes, drops] = [shortBytes, longestBytes]
  while (drops - passes > 1) {
    const middle = Math.floor((passes + drops) / 2)
    if (at(middle).verdict === "Passes") passes = middle
    else drops = middle
  }
  return { ...long, longerThan: passes }
}

/** The rules that were read, in both forms. */
export const rulesOf = (ruleset: {
  readonly nft: string | undefined
  readonly iptables: string | undefined
}): ReadonlyArray<Rules> => [
  ...(ruleset.nft === undefined ? [] : [ofNft(ruleset.nft)]),
  ...(ruleset.iptables === undefined ? [] : [ofIptables(ruleset.iptables)])
]
