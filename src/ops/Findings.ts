/**
 * What an observation of this machine means: one table, each finding with its id. Pure, and from the observation alone. docs/doctor.md
 * quotes every text, and a test compares them.
 */
import { type Address, hostOf, portOf } from "../protocol/Address.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Finding, Firewall, Here } from "../report/Diagnosis.ts"

/** What a finding says; without a `mend` there is nothing to be done. */
export type Said = Pick<Finding, "severity" | "seen" | "means" | "mend">

/** A finding of this machine, where there is something to find. */
type Rule = (here: Here) => Said | undefined

/** A buffer's length, for a person. */
export const kib = (bytes: number): string => `${Math.round(bytes / 1024)} KiB`

const isAsCatcher = ({ role }: Here): boolean => role !== "Master"
const isAsMaster = ({ role }: Here): boolean => role !== "Catcher"

/** Ports that the system gives to sockets which ask for none (net.ipv4.ip_local_port_range). */
const ownPorts = "32768-60999"

const accepting = (chain: string, ports: number | string): string =>
  `As root, with nftables: nft insert rule ${chain} udp dport ${ports} accept`

/** "inet filter input" of "chain input of table inet filter". */
const chainOf = (where: string): string => {
  const [, chain, table] = /^chain (\S+) of table (.*)$/.exec(where) ?? []
  return chain === undefined || table === undefined ? "inet filter input" : `${table} ${chain}`
}

/** What mends it that the system sends nothing; its reasons are those of transport/Udp. */
const sending = (here: Here): string =>
  here.unsent?.includes("firewall") === true
    ? accepting("inet filter output", portsIn(here))
    : `"ip route get ${hostOf(here.group)} oif ${here.interface}" says more; as root: ip route replace ${hostOf(here.group)} dev ${here.interface}`

const portIn = ({ group }: Here): number => portOf(group as Address)

/** What a rule of a firewall lets pass: for a port that `push` has drawn all that it draws from, because the next is another. */
const portsIn = (here: Here): number | string => {
  const [port, { first, last }] = [portIn(here), Limits.drawnPorts]
  return port >= first && port <= last ? `${first}-${last}` : port
}

