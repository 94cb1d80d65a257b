/** An observation for each finding: what it is about, on a machine where all else is well. */
import * as CrowdFindings from "../../src/ops/CrowdFindings.ts"
import * as Findings from "../../src/ops/Findings.ts"
import type { Clock, Crowd, Finding, Here, There } from "../../src/report/Diagnosis.ts"

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
  ...{ mtuBytes: 1500, isLoopback: false, isWireless: false, multicasts: true },
  ...{ reversePath: "Loose", receiveBufferBytes: 32 * 1024 * 1024, hearsItself: true },
  ...{ groupIn: passes, answersIn: passes, groupOut: passes }
}

const input = "chain input of table inet filter"

/** What differs from a machine where all is well, by the finding's id. */
export const here: Readonly<Record<string, Partial<Here>>> = {
  loopback: { interface: "lo", address: "127.0.0.1", isLoopback: true, multicasts: false },
  "no-multicast": { interface: "tun0", multicasts: false },
  "other-interfaces": { why: "DefaultRoute", others: ["eth1 (10.1.0.1)"] },
  unsent: { unsent: "no route leads there (ENETUNREACH)", hearsItself: false },
  busy: { otherMaster: "10.0.0.7:41234" },
  "firewall-group": { groupIn: { verdict: "Drops", where: input }, hearsItself: false },
  "firewall-answers": { answersIn: { verdict: "Drops", where: input } },
  "firewall-out": { groupOut: { verdict: "MayDrop", where: "chain output of table inet filter" } },
  "firewall-length": { answersIn: { verdict: "Drops", where: input, longerThan: 1000 } },
  deaf: { hearsItself: false },
  "firewall-unread": { unread: "nft: Operation not permitted (you must be root)" },
  "reverse-path": { reversePath: "Strict", others: ["eth1 (10.1.0.1)"] },
  bridge: { interface: "br0", bridge: { snoops: true, queries: false } },
  "small-buffer": { receiveBufferBytes: 212_992 },
  "no-offload": { offload: "koffi cannot be loaded" },
  "small-mtu": { mtuBytes: 1400 },
  wireless: { interface: "wlan0", isWireless: true }
}

const step = (megabits: number, sent: number, arrived: number | undefined) => ({
  ...{ bytesPerSecond: (megabits * 1e6) / 8, sent, arrived }
})

const catcher = (id: string, more: Partial<There> = {}): There => ({
  ...{ id, address: `10.0.0.${id.slice(1)}:40000`, receiveBufferBytes: 32 * 1024 * 1024, takesGlued: true },
  ...{ wantedPacketBytes: 1484, packetBytes: 1484, asked: 3, answered: 3, dropped: 0 },
  steps: [step(10, 400, 400), step(100, 2000, 2000), step(1000, 20_000, 20_000)],
  ...more
})

/** A network without any finding. */
export const calm: Crowd = { wanted: 2, waitedMillis: 300, catchers: [catcher("c1"), catcher("c2")], away: [] }

const second = (more: Partial<There>): Partial<Crowd> => ({ catchers: [catcher("c1"), catcher("c2", more)] })
const clock = (more: Partial<Clock> = {}): Clock => ({
  ...{ seconds: 300, sent: 4800, arrived: 4800, worstSecond: 1, worstLost: 0, ...more }
})
const silent = clock({ arrived: 4176, silentFromSecond: 262, worstSecond: 262, worstLost: 1 })

/** What differs from a network where all is well, by the finding's id. */
export const crowd: Readonly<Record<string, Partial<Crowd>>> = {
  nobody: { catchers: [], waitedMillis: 30_000 },
  away: {
    ...{ wanted: 4, waitedMillis: 30_000 },
    away: [
      { id: "c2", address: "10.0.0.9:40000", reason: "a catcher that is still there has its name" },
      { id: "c4", reason: "it did not come" }
    ]
  },
  "too-few": { wanted: 12, waitedMillis: 30_000 },
  mute: second({ steps: [step(10, 400, undefined)], asked: 6, answered: 0 }),
  "no-page": second({ steps: [step(10, 400, 0)] }),
  narrow: second({ packetBytes: 1400, tooLongPacketBytes: 1401 }),
  "by-length": second({ packetBytes: 1000, tooLongPacketBytes: 1001, takesGlued: false }),
  "long-answers": second({ answerPacketBytes: 1000 }),
  "not-glued": second({ takesGlued: false }),
  loss: second({ steps: [step(10, 400, 380), step(100, 2000, 1900), step(1000, 20_000, 19_000)] }),
  "answers-lost": second({ asked: 11, answered: 3 }),
  slow: second({ steps: [step(10, 400, 400), step(100, 2000, 1900), step(1000, 20_000, 1900)] }),
  "small-buffer-there": second({ receiveBufferBytes: 212_992 }),
  "stops-forwarding": { catchers: [catcher("c1", { clock: silent }), catcher("c2", { clock: silent })] },
  silenced: { catchers: [catcher("c1", { clock: clock() }), catcher("c2", { clock: silent })] },
  bursts: second({ clock: clock({ arrived: 4788, worstSecond: 30, worstLost: 0.75 }) }),
  "no-querier": { queries: { seconds: 301, count: 0 } },
  slowest: second({ steps: [step(10, 400, 400), step(100, 2000, 2000), step(1000, 20_000, 14_000)] })
}

const capital = (text: string): string => text.replace(/^\S/, (first) => first.toUpperCase())

/** A finding as docs/doctor.md has it. */
const quoted = ({ id, means, mend, seen, severity }: Finding): string =>
  [
    `#### ${id}`,
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
  },
  {
    title: "The catchers, and the way to them",
    findings: Object.entries(crowd).flatMap(([id, about]) =>
      CrowdFindings.ofCrowd({ ...calm, ...about })
        .filter((finding) => finding.id === id)
        .map(quoted)
    )
  }
]
