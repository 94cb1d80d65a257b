import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Interfaces from "../../src/system/Interfaces.ts"

const lo = { name: "lo", address: "127.0.0.1", mtuBytes: 65_536, loopback: true }
const eth = { name: "eth0", address: "10.1.0.5", mtuBytes: 1500, loopback: false }
const second = { name: "eth0", address: "10.2.0.5", mtuBytes: 1500, loopback: false }
const wifi = { name: "wlan0", address: "10.3.0.5", mtuBytes: 1400, loopback: false }

const machine = (some: Partial<Interfaces.Inventory>): Interfaces.Inventory => ({
  interfaces: [lo, eth, second, wifi],
  names: ["lo", "eth0", "wlan0", "tun0"],
  defaults: ["eth0"],
  ...some
})

const chosen = (wanted: string | undefined, some: Partial<Interfaces.Inventory> = {}) =>
  Result.getOrThrow(Interfaces.select(wanted, machine(some)))

const refused = (wanted: string | undefined, some: Partial<Interfaces.Inventory> = {}) =>
  Result.getOrThrow(Result.flip(Interfaces.select(wanted, machine(some))))

describe("where an interface is now", () => {
  const before: Interfaces.Place = { name: "eth0", address: "10.1.0.5", mtuBytes: 1500, index: 4 }
  const numbers: Record<string, number> = { lo: 1, eth0: 4, wlan0: 7 }
  const next = (
    wanted: string | undefined,
    some: Partial<Interfaces.Inventory> = {},
    isHearing = false,
    numberOf = (name: string) => numbers[name] ?? 0
  ) => Interfaces.selectNext(wanted, before, isHearing, machine(some), numberOf)
  const fresh = { ...eth, address: "10.1.0.9" }

  it("stays, also when another address comes first", () => {
    for (const wanted of [undefined, "eth0", "10.1.0.5"]) {
      assert.strictEqual(next(wanted), before)
      assert.strictEqual(next(wanted, { interfaces: [lo, fresh, eth] }), before)
    }
  })

  it("that was asked for by name has another address or number; by address, another interface", () => {
    assert.strictEqual(next("eth0", { interfaces: [lo, fresh] })?.address, "10.1.0.9")
    assert.strictEqual(next("eth0", {}, true, () => 9)?.index, 9)
    const moved = next("10.1.0.5", { interfaces: [lo, { ...wifi, address: "10.1.0.5" }] })
    assert.deepInclude(moved, { name: "wlan0", address: "10.1.0.5", index: 7 })
    assert.isUndefined(next("eth0", { interfaces: [lo, wifi] }))
    assert.isUndefined(next("10.1.0.5", { interfaces: [lo, fresh] }))
  })

  it("of the default route is that of the default route by now, unless something arrives where we are", () => {
    assert.strictEqual(next(undefined, { defaults: ["wlan0"] })?.name, "wlan0")
    assert.strictEqual(next(undefined, { defaults: ["wlan0"] }, true), before)
    assert.strictEqual(next(undefined, { defaults: ["wlan0"], interfaces: [lo, wifi] }, true)?.name, "wlan0")
    assert.strictEqual(next(undefined, { defaults: ["eth0", "wlan0"] }), before)
  })

  it("its number is in the table of memberships, by the interface's own name", () => {
    const table = [
      "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter",
      "1\tlo        :     1      V3",
      "\t\t\t\t010000E0     1 0:00000000\t\t0",
      "12\teth0      :     2      V3",
      "\t\t\t\t5C43FFEF     1 0:00000000\t\t1"
    ].join("\n")
    assert.deepStrictEqual(
      ["lo", "eth0", "eth0:1", "eth", "eth1"].map((name) => Interfaces.numberIn(table, name)),
      [1, 12, 12, 0, 0]
    )
  })
})

