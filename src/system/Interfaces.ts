/**
 * Which interface to multicast on. Without being told it is the one of the default route; where that says nothing, or
 * more than one thing, a person must choose, and the error lists what there is. The loopback interface is taken only
 * when it is asked for.
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Dgram from "node:dgram"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Limits from "../protocol/Limits.ts"

/** An interface with one of its IPv4 addresses. */
export interface Interface {
  readonly name: string
  readonly address: string
  readonly mtuBytes: number
}

/** Where a transport is bound: an interface that is made anew has another number, under the same name and address. */
export interface Place extends Interface {
  /** The system's number of the interface; 0 where it does not tell. */
  readonly index: number
}

/** What a machine has. */
export interface Inventory {
  /** One entry for each IPv4 address. */
  readonly interfaces: ReadonlyArray<Interface & { readonly loopback: boolean }>
  /** Every interface, also those without an IPv4 address. */
  readonly names: ReadonlyArray<string>
  /** Of these, those at whose cable's other end there is nothing: their addresses are not told. */
  readonly unplugged?: ReadonlyArray<string>
  /** The interfaces of default routes; undefined where the system does not tell. */
  readonly defaults: ReadonlyArray<string> | undefined
}

/** No interface can be used, or a person must choose one. */
export class InterfaceError extends Schema.TaggedError<InterfaceError>()("InterfaceError", {
  reason: Schema.String,
  usable: Schema.Array(Schema.String).annotateKey({ description: 'interfaces to choose from, as "name (address)"' })
}) {
  override get message() {
    return this.usable.length === 0
      ? this.reason
      : `${this.reason}; use --interface NAME with one of: ${this.usable.join(", ")}`
  }
}

/** The interface of that name or IPv4 address; the one of the default route when undefined. */
export const resolve = Effect.fn("Interfaces.resolve")(function* (
  nameOrAddress: string | undefined
): Effect.fn.Return<Interface & { readonly others: ReadonlyArray<string> }, InterfaceError> {
  const inventory = yield* Effect.try({ try: look, catch: unlisted })
  const found = yield* Effect.fromResult(select(nameOrAddress, inventory))
  const others = inventory.interfaces.filter((one) => !one.loopback && one.name !== found.name)
  return { ...found, others: others.map(({ address, name }) => `${name} (${address})`) }
})

/** Where it is now, of what was asked for; undefined: nowhere. */
export const follow = (
  nameOrAddress: string | undefined,
  before: Place,
  isHearing: boolean
): Effect.Effect<Place | undefined> =>
  Effect.sync(() => {
    const inventory = Result.try(look)
    // where they cannot be listed nothing is known to have changed
    return Result.isFailure(inventory)
      ? before
      : selectNext(nameOrAddress, before, isHearing, inventory.success, indexOf)
  })

/** Listing them needs a socket, which a process that may open too few files cannot have. */
const unlisted = (cause: unknown): InterfaceError => {
  const words = cause instanceof Error ? cause.message : String(cause)
  const reason = `this machine's interfaces cannot be listed; too many open files may be why (ulimit -n): ${words}`
  return new InterfaceError({ reason, usable: [] })
}

/** The number of what was resolved. */
export const placeOf = (found: Interface): Effect.Effect<Place> =>
  Effect.sync(() => ({ ...found, index: indexOf(found.name) }))

/**
 * What was chosen is stayed with, as long as it is there: another address of an interface may come first by now. That of the
 * default route is looked for again, unless something arrives where we are.
 */
export const selectNext = (
  wanted: string | undefined,
  before: Place,
  isHearing: boolean,
  inventory: Inventory,
  numberOf: (name: string) => number
): Place | undefined => {
  const isBefore = ({ address, name }: Interface) =>
    name === before.name && address === before.address && numberOf(name) === before.index
  const still = inventory.interfaces.some(isBefore) ? before : undefined
  if (still !== undefined && (wanted !== undefined || isHearing)) return still
  const found = Result.getOrUndefined(select(wanted, inventory))
  if (found === undefined) return still
  return still !== undefined && found.name === before.name ? still : { ...found, index: numberOf(found.name) }
}

/** The address of this machine from which datagrams go to another one; undefined: no route leads there. Nothing is sent. */
export const towards = (address: string): Effect.Effect<string | undefined> =>
  Effect.callback((resume) => {
    const socket = Dgram.createSocket("udp4")
    const end = (own: string | undefined) => {
      socket.close()
      resume(Effect.succeed(own))
    }
    socket.once("error", () => end(undefined))
    socket.connect(anyPort, address, () => end(socket.address().address))
  })

