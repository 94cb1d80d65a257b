/** What Linux says of an interface beside its address; elsewhere nothing is known. It only reads. */
import * as Effect from "effect/Effect"
import * as Interfaces from "./Interfaces.ts"

/** An interface, as /sys and /proc show it; undefined is unknown. */
export interface Link {
  /** Its flag MULTICAST. */
  readonly multicasts: boolean | undefined
  readonly isWireless: boolean
  readonly reversePath: "Strict" | "Loose" | "Off" | undefined
  /** Where it is a bridge of this machine: does it snoop IGMP, and query? */
  readonly bridge: { readonly snoops: boolean; readonly queries: boolean } | undefined
}

/** Reads a file; undefined where it cannot be read. */
export type Read = (path: string) => string | undefined

/** The interface of that name. */
export const look = (name: string): Effect.Effect<Link> => Effect.sync(() => describe(name, Interfaces.read))

// linux/if.h
const multicastFlag = 0x1000

const filters = ["Off", "Strict", "Loose"] as const

/** The interface, by what the system's files say. */
export const describe = (name: string, read: Read): Link => {
  const device = Interfaces.deviceOf(name)
  const of = (file: string) => read(`/sys/class/net/${device}/${file}`)?.trim()
  const flags = of("flags")
  const snooping = of("bridge/multicast_snooping")
  return {
    multicasts: flags === undefined ? undefined : (Number(flags) & multicastFlag) !== 0,
    isWireless: (read("/proc/net/wireless") ?? "").split("\n").some((line) => line.trim().startsWith(`${device}:`)),
    reversePath: filterOf(device, read),
    bridge:
      snooping === undefined ? undefined : { snoops: snooping === "1", queries: of("bridge/multicast_querier") === "1" }
  }
}

/** The stricter of all interfaces' and its own holds: but loose (2) is a higher number than strict (1). */
const filterOf = (device: string, read: Read): Link["reversePath"] => {
  const numbers = ["all", device].map((one) => Number(read(`/proc/sys/net/ipv4/conf/${one}/rp_filter`) ?? Number.NaN))
  return numbers.some(Number.isNaN) ? undefined : filters[Math.max(...numbers)]
}
