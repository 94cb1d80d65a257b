/** The rules of a firewall, as nft and iptables-save print them, in one form: nft's JSON. Pure; what cannot be read is no rule. */
import * as Result from "effect/Result"

/** A statement of a rule, in nft's JSON. */
export type Statement = Readonly<Record<string, unknown>>

/** A chain of rules. */
export interface Chain {
  readonly table: string
  readonly name: string
  /** Of a base chain. */
  readonly hook: string | undefined
  readonly priority: number
  readonly policy: string
  readonly rules: Array<ReadonlyArray<Statement>>
}

/** All chains of a firewall, and its named sets. */
export interface Rules {
  readonly chains: ReadonlyMap<string, Chain>
  readonly sets: ReadonlyMap<string, unknown>
}

/** Names a chain or a set among all tables. */
export const keyOf = (table: string, name: string): string => `${table} ${name}`

/** An object of JSON. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Families whose chains see IPv4. */
const families: ReadonlySet<unknown> = new Set(["ip", "inet"])

/** What `nft -j list ruleset` has printed. Tables that iptables has made are left to `ofIptables`, which prints what nft cannot. */
export const ofNft = (printed: string): Rules => {
  const parsed = Result.getOrElse(
    Result.try(() => JSON.parse(printed) as unknown),
    () => undefined
  )
  const objects = isObject(parsed) && Array.isArray(parsed["nftables"]) ? parsed["nftables"].filter(isObject) : []
  const chains = new Map<string, Chain>()
  const sets = new Map<string, unknown>()
  const foreign = new Set<string>()
  for (const object of objects) {
    const [[kind, of] = ["", undefined]] = Object.entries(object)
    if (!isObject(of) || !families.has(of["family"])) continue
    const table = `${String(of["family"])} ${String(of["table"])}`
    const name = String(of["name"])
    if (kind === "chain") {
      const hook = of["type"] === "filter" ? String(of["hook"]) : undefined
      const policy = String(of["policy"] ?? "accept")
      chains.set(keyOf(table, name), { table, name, hook, priority: Number(of["prio"] ?? 0), policy, rules: [] })
    }
    if (kind === "set" || kind === "map") sets.set(keyOf(table, `@${name}`), of["elem"])
    if (kind === "rule" && Array.isArray(of["expr"])) {
      const statements = of["expr"].filter(isObject)
      if (statements.some((one) => "xt" in one)) foreign.add(table)
      chains.get(keyOf(table, String(of["chain"])))?.rules.push(statements)
    }
  }
  for (const [key, { table }] of chains) if (foreign.has(table)) chains.delete(key)
  return { chains, sets }
}

const hooks: Readonly<Record<string, string>> = { INPUT: "input", OUTPUT: "output" }
const iptablesTable = "iptables filter"

/** What `iptables-save -t filter` has printed. */
export const ofIptables = (printed: string): Rules => {
  const chains = new Map<string, Chain>()
  for (const line of printed.split("\n")) {
    const [, declared, policy = ""] = /^:(\S+) (\S+)/.exec(line) ?? []
    if (declared !== undefined) {
      const hook = hooks[declared]
      const chain = { table: iptablesTable, name: declared, hook, priority: 0, policy: policy.toLowerCase(), rules: [] }
      chains.set(keyOf(iptablesTable, declared), chain)
    }
    const [, name, rest = ""] = /^-A (\S+) ?(.*)$/.exec(line) ?? []
    if (name !== undefined) chains.get(keyOf(iptablesTable, name))?.rules.push(statementsOf(rest))
  }
  return { chains, sets: new Map() }
}

const match = (left: Statement, right: unknown, isNot: boolean): Statement => ({
  match: { op: isNot ? "!=" : "==", left, right }
})
const payload = (protocol: string, field: string): Statement => ({ payload: { protocol, field } })
const listed = (value: string) => ({ set: value.split(",").map(ranged) })
const ranged = (value: string): unknown =>
  value.includes(":") ? { range: value.split(":").map(Number) } : Number(value)
const network = (value: string): unknown => {
  const [addr, length] = value.split("/")
  return length === undefined ? addr : { prefix: { addr, len: Number(length) } }
}

/** Options of iptables that ask something, as statements of nft's. */
const options: Readonly<Record<string, (value: string, isNot: boolean) => Statement>> = {
  "-i": (value, isNot) => match({ meta: { key: "iifname" } }, value, isNot),
  "-o": (value, isNot) => match({ meta: { key: "oifname" } }, value, isNot),
  "-p": (value, isNot) => match({ meta: { key: "l4proto" } }, value, isNot),
  "-s": (value, isNot) => match(payload("ip", "saddr"), network(value), isNot),
  "-d": (value, isNot) => match(payload("ip", "daddr"), network(value), isNot),
  "--dport": (value, isNot) => match(payload("udp", "dport"), ranged(value), isNot),
  "--dports": (value, isNot) => match(payload("udp", "dport"), listed(value), isNot),
  "--state": (value, isNot) => match({ ct: { key: "state" } }, value.toLowerCase().split(","), isNot),
  "--ctstate": (value, isNot) => match({ ct: { key: "state" } }, value.toLowerCase().split(","), isNot),
  "--length": (value, isNot) => match({ meta: { key: "length" } }, ranged(value), isNot),
  "--pkt-type": (value, isNot) => match({ meta: { key: "pkttype" } }, value, isNot)
}
const targets: Readonly<Record<string, Statement>> = {
  ...{ ACCEPT: { accept: null }, DROP: { drop: null }, REJECT: { reject: null }, RETURN: { return: null } },
  ...{ LOG: { log: null }, NFLOG: { log: null } }
}

const statementsOf = (rule: string): ReadonlyArray<Statement> => {
  const words = rule.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? []
  const statements: Array<Statement> = []
  let isNot = false
  for (let i = 0; i < words.length; i++) {
    const word = words[i]
    if (word === "!") {
      isNot = true
      continue
    }
    const value = words[i + 1] ?? ""
    const asks = options[word]
    if (asks !== undefined) statements.push(asks(value, isNot))
    else if (word === "-j") statements.push(targets[value] ?? { jump: { target: value } })
    else if (word === "-g") statements.push({ goto: { target: value } })
    // -m only names what the options after it are of
    else if (word.startsWith("-") && word !== "-m" && word !== "--comment") statements.push({ unknown: null })
    if (word.startsWith("-")) i++
    isNot = false
  }
  return statements
}