/** The port of the service that throws away what comes. */
const anyPort = 9

/** The choice itself, apart from the machine that it is made on. */
export const select = (wanted: string | undefined, inventory: Inventory): Result.Result<Interface, InterfaceError> => {
  const { interfaces, names } = inventory
  const usable = interfaces.map((one) => `${one.name} (${one.address})`)
  const none = usable.length === 0 ? "; this machine has no interface that is up and has an IPv4 address" : ""
  const fail = (reason: string) => Result.fail(new InterfaceError({ reason: `${reason}${none}`, usable }))
  const isUnplugged = (name: string) => inventory.unplugged?.includes(name) === true
  const useless = (name: string) =>
    isUnplugged(name)
      ? "has no carrier: its cable is unplugged, or the port at the other end is off"
      : "has no IPv4 address, or is down"
  const take = ({ name, address, mtuBytes }: Interface) => Result.succeed({ name, address, mtuBytes })

  if (wanted !== undefined) {
    const found = interfaces.find((one) => one.name === wanted || one.address === wanted)
    if (found !== undefined) return take(found)
    return names.includes(wanted)
      ? fail(`the interface ${wanted} ${useless(wanted)}`)
      : fail(`no interface has the name or the IPv4 address ${wanted}`)
  }

  const outward = interfaces.filter((one) => !one.loopback)
  // Without a default route a machine with one way out leaves nothing to choose.
  const { defaults = [] } = inventory
  const ways = new Set(defaults.length > 0 ? defaults : outward.map((one) => one.name))
  if (ways.size > 1) return fail(`there are several ways out (${[...ways].join(", ")})`)
  const [way] = ways
  if (way === undefined) return fail("there is no default route that would tell the interface")
  const found = outward.find((one) => one.name === way)
  return found === undefined ? fail(`the default route's interface ${way} ${useless(way)}`) : take(found)
}

/** Looks at this machine. */
const look = (): Inventory => {
  const interfaces: Array<Interface & { readonly loopback: boolean }> = []
  const system = Os.networkInterfaces()
  for (const [name, addresses] of Object.entries(system)) {
    for (const { address, family, internal } of addresses ?? []) {
      if (family !== "IPv4") continue
      // looked up for the one that is chosen: a machine may have hundreds
      interfaces.push({
        ...{ name, address, loopback: internal },
        get mtuBytes() {
          return mtuOf(name)
        }
      })
    }
  }
  const routes = read("/proc/net/route")
  const names = [...new Set([...Object.keys(system), ...list("/sys/class/net")])]
  return {
    interfaces,
    names,
    get unplugged() {
      return names.filter((name) => read(`/sys/class/net/${name}/carrier`)?.trim() === "0")
    },
    defaults: routes === undefined ? undefined : defaultRoutes(routes)
  }
}

/** Names in /proc/net/route whose destination and mask are 0, and which are up (flag 1) and refuse nothing (0x200). */
export const defaultRoutes = (table: string): ReadonlyArray<string> => {
  const names = new Set<string>()
  for (const line of table.split("\n").slice(1)) {
    const [name, destination, , flags, , , , mask] = line.trim().split(/\s+/)
    if (name === undefined || destination !== "00000000" || mask !== "00000000") continue
    if ((parseInt(flags ?? "0", 16) & 0x201) === 0x1) names.add(name)
  }
  return [...names]
}

/** The table of memberships tells the number of every interface that has IPv4; /sys may be another namespace's. */
const indexOf = (name: string): number => numberIn(read("/proc/net/igmp") ?? "", name)

/** An interface's number in /proc/net/igmp, whose lines about interfaces begin with it and the name. */
export const numberIn = (table: string, name: string): number => {
  const own = deviceOf(name)
  for (const line of table.split("\n")) {
    const [number, device] = line.split(/[\s:]+/)
    if (device === own) return Number(number)
  }
  return 0
}

/** The interface itself: "eth0:1" is a label of an address of eth0. */
export const deviceOf = (name: string): string => name.split(":")[0]

const mtuOf = (name: string): number => {
  const mtuBytes = Number(read(`/sys/class/net/${name}/mtu`))
  return mtuBytes > 0 ? mtuBytes : Limits.defaultMtuBytes
}

/** A file of the system's; undefined where it cannot be read. */
export const read = (file: string): string | undefined => {
  try {
    return Fs.readFileSync(file, "utf8")
  } catch {
    return undefined
  }
}

const list = (folder: string): ReadonlyArray<string> => {
  try {
    return Fs.readdirSync(folder)
  } catch {
    return []
  }
}
