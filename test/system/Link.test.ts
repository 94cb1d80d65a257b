/** What /sys and /proc say of an interface, and packets of IGMP. */
import { assert, describe, it } from "@effect/vitest"
import { queryOf } from "../../src/system/Igmp.ts"
import { describe as linkOf } from "../../src/system/Link.ts"

const of = (files: Readonly<Record<string, string>>, name = "eth0") => linkOf(name, (path) => files[path])
const net = "/sys/class/net/eth0"
const filter = (one: string) => `/proc/sys/net/ipv4/conf/${one}/rp_filter`

describe("an interface", () => {
  it("of which nothing is known", () =>
    assert.deepStrictEqual(of({}), {
      ...{ multicasts: undefined, isWireless: false, reversePath: undefined, bridge: undefined }
    }))

  it("flags, also of a label of an address", () => {
    assert.isTrue(of({ [`${net}/flags`]: "0x1003\n" }, "eth0:1").multicasts)
    assert.isFalse(of({ [`${net}/flags`]: "0x91\n" }).multicasts)
  })

  it.each([
    ["0", "0", "Off"],
    ["1", "0", "Strict"],
    ["0", "1", "Strict"],
    ["1", "2", "Loose"]
  ] as const)("reverse path filter: all %s, its own %s", (all, own, expected) =>
    assert.strictEqual(of({ [filter("all")]: `${all}\n`, [filter("eth0")]: `${own}\n` }).reversePath, expected)
  )

  it("Wi-Fi is listed, and no name that begins alike", () => {
    const wireless = "Inter-| sta-|   Quality\n face | tus |\n eth01: 0000   54.\n"
    assert.isFalse(of({ "/proc/net/wireless": wireless }).isWireless)
    assert.isTrue(of({ "/proc/net/wireless": wireless.replace("eth01", "eth0") }).isWireless)
  })

  it("a bridge", () => {
    const bridge = { [`${net}/bridge/multicast_snooping`]: "1\n", [`${net}/bridge/multicast_querier`]: "0\n" }
    assert.deepStrictEqual(of(bridge).bridge, { snoops: true, queries: false })
  })
})

describe("a packet of IGMP", () => {
  const packet = (type: number, options = 1) =>
    Uint8Array.from([
      0x40 + 5 + options,
      ...Array(11).fill(0),
      10,
      0,
      0,
      254,
      224,
      0,
      0,
      1,
      ...Array(4 * options).fill(0),
      type,
      100,
      0,
      0
    ])

  it("is a query, with or without options of IP", () => {
    assert.strictEqual(queryOf(packet(0x11)), "10.0.0.254")
    assert.strictEqual(queryOf(packet(0x11, 0)), "10.0.0.254")
  })

  it("or none: a report, or too short to be one", () => {
    for (const one of [packet(0x16), new Uint8Array(0), new Uint8Array(19), packet(0x11).subarray(0, 20)])
      assert.isUndefined(queryOf(one))
  })
})
