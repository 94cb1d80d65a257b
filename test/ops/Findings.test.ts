/** Each finding: what it is seen by, and that it is seen by nothing less. */
import { assert, describe, it } from "@effect/vitest"
import * as CrowdFindings from "../../src/ops/CrowdFindings.ts"
import * as Findings from "../../src/ops/Findings.ts"
import * as Rates from "../../src/ops/Rates.ts"
import type { Crowd, Here } from "../../src/report/Diagnosis.ts"
import * as Examples from "./examples.ts"

const ids = (here: Partial<Here>) => Findings.ofHere({ ...Examples.well, ...here }).map(({ id }) => id)
const severity = (here: Partial<Here>, id: string) =>
  Findings.ofHere({ ...Examples.well, ...here }).find((finding) => finding.id === id)?.severity

describe("findings of this machine", () => {
  it("none where all is well", () => assert.deepStrictEqual(ids({}), []))

  it("each has an example, and an example has no other but notes", () => {
    assert.deepStrictEqual(Object.keys(Examples.here).toSorted(), Object.keys(Findings.rules).toSorted())
    for (const [id, here] of Object.entries(Examples.here))
      assert.deepStrictEqual(
        ids(here).filter((one) => one !== "other-interfaces" || id === one),
        [id]
      )
  })

  it("what stops a session comes first", () => {
    const all = Findings.ofHere({
      ...Examples.well,
      mtuBytes: 1400,
      receiveBufferBytes: 1,
      unsent: "no route leads there"
    })
    assert.deepStrictEqual(
      all.map((finding) => finding.severity),
      ["Stops", "Hinders", "Note"]
    )
  })

  it("a wall before the group stops a catcher, one before answers a master", () => {
    const wall = { verdict: "Drops", where: "chain input of table inet filter" } as const
    assert.deepStrictEqual(ids({ role: "Master", groupIn: wall }), [])
    assert.deepStrictEqual(ids({ role: "Catcher", answersIn: wall }), [])
    assert.strictEqual(severity({ role: "Master", hearsItself: false }, "deaf"), "Hinders")
    assert.strictEqual(severity({ role: "Catcher", hearsItself: false }, "deaf"), "Stops")
    assert.strictEqual(severity({ groupIn: { ...wall, verdict: "MayDrop" } }, "firewall-group"), "Hinders")
  })

  it("a port that push has drawn is let pass with all others that it draws from", () => {
    const mendsOf = (group: string) =>
      Findings.ofHere({ ...Examples.well, ...Examples.here["firewall-group"], group }).map(({ mend }) => mend)
    const accepting = (ports: string) => [
      `As root, with nftables: nft insert rule inet filter input udp dport ${ports} accept`
    ]
    assert.deepStrictEqual(mendsOf("239.255.1.2:8900"), accepting("8889-8952"))
    assert.deepStrictEqual(mendsOf("239.255.1.2:8888"), accepting("8888"))
  })

  it("what is not known is no finding", () =>
    assert.deepStrictEqual(ids({ multicasts: undefined, reversePath: undefined, hearsItself: undefined }), []))

  it("reasons for a wait in vain are those that keep others from being heard", () => {
    const causes = (here: Partial<Here>) => Findings.causes({ ...Examples.well, ...here }).map(({ id }) => id)
    assert.deepStrictEqual(causes(Examples.here["firewall-group"]), ["firewall-group"])
    for (const id of ["small-buffer", "other-interfaces", "no-offload", "unsent"])
      assert.deepStrictEqual(causes(Examples.here[id]), [], id)
  })
})

describe("findings of a network", () => {
  const of = (crowd: Partial<Crowd>) => CrowdFindings.ofCrowd({ ...Examples.calm, ...crowd })

  it("none where all is well", () => assert.deepStrictEqual(of({}), []))

  it("each has an example, and an example has no other", () => {
    assert.deepStrictEqual(Object.keys(Examples.crowd).toSorted(), Object.keys(CrowdFindings.rules).toSorted())
    for (const [id, crowd] of Object.entries(Examples.crowd))
      assert.deepStrictEqual(
        of(crowd).map((finding) => finding.id),
        [id]
      )
  })

  it("one that was not waited for stops nothing", () => {
    const { away = [] } = Examples.crowd["away"]
    const severities = [4, 2, undefined].map((wanted) => of({ wanted, away })[0].severity)
    assert.deepStrictEqual(severities, ["Stops", "Hinders", "Hinders"])
  })

  it("slow, because its own buffers lost datagrams: that is said, and of no link", () => {
    const { catchers = [] } = Examples.crowd["slow"]
    const [finding] = of({ catchers: [catchers[0], { ...catchers[1], dropped: 812 }] })
    assert.match(finding.means, /lost 812 datagrams: the machine is slower/)
  })

  it("no query in less than a querier's interval shows nothing", () =>
    assert.deepStrictEqual(of({ queries: { seconds: 100, count: 0 } }), []))

  it("of many catchers five are named", () => {
    const catchers = Array.from({ length: 12 }, (_, i) => ({
      ...Examples.calm.catchers[0],
      id: `c${i}`,
      takesGlued: false
    }))
    const [finding] = of({ wanted: 12, catchers })
    assert.include(finding.seen, "c0, c1, c2, c3, c4, 7 more get")
    assert.lengthOf(finding.catchers ?? [], 12)
  })
})

describe("what a catcher takes", () => {
  const taken = (...arrived: ReadonlyArray<number | undefined>) =>
    Rates.taken(arrived.map((count, i) => ({ bytesPerSecond: 10 ** (i + 6), sent: 1000, arrived: count })))

  it.each<[string, ReadonlyArray<number | undefined>, ReturnType<typeof taken>]>([
    ["all that was tried", [1000, 1000, 990], { lost: 0, bytesPerSecond: 1e8, isAll: false }],
    ["what came through of more", [1000, 1000, 300], { lost: 0, bytesPerSecond: 3e7, isAll: true }],
    ["no less than it took before", [1000, 1000, 50], { lost: 0, bytesPerSecond: 1e7, isAll: true }],
    [
      "what is lost at any rate is no sign of a narrow path",
      [900, 890, 910],
      { lost: 0.1, bytesPerSecond: 1e8, isAll: false }
    ],
    ["a step without an answer shows nothing", [1000, undefined, 1000], { lost: 0, bytesPerSecond: 1e8, isAll: false }],
    ["nothing, without any answer", [undefined], undefined]
  ])("%s", (_, arrived, expected) => {
    const { lost = 0, ...found } = taken(...arrived) ?? {}
    const { lost: expectedLost = 0, ...rest } = expected ?? {}
    assert.approximately(lost, expectedLost, 1e-9)
    assert.deepStrictEqual(found, rest)
  })

  it("rates end at the cap, and one is tried in any case", () => {
    assert.deepStrictEqual(Rates.rates(Infinity).length, 6)
    assert.deepStrictEqual(Rates.rates(13e6), [0.375e6, 1.25e6, 3.75e6, 12.5e6])
    assert.deepStrictEqual(Rates.rates(5000), [5000])
  })
})
