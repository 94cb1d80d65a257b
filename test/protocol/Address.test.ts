/** Addresses of both families: printed in one way, parsed back, and nothing else taken for one. */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as Net from "node:net"
import * as Address from "../../src/protocol/Address.ts"

const whole = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

const bytes = (length: number, of: Arbitrary.Arbitrary<number>) =>
  Arbitrary.map(Arbitrary.array(of, { minLength: length, maxLength: length }), (all) => Uint8Array.from(all))

// many zeros, so that runs of them are as long as they may be
const anyByte = Arbitrary.map(whole(-400, 255), (byte) => Math.max(0, byte))
const scopes = [undefined, undefined, "eth0", "7", "br-lan.100", "eth0:1"]
const anyIp: Arbitrary.Arbitrary<Address.Ip> = Arbitrary.map(
  Arbitrary.all({ isIp4: whole(0, 1), four: bytes(4, whole(0, 255)), sixteen: bytes(16, anyByte), scope: whole(0, 5) }),
  ({ four, isIp4, scope, sixteen }) => {
    if (isIp4 === 1) return { bytes: four }
    const name = scopes[scope]
    return name === undefined ? { bytes: sixteen } : { bytes: sixteen, scope: name }
  }
)

// texts that look like addresses
const pieces = [..."0123456789afx:.%[]/ -", "::", "255", "256", "1.2.3.4", "ffff", "%eth0", "10000"]
const nearly = Arbitrary.map(Arbitrary.array(whole(0, pieces.length - 1), { maxLength: 14 }), (picks) =>
  picks.map((at) => pieces[at]).join("")
)

describe("an address", () => {
  it.prop(
    "that was printed is parsed as it was, with and without a port",
    { ip: anyIp, port: whole(1, 65_535) },
    ({ ip, port }) => {
      assert.deepStrictEqual(Address.parseIp(Address.printIp(ip)), ip)
      const text = Address.print({ ip, port })
      assert.deepStrictEqual(Address.parse(text), { ip, port })
      assert.strictEqual(Address.portOf(text), port)
      assert.isTrue(Address.isSameHost(text, Address.print({ ip, port: 9 })))
    },
    { arbitrary: { runs: 500 } }
  )

  it.prop(
    "is what the system takes for one, but for scopes, and the system reads it alike",
    { ip: anyIp, nearly },
    ({ ip, nearly }) => {
      const { bytes } = ip
      for (const text of [nearly, Address.printIp({ bytes }), `${Address.printIp({ bytes })}${nearly}`]) {
        if (text.includes("%")) continue
        const parsed = Address.parseIp(text)
        assert.strictEqual(parsed === undefined ? 0 : parsed.bytes.length === 4 ? 4 : 6, Net.isIP(text), text)
        if (parsed === undefined) continue
        const { address } = new Net.SocketAddress({ address: text, family: Address.isIp4(parsed) ? "ipv4" : "ipv6" })
        const again = Address.parseIp(address)
        assert.deepStrictEqual(again, parsed)
      }
    },
    { arbitrary: { runs: 2000 } }
  )

  it.each([
    ["1.2.3.4", "1.2.3.4"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:db8::0:1", "2001:db8::1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["::0001", "::1"],
    // one group of zeros stays, of two runs that are alike the first goes
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:1:1", "2001::1:0:0:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::ffff:102:304", "::ffff:1.2.3.4"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["FE80::1%eth0", "fe80::1%eth0"]
  ])("%s is written %s", (text, written) => assert.strictEqual(Address.printIp(Address.parseIp(text)!), written))

  it.each([
    ...[
      "",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.256",
      "01.2.3.4",
      "1.2.3.4 ",
      "1.2.3.-4",
      "1.2.3.4%eth0",
      "0x1.2.3.4",
      "١.2.3.4"
    ],
    ...[":", ":::", "1::2::3", "12345::", "::g", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::"],
    ...["1.2.3.4::", "::1.2.3.4:5", "::1.2.3", "[::1]", "::1%", "::1%a%b", "::1%a b", "::1%a/b", "::1%0123456789abcdef"]
  ])("%s is none", (text) => assert.isUndefined(Address.parseIp(text)))

  it.each([
    ...["1.2.3.4", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:05", "1.2.3.4:+5", "1.2.3.4:5:6", ":5", "host:5"],
    ...["::1:5", "[::1]", "[::1]:", "[::1]:0", "[::1", "[1.2.3.4]:5", "[]:5", "[[::1]]:5"]
  ])("%s has no host and port", (text) => assert.isUndefined(Address.parse(text)))
})

describe("what an address stands for", () => {
  it.each([
    ["0.0.0.0", "Unspecified"],
    ["0.255.1.1", "Unspecified"],
    ["126.255.255.255", "Unicast"],
    ["127.0.0.1", "Loopback"],
    ["169.253.0.1", "Unicast"],
    ["169.254.0.1", "LinkLocal"],
    ["223.255.255.255", "Unicast"],
    ["224.0.0.0", "Multicast"],
    ["239.255.255.255", "Multicast"],
    ["240.0.0.0", "Reserved"],
    ["255.255.255.255", "Reserved"],
    ["::", "Unspecified"],
    ["::1", "Loopback"],
    ["::2", "Unicast"],
    ["2001:db8::1", "Unicast"],
    ["fe7f::1", "Unicast"],
    ["fe80::1%eth0", "LinkLocal"],
    ["febf::1", "LinkLocal"],
    ["fec0::1", "Unicast"],
    ["ff02::1", "Multicast"],
    ["::ffff:224.0.0.1", "Multicast"],
    ["::ffff:127.0.0.1", "Loopback"]
  ])("%s: %s", (text, kind) => assert.strictEqual(Address.kindOf(Address.parseIp(text)!), kind))

  it.each([
    ["1.2.3.4:5", true],
    ["169.254.0.1:5", true],
    ["127.0.0.1:5", true],
    ["0.1.2.3:5", false],
    ["224.0.0.1:5", false],
    ["255.255.255.255:5", false],
    ["[2001:db8::1]:5", true],
    ["[fe80::1%eth0]:5", true],
    ["[fe80::1]:5", false],
    ["[ff02::1%eth0]:5", false],
    ["[::]:5", false],
    ["[::ffff:255.255.255.255]:5", false]
  ])("a datagram from %s can be answered: %s", (text, isAnswerable) => {
    const { ip, port } = Address.parse(text)!
    assert.strictEqual(Address.isAnswerable({ ip, port }), isAnswerable)
    assert.strictEqual(Address.sourceOf(ip, port), isAnswerable ? text : "")
    assert.strictEqual(Address.sourceOf(ip, 0), "")
  })
})
