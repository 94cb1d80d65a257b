/** Each finding: what it is seen by, and that it is seen by nothing less. */
import { assert, describe, it } from "@effect/vitest"
import * as Findings from "../../src/ops/Findings.ts"
import type { Here } from "../../src/report/Diagnosis.ts"
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
    const all = Findings.ofHere({ ...Examples.well, mtuBytes: 1400, receiveBufferBytes: 1, hasCarrier: false })
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

  it("what is not known is no finding", () =>
    assert.deepStrictEqual(
      ids({ hasCarrier: undefined, multicasts: undefined, reversePath: undefined, hearsItself: undefined }),
      []
    ))

  it("reasons for a wait in vain are those that keep others from being heard", () => {
    const causes = (here: Partial<Here>) => Findings.causes({ ...Examples.well, ...here }).map(({ id }) => id)
    assert.deepStrictEqual(causes(Examples.here["firewall-group"]), ["firewall-group"])
    for (const id of ["small-buffer", "other-interfaces", "no-offload", "unsent"])
      assert.deepStrictEqual(causes(Examples.here[id]), [], id)
  })
})