/** The findings of this machine, in the order in which they are told. */
export const rules = {
  loopback: (here) =>
    here.isLoopback
      ? {
          severity: "Hinders",
          seen: `the interface is ${here.interface} (${here.address})`,
          means: "nothing leaves this machine, so only catchers on it can join",
          mend: `Choose the network's with --interface${here.others.length === 0 ? "" : `: ${here.others.join(", ")}`}`
        }
      : undefined,
  "no-multicast": (here) =>
    here.multicasts === false && !here.isLoopback
      ? {
          severity: "Hinders",
          seen: `the interface ${here.interface} has not the flag MULTICAST`,
          means: "what it leads to, such as a tunnel, may carry no multicast",
          mend: `"ip link set ${here.interface} multicast on" sets it; where a tunnel has no multicast, choose another interface with --interface`
        }
      : undefined,
  "other-interfaces": (here) =>
    here.others.length > 0 && !here.isLoopback
      ? {
          severity: "Note",
          seen: `the interface is ${here.interface} (${here.address}), ${why[here.why]}; this machine has ${here.others.join(", ")} as well`,
          means: "machines on the network of another interface hear nothing of the session",
          mend: "Choose with --interface, on the master and on each catcher, that of the network which they share"
        }
      : undefined,
  unsent: (here) =>
    here.unsent === undefined
      ? undefined
      : {
          severity: "Stops",
          seen: `nothing leaves this machine for the group ${here.group}`,
          means: here.unsent,
          mend: sending(here)
        },
  busy: (here) =>
    here.otherMaster === undefined
      ? undefined
      : {
          severity: "Stops",
          seen: `another master (${here.otherMaster}) uses the group ${here.group}`,
          means: "a group carries one session at a time",
          mend: "Wait until it ends, or choose another group or port with --group, on both sides"
        },
  "firewall-group": (here) => {
    const wall = wallOf(here.groupIn)
    return wall === undefined || !isAsCatcher(here)
      ? undefined
      : {
          severity: wall.severity,
          seen: `the firewall's ${wall.where} ${wall.drops} UDP to the group, port ${portIn(here)}`,
          means: "a catcher on this machine hears no master",
          mend: accepting(chainOf(wall.where), portsIn(here))
        }
  },
  "firewall-answers": (here) => {
    const wall = wallOf(here.answersIn)
    return wall === undefined || !isAsMaster(here)
      ? undefined
      : {
          severity: wall.severity,
          seen: `the firewall's ${wall.where} ${wall.drops} UDP to this machine's own ports`,
          means:
            "a master on this machine is not heard by its catchers alone: their answers do not reach it, so nobody can join",
          mend: accepting(chainOf(wall.where), ownPorts)
        }
  },
  "firewall-out": (here) => {
    const wall = wallOf(here.groupOut)
    return wall === undefined
      ? undefined
      : {
          severity: wall.severity,
          seen: `the firewall's ${wall.where} ${wall.drops} UDP that leaves for the group, port ${portIn(here)}`,
          means: "catchers hear nothing of a master on this machine",
          mend: accepting(chainOf(wall.where), portsIn(here))
        }
  },
  "firewall-length": (here) => {
    const rule = [here.groupIn, here.answersIn, here.groupOut].find((one) => one?.longerThan !== undefined)
    return rule === undefined
      ? undefined
      : {
          severity: "Hinders",
          seen: `the firewall's ${rule.where} drops packets of more than ${rule.longerThan} bytes`,
          means:
            "it measures datagrams that the kernel has glued together as one packet. So only short ones that are sent alone pass, which is several times slower, and long answers do not",
          mend: accepting(chainOf(rule.where), `{ ${portsIn(here)}, ${ownPorts} }`)
        }
  },
  deaf: (here) =>
    here.hearsItself === false && here.unsent === undefined && wallOf(here.groupIn)?.severity !== "Stops"
      ? {
          severity: isAsCatcher(here) ? "Stops" : "Hinders",
          seen: `what this machine sends to the group does not come back to it`,
          means: `something here, most often a firewall, drops UDP to port ${portIn(here)}, so a catcher on this machine hears no master`,
          mend: accepting("inet filter input", portsIn(here))
        }
      : undefined,
  "firewall-unread": (here) =>
    here.unread === undefined
      ? undefined
      : {
          severity: "Note",
          seen: `the firewall's rules could not be read (${here.unread})`,
          means: "they may drop what comes from others",
          mend: `Run "mrsync doctor" as root to see; catchers need UDP to port ${portIn(here)}, the master UDP to ports ${ownPorts}`
        },
  "reverse-path": (here) =>
    here.reversePath === "Strict" && here.others.length > 0 && isAsCatcher(here)
      ? {
          severity: "Hinders",
          seen: `the reverse path filter of ${here.interface} is strict, and there are other interfaces`,
          means: "what comes from a master whose address is reached by another interface is dropped",
          mend: `As root: sysctl -w net.ipv4.conf.${here.interface}.rp_filter=2 net.ipv4.conf.all.rp_filter=2`
        }
      : undefined,
  bridge: (here) =>
    here.bridge?.snoops === true && !here.bridge.queries
      ? {
          severity: "Hinders",
          seen: `the interface ${here.interface} is a bridge that snoops IGMP and is no querier`,
          means: "where no other machine queries, it forgets after some minutes who is in the group",
          mend: `As root: ip link set ${here.interface} type bridge mcast_querier 1`
        }
      : undefined,
  "small-buffer": (here) =>
    here.receiveBufferBytes < ampleBufferBytes
      ? {
          severity: "Hinders",
          seen: `the receive buffer is ${kib(here.receiveBufferBytes)} long`,
          means: "what comes while this machine does something else is lost and sent again",
          mend: "As root: sysctl -w net.core.rmem_max=16777216"
        }
      : undefined,
  "no-offload": (here) =>
    here.offload === undefined
      ? undefined
      : {
          severity: "Hinders",
          seen: `there is no segmentation offload (${here.offload})`,
          means: "each datagram costs a system call, which is several times slower",
          mend: "On Linux, install the optional package koffi: npm install koffi"
        },
  "small-mtu": (here) =>
    here.mtuBytes < ethernetBytes
      ? {
          severity: "Note",
          seen: `the MTU of ${here.interface} is ${here.mtuBytes} bytes`,
          means: "pages are smaller than an Ethernet frame, so there are more of them"
        }
      : undefined,
  wireless: (here) =>
    here.isWireless
      ? {
          severity: "Hinders",
          seen: `the interface ${here.interface} is Wi-Fi`,
          means: "an access point sends multicast at its lowest rate, and loses much of it",
          mend: "Use a cable, at least for the master"
        }
      : undefined
} as const satisfies Record<string, Rule>

/** What the firewall does to datagrams of every length; undefined: nothing. */
const wallOf = (rule: Firewall | undefined) =>
  rule === undefined || rule.verdict === "Passes" || rule.longerThan !== undefined
    ? undefined
    : ({
        severity: rule.verdict === "Drops" ? "Stops" : "Hinders",
        drops: drops[rule.verdict],
        where: rule.where
      } as const)

const why = {
  Asked: "as asked for",
  DefaultRoute: "that of the default route",
  OnlyOne: "the only one with an address"
} as const

const drops = { Drops: "drops", MayDrop: "may drop" } as const

/** A larger buffer helps no catcher that loses more than this. */
export const ampleBufferBytes = 1024 * 1024
const ethernetBytes = 1500

const severities: ReadonlyArray<Finding["severity"]> = ["Stops", "Hinders", "Note"]

/** What stops a session first, then what hinders it. */
export const bySeverity = (findings: ReadonlyArray<Finding>): ReadonlyArray<Finding> =>
  severities.flatMap((severity) => findings.filter((finding) => finding.severity === severity))

/** The findings of this machine. */
export const ofHere = (here: Here): ReadonlyArray<Finding> =>
  bySeverity(
    Object.entries<Rule>(rules).flatMap(([id, rule]) => {
      const said = rule(here)
      return said === undefined ? [] : [{ id, ...said }]
    })
  )

/** These only slow a session, or are told by the time-out itself. */
const noCauses: ReadonlySet<string> = new Set([
  "small-buffer",
  "no-offload",
  "wireless",
  "bridge",
  "busy",
  "unsent",
  "firewall-length"
])

/** Why nobody joined, or no master was heard, as far as this machine shows it. */
export const causes = (here: Here): ReadonlyArray<Finding> =>
  ofHere(here).filter(({ id, severity }) => severity !== "Note" && !noCauses.has(id))

/** A finding as one sentence after the other. */
export const sentenceOf = ({ means, mend, seen }: Said): string =>
  `${seen}: ${means}${mend === undefined ? "" : `. ${mend}`}`
