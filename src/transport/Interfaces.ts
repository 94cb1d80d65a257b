/**
 * Which interface to multicast on. Without being told it is the one of the default route; where that says nothing, or
 * more than one thing, a person must choose, and the error lists what there is. The loopback interface is taken only
 * when it is asked for.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Limits from "../protocol/Limits.ts"

/** An interface with one of its IPv4 addresses. */
export interface Interface {
  readonly name: string
  readonly address: string
  readonly mtuBytes: number
}

/** What a machine has. */
export interface Inventory {
  /** One entry for each IPv4 address. */
  readonly interfaces: ReadonlyArray<Interface & { readonly loopback: boolean }>
  /** Every interface, also those without an IPv4 address. */
  readonly names: ReadonlyArray<string>
  /** The interfaces of default routes; undefined where the system does not tell. */
  readonly defaults: ReadonlyArray<string> | undefined
}

/** No interface can be used, or a person must choose one. */
export class InterfaceError extends Schema.TaggedError<InterfaceError>()("InterfaceError", {
  reason: Schema.String,
  /** What could be chosen, as "name (address)". */
  usable: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.usable.length === 0
      ? `${this.reason}; this machine has no interface that is up and has an IPv4 address`
      : `${this.reason}; use --interface NAME with one of: ${this.usable.join(", ")}`
  }
}

/** The interface of that name or IPv4 address; the one of the default route when undefined. */
export const resolve = Effect.fn("Interfaces.resolve")(function* (
  nameOrAddress: string | undefined
): Effect.fn.Return<Interface & { readonly others: ReadonlyArray<string> }, InterfaceError> {
  const inventory = yield* Effect.sync(look)
  const found = yield* Effect.fromResult(select(nameOrAddress, inventory))
  const others = inventory.interfaces.filter((one) => !one.loopback && one.name !== found.name)
  return { ...found, others: others.map(({ address, name }) => `${name} (${address})`) }
})

/** The choice itself, apart from the machine that it is made on. */
export const select = (wanted: string | undefined, inventory: Inventory): Result.Result<Interface, InterfaceError> => {
  const { interfaces, names } = inventory
  const fail = (reason: string) =>
    Result.fail(new InterfaceError({ reason, usable: interfaces.map((one) => `${one.name} (${one.address})`) }))
  const take = ({ name, address, mtuBytes }: Interface) => Result.succeed({ name, address, mtuBytes })

  if (wanted !== undefined) {
    const found = interfaces.find((one) => one.name === wanted || one.address === wanted)
    if (found !== undefined) return take(found)
    return names.includes(wanted)
      ? fail(`the interface ${wanted} has no IPv4 address, or is down`)
      : fail(`no interface has the name or the IPv4 address ${wanted}`)
  }

  const outward = interfaces.filter((one) => !one.loopback)
  // Without a table of routes a machine with one way out leaves nothing to choose.
  const ways = new Set(inventory.defaults ?? outward.map((one) => one.name))
  if (ways.size > 1) return fail(`there are several ways out (${[...ways].join(", ")})`)
  const [way] = ways
  if (way === undefined) return fail("there is no default route that would tell the interface")
  const found = outward.find((one) => one.name === way)
  return found === undefined
    ? fail(`the default route's interface ${way} has no IPv4 address, or is down`)
    : take(found)
}

/** Looks at this machine. */
const look = (): Inventory => {
  const interfaces: Array<Interface & { readonly loopback: boolean }> = []
  const system = Os.networkInterfaces()
  for (const [name, addresses] of Object.entries(system)) {
    const mtuBytes = mtuOf(name)
    for (const { address, family, internal } of addresses ?? []) {
      if (family === "IPv4") interfaces.push({ name, address, mtuBytes, loopback: internal })
    }
  }
  const routes = read("/proc/net/route")
  return {
    interfaces,
    names: [...new Set([...Object.keys(system), ...list("/sys/class/net")])],
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

const mtuOf = (name: string): number => {
  const mtuBytes = Number(read(`/sys/class/net/${name}/mtu`))
  return mtuBytes > 0 ? mtuBytes : Limits.defaultMtuBytes
}

const read = (file: string): string | undefined => {
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
