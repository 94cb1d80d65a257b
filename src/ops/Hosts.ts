/**
 * Lists of hosts, as clusters write them: `node[01-64,70],admin@cache1:2222,@FILE`, and `HOSTS:DEST` behind which such a list
 * stands. Pure: files are read elsewhere.
 *
 * A bracket stands for its numbers, with the zeros of the first one kept; a name may have several. An address of IPv6 has
 * brackets of its own: `[2001:db8::7]`. A port follows a colon, or the host is `ssh://USER@HOST:PORT`.
 */
import * as Result from "effect/Result"
import * as Address from "../protocol/Address.ts"
import * as Limits from "../protocol/Limits.ts"

/** A host, and how it is reached where that is said. */
export interface Host {
  readonly user: string | undefined
  /** A name, or an address without brackets. */
  readonly host: string
  readonly port: number | undefined
}

/** A part of a list: hosts, or the file that has more of them. */
export type Item =
  | { readonly _tag: "Hosts"; readonly hosts: ReadonlyArray<Host> }
  | { readonly _tag: "File"; readonly file: string }

type Parsed<A> = Result.Result<A, string>

/** A whole list. What is wrong is told with its place. */
export const parse = (text: string): Parsed<ReadonlyArray<Item>> =>
  Result.flatMap(read(text, "List"), ({ end, items }) =>
    end === text.length ? Result.succeed(items) : Result.fail(misread(text, end, "a comma, or the list's end"))
  )

/** `HOSTS:DEST`: the list before the colon that is no port's, and what follows it. */
export const split = (text: string): Parsed<{ readonly items: ReadonlyArray<Item>; readonly destination: string }> => {
  if (text.startsWith(":")) return Result.succeed({ items: [], destination: text.slice(1) })
  return Result.flatMap(read(text, "BeforeDestination"), ({ end, items }) => {
    if (text.startsWith("::", end) || isBareAddress(text.slice(text.lastIndexOf(",", end) + 1)))
      return Result.fail(misread(text, end, "one colon, and an address of IPv6 in brackets, as [2001:db8::7]:/srv"))
    if (text[end] === ":") return Result.succeed({ items, destination: text.slice(end + 1) })
    const wanted = end === text.length ? `a colon and DEST, for example ${text}:/srv` : "a comma or a colon"
    return Result.fail(misread(text, end, wanted))
  })
}

/** Does an address of IPv6 without its brackets stand before DEST? Its first group would be taken for the host. */
const isBareAddress = (text: string): boolean => {
  const [, address = ""] = /^(?:[^@:]*@)?([\da-f]*:[\da-f:.]*):/i.exec(text) ?? []
  return Address.parseIp(address) !== undefined
}