describe("Interfaces", () => {
  it("takes the interface of the default route, with its first address", () => {
    assert.deepStrictEqual(chosen(undefined), { name: "eth0", address: "10.1.0.5", mtuBytes: 1500 })
    assert.deepStrictEqual(chosen(undefined, { defaults: ["wlan0"] }).name, "wlan0")
  })

  it("takes what is asked for, by name or by address, and the loopback interface only so", () => {
    assert.strictEqual(chosen("wlan0").address, "10.3.0.5")
    assert.deepStrictEqual(chosen("10.2.0.5"), { name: "eth0", address: "10.2.0.5", mtuBytes: 1500 })
    assert.strictEqual(chosen("lo").address, "127.0.0.1")
    assert.strictEqual(chosen("127.0.0.1").mtuBytes, 65_536)
    assert.match(refused(undefined, { defaults: ["lo"] }).message, /default route's interface lo/)
    assert.match(refused(undefined, { interfaces: [lo], defaults: undefined }).message, /no default route/)
  })

  it("lists what there is when there is no default route, or several", () => {
    const list = "use --interface NAME with one of: lo (127.0.0.1), eth0 (10.1.0.5), eth0 (10.2.0.5), wlan0 (10.3.0.5)"
    const none = refused(undefined, { defaults: [] }).message
    const several = refused(undefined, { defaults: ["eth0", "wlan0"] }).message
    assert.strictEqual(none, `there are several ways out (eth0, wlan0); ${list}`)
    assert.strictEqual(several, `there are several ways out (eth0, wlan0); ${list}`)
    assert.strictEqual(refused("eth7").message, `no interface has the name or the IPv4 address eth7; ${list}`)
  })

  it("says of an interface that it has no IPv4 address", () => {
    const error = refused("tun0")
    assert.match(error.message, /^the interface tun0 has no IPv4 address/)
    assert.include(error.usable, "wlan0 (10.3.0.5)")
    assert.match(refused(undefined, { defaults: ["tun0"] }).message, /default route's interface tun0 has no IPv4/)
    assert.match(refused("tun0", { interfaces: [] }).message, /no interface that is up/)
  })

  it("without a default route takes the only way out", () => {
    assert.strictEqual(chosen(undefined, { interfaces: [lo, wifi], defaults: [] }).name, "wlan0")
    assert.strictEqual(chosen(undefined, { interfaces: [lo, wifi], defaults: undefined }).name, "wlan0")
    assert.match(refused(undefined, { defaults: undefined }).message, /several ways out \(eth0, wlan0\)/)
  })

  it("reads default routes from Linux's table", () => {
    const table = [
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
      "eth0\t00000000\t0102000A\t0003\t0\t0\t100\t00000000\t0\t0\t0",
      "eth0\t00000000\t0202000A\t0003\t0\t0\t200\t00000000\t0\t0\t0",
      "wlan0\t00000000\t0103000A\t0002\t0\t0\t600\t00000000\t0\t0\t0",
      "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0",
      "tun1\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0",
      "eth1\t0003000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
      "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0",
      ""
    ].join("\n")
    assert.deepStrictEqual(Interfaces.defaultRoutes(table), ["eth0", "ppp0"])
    assert.deepStrictEqual(Interfaces.defaultRoutes(""), [])
  })

  it.effect("finds this machine's loopback interface when asked", () =>
    Effect.gen(function* () {
      const found = yield* Interfaces.resolve("127.0.0.1")
      assert.strictEqual(found.address, "127.0.0.1")
      assert.isAtLeast(found.mtuBytes, 1500)
      assert.deepStrictEqual(yield* Interfaces.resolve(found.name), found)
      const error = yield* Effect.flip(Interfaces.resolve("no-such-interface"))
      assert.strictEqual(error._tag, "InterfaceError")
      assert.include(error.usable, `${found.name} (127.0.0.1)`)
    })
  )
})

describe("an interface whose cable is unplugged", () => {
  const some = { interfaces: [lo, wifi], unplugged: ["eth0"] }
  it("is told as such, where it was asked for and where the default route leads to it", () => {
    for (const wanted of ["eth0", undefined])
      assert.include(refused(wanted, some).reason, "eth0 has no carrier: its cable is unplugged")
    assert.include(refused("tun0", some).reason, "has no IPv4 address, or is down")
  })
})
