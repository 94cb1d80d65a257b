/** An observation for each finding: what it is about, on a machine where all else is well. */
import * as Findings from "../../src/ops/Findings.ts"
import type { Finding, Here } from "../../src/report/Diagnosis.ts"

const passes = { verdict: "Passes", where: "" } as const

/** A machine without any finding. */
export const well: Here = {
  ...{
    group: "239.255.67.92:8888",
    role: "Either",
    interface: "eth0",
    address: "10.0.0.1",
    why: "OnlyOne",
    others: []
  },
  ...{ mtuBytes: 1500, isLoopback: false, isWireless: false, hasCarrier: true, multicasts: true },
  ...{ reversePath: "Loose", receiveBufferBytes: 32 * 1024 * 1024, hearsItself: true },
  ...{ groupIn: passes, answersIn: passes, groupOut: passes }
}

const input = "chain input of table inet filter"

/** What differs from a machine where all is well, by the finding's id. */
export const here: Readonly<Record<string, Partial<Here>>> = {
  "no-carrier": { hasCarrier: false },
  loopback: { interface: "lo", address: "127.0.0.1", isLoopback: true, multicasts: false },
  "no-multicast": { interface: "tun0", multicasts: false },
  "other-interfaces": { why: "DefaultRoute", others: ["eth1 (10.1.0.1)"] },
  unsent: { unsent: "no route leads there (ENETUNREACH)", hearsItself: false },
  busy: { otherMaster: "10.0.0.7:41234" },
  "firewall-group": { groupIn: { verdict: "Drops", where: input }, hearsItself: false },
  "firewall-answers": { answersIn: { verdict: "Drops", where: input } },
  "firewall-out": { groupOut: { verdict: "MayDrop", where: "chain output of table inet filter" } },
  deaf: { hearsItself: false },
  "firewall-unread": { unread: "nft: Operation not permitted (you must be root)" },
  "reverse-path": { reversePath: "Strict", others: ["eth1 (10.1.0.1)"] },
  bridge: { interface: "br0", bridge: { snoops: true, queries: false } },
  "small-buffer": { receiveBufferBytes: 212_992 },
  "no-offload": { offload: "koffi cannot be loaded" },
  "small-mtu": { mtuBytes: 1400 },
  wireless: { interface: "wlan0", isWireless: true }
}

const capital = (text: string): string => text.replace(/^\S/, (first) => first.toUpperCase())

/** A finding as docs/doctor.md has it. */
const quoted = ({ id, means, mend, seen, severity }: Finding): string =>
  [
    `### ${id}`,
    `*${severity}.* ${capital(seen)}.`,
    `${capital(means)}.`,
    ...(mend === undefined ? [] : [`${capital(mend)}.`])
  ].join("\n\n")

/** All findings, as docs/doctor.md quotes them. */
export const all = [
  {
    title: "This machine",
    findings: Object.entries(here).flatMap(([id, about]) =>
      Findings.ofHere({ ...well, ...about })
        .filter((finding) => finding.id === id)
        .map(quoted)
    )
  }
]