/** The content of a file of hosts: a list in each line, comments from # on, blank lines. */
export const ofFile = (content: string): Parsed<ReadonlyArray<Host>> => {
  const out: Array<Host> = []
  for (const [at, line] of content.split(/\r?\n/).entries()) {
    const text = line.replace(/#.*$/, "").trim()
    if (text === "") continue
    const items = parse(text)
    if (Result.isFailure(items)) return Result.fail(`line ${at + 1}: ${items.failure}`)
    for (const item of items.success) {
      if (item._tag === "File") return Result.fail(`line ${at + 1}: a file of hosts names no other: @${item.file}`)
      if (out.length + item.hosts.length > Limits.slots) return Result.fail(tooMany)
      out.push(...item.hosts)
    }
  }
  return Result.succeed(out)
}

/** All hosts of a list: one at least, each once, and no more than a session has room for. */
export const distinct = (hosts: ReadonlyArray<Host>): Parsed<ReadonlyArray<Host>> => {
  if (hosts.length === 0) return Result.fail("expected at least one name, for example a,b,c or node[01-64]")
  if (hosts.length > Limits.slots) return Result.fail(tooMany)
  const seen = new Set<string>()
  for (const { host, port } of hosts) {
    const place = placeOf(host, port)
    if (seen.has(place)) return Result.fail(`"${place}" is named twice: expected every name once`)
    seen.add(place)
  }
  return Result.succeed(hosts)
}

/** The name of each, by which a catcher joins: its host, and where several share that, the port as well. */
export const named = <Of extends Host>(hosts: ReadonlyArray<Of>): ReadonlyArray<Of & { readonly name: string }> => {
  const counts = new Map<string, number>()
  for (const { host } of hosts) counts.set(host, (counts.get(host) ?? 0) + 1)
  return hosts.map((one) => ({ ...one, name: counts.get(one.host) === 1 ? one.host : placeOf(one.host, one.port) }))
}

/** Why no command could be told to go there: what begins with a dash would be an option to it. */
export const whyUnreachable = ({ host, user }: Host): string | undefined => {
  const isHost = hostForm.test(host) || Address.parseIp(host) !== undefined
  if (!isHost) return `"${host}" is no host's name or address`
  return user === undefined || userForm.test(user) ? undefined : `"${user}" is no user's name`
}

const hostForm = /^[\p{L}\p{N}_][\p{L}\p{N}._-]*$/u
const userForm = /^[\p{L}\p{N}_][\p{L}\p{N}._\\-]*$/u

const placeOf = (host: string, port: number | undefined): string => {
  const isAddress = host.includes(":")
  return port === undefined ? host : `${isAddress ? `[${host}]` : host}:${port}`
}

const tooMany = `expected at most ${Limits.slots} names`

// ---- one item after the other ----

type Mode = "List" | "BeforeDestination"

interface Read {
  readonly items: ReadonlyArray<Item>
  /** Where it ends: at the text's end, or before what is not of the list. */
  readonly end: number
}

const read = (text: string, mode: Mode): Parsed<Read> => {
  const items: Array<Item> = []
  let count = 0
  let at = 0
  while (true) {
    const item = itemAt(text, at, mode)
    if (Result.isFailure(item)) return Result.fail(item.failure)
    items.push(item.success.item)
    count += item.success.item._tag === "Hosts" ? item.success.item.hosts.length : 0
    if (count > Limits.slots) return Result.fail(tooMany)
    at = item.success.end
    if (text[at] !== ",") return Result.succeed({ items, end: at })
    at = after(/\s*/y, text, at + 1)
  }
}

const itemAt = (text: string, at: number, mode: Mode): Parsed<{ readonly item: Item; readonly end: number }> => {
  if (text[at] === "@") {
    const end = after(mode === "List" ? /@[^,]*/y : /@[^,:]*/y, text, at)
    const file = text.slice(at + 1, end).trim()
    return file === ""
      ? Result.fail(misread(text, end, "a file's name"))
      : Result.succeed({ item: { _tag: "File", file }, end })
  }
  const userAt = after(/(?:ssh:\/\/)?/y, text, at)
  const nameAt = after(/(?:[^\s,:@[\]/\p{Cc}]+@)?/uy, text, userAt)
  const user = nameAt === userAt ? undefined : text.slice(userAt, nameAt - 1)
  return Result.flatMap(namesAt(text, nameAt), ({ end, names }) => {
    const portEnd = after(mode === "List" ? /:\d+(?=\s*(?:,|$))/y : /:\d+(?=[,:])/y, text, end)
    const port = portEnd === end ? undefined : Address.parsePort(text.slice(end + 1, portEnd))
    if (portEnd > end && port === undefined) return Result.fail(misread(text, end + 1, "a port from 1 to 65535"))
    const hosts = names.map((host) => ({ user, host, port }))
    return Result.succeed({ item: { _tag: "Hosts", hosts }, end: after(/\s*/y, text, portEnd) })
  })
}

interface Names {
  readonly names: ReadonlyArray<string>
  readonly end: number
}

/** A name with its brackets, or an address in brackets of its own. */
const namesAt = (text: string, at: number): Parsed<Names> => {
  const ip6End = after(/\[[^\]]*:[^\]]*\]/y, text, at)
  if (ip6End > at) {
    const host = text.slice(at + 1, ip6End - 1)
    return Address.parseIp(host) === undefined
      ? Result.fail(misread(text, at, "an address of IPv6 in brackets"))
      : Result.succeed({ names: [host], end: ip6End })
  }
  let names: ReadonlyArray<string> = [""]
  let end = at
  while (true) {
    const plainEnd = after(/[^\s,:@[\]\p{Cc}]+/uy, text, end)
    const plain = text.slice(end, plainEnd)
    names = names.map((name) => name + plain)
    end = plainEnd
    if (text[end] !== "[") break
    const numbers = numbersAt(text, end)
    if (Result.isFailure(numbers)) return Result.fail(numbers.failure)
    if (names.length * numbers.success.names.length > Limits.slots) return Result.fail(tooMany)
    names = names.flatMap((name) => numbers.success.names.map((number) => name + number))
    end = numbers.success.end
  }
  if (end === at) return Result.fail(misread(text, at, "a name"))
  const long = names.find((name) => Buffer.byteLength(name) > Limits.nameBytes)
  return long === undefined
    ? Result.succeed({ names, end })
    : Result.fail(misread(text, at, `a name of at most ${Limits.nameBytes} bytes`))
}

/** The numbers of a bracket, in their order, as `[01-64,70]`. */
const numbersAt = (text: string, at: number): Parsed<Names> => {
  const close = text.indexOf("]", at)
  if (close < 0) return Result.fail(misread(text, at, "a bracket that is closed, as node[01-64,70]"))
  const names: Array<string> = []
  let partAt = at + 1
  for (const part of text.slice(at + 1, close).split(",")) {
    const [, first, last = first] = /^\s*(\d{1,9})(?:-(\d{1,9}))?\s*$/.exec(part) ?? []
    if (first === undefined) return Result.fail(misread(text, partAt, "numbers, as node[01-64,70]"))
    const [from, to] = [Number(first), Number(last)]
    if (from > to) return Result.fail(misread(text, partAt, `the smaller number first, as ${last}-${first}`))
    if (names.length + to - from + 1 > Limits.slots) return Result.fail(tooMany)
    for (let number = from; number <= to; number++) names.push(String(number).padStart(first.length, "0"))
    partAt += part.length + 1
  }
  return Result.succeed({ names, end: close + 1 })
}

/** Where a match that begins there ends; there, where none does. */
const after = (form: RegExp, text: string, at: number): number => {
  form.lastIndex = at
  return at + (form.exec(text)?.[0].length ?? 0)
}

/** Characters of a list that a message shows. */
const shown = 20

const misread = (text: string, at: number, expected: string): string => {
  const found = text.slice(at, at + shown)
  return `at character ${at + 1}${found === "" ? " (its end)" : `, "${found}"`}: expected ${expected}`
}
