/** Option values: what they mean, and what is said of those that mean nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Parse from "../../src/cli/Parse.ts"
import * as Limits from "../../src/protocol/Limits.ts"

const good = <A>(result: Result.Result<A, string>): A => {
  if (Result.isFailure(result)) throw new Error(result.failure)
  return result.success
}

const bad = (result: Result.Result<unknown, string>): string => {
  if (Result.isSuccess(result)) throw new Error(`accepted as ${JSON.stringify(result.success)}`)
  return result.failure
}

describe("group", () => {
  it.each([
    ["239.255.67.92", { group: "239.255.67.92", port: 8888 }],
    ["224.0.0.0:1", { group: "224.0.0.0", port: 1 }],
    ["239.255.255.255:65535", { group: "239.255.255.255", port: 65_535 }]
  ])("%s", (text, expected) => assert.deepStrictEqual(good(Parse.group(text)), expected))

  it.each([
    ["", /multicast IPv4 address/],
    ["somewhere", /multicast IPv4 address/],
    ["239.1.2", /multicast IPv4 address/],
    ["ff02::1", /multicast IPv4 address/],
    ["239.1.2.256", /IPv4 address/],
    ["10.0.0.1", /no multicast address: expected one from 224/],
    ["240.0.0.1:8888", /no multicast address/],
    ["239.1.2.3:", /port from 1 to 65535/],
    ["239.1.2.3:0", /port from 1 to 65535/],
    ["239.1.2.3:65536", /port from 1 to 65535/],
    ["239.1.2.3:1e3", /port from 1 to 65535/]
  ])("refuses %s", (text, expected) => assert.match(bad(Parse.group(text)), expected))
})

describe("where a page is served", () => {
  it.each([
    ["", { host: "127.0.0.1", port: 0 }],
    ["localhost", { host: "127.0.0.1", port: 0 }],
    ["8080", { host: "127.0.0.1", port: 8080 }],
    [":8080", { host: "127.0.0.1", port: 8080 }],
    ["localhost:8080", { host: "127.0.0.1", port: 8080 }],
    ["0.0.0.0:80", { host: "0.0.0.0", port: 80 }],
    ["10.0.0.1", { host: "10.0.0.1", port: 0 }],
    ["10.0.0.1:0", { host: "10.0.0.1", port: 0 }],
    ["[::1]:8080", { host: "::1", port: 8080 }]
  ])("%s", (text, expected) => assert.deepStrictEqual(good(Parse.listening(text)), expected))

  it.each(["somewhere", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:x", "239.1.2.3:80", "::1:80", "1.2.3.4:5:6", "site/"])(
    "refuses %s",
    (text) => assert.match(bad(Parse.listening(text)), /^expected an address of this machine and a port, for example/)
  )
})

describe("speed", () => {
  it.each([
    ["1", 1],
    ["0.5", 0.5],
    ["10x", 10]
  ])("%s", (text, expected) => assert.strictEqual(good(Parse.speed(text)), expected))

  it.each(["0", "-1", "fast", "1001", ""])("refuses %s", (text) =>
    assert.match(bad(Parse.speed(text)), /^expected a number from 0.1 to 1000/)
  )
})

describe("rate", () => {
  it.each([
    ["500mbit", 62_500_000],
    ["500Mbit/s", 62_500_000],
    ["1.5gbit", 187_500_000],
    ["800kbit", 100_000],
    ["800000bits", 100_000],
    ["60MB", 60_000_000],
    ["60MB/s", 60_000_000],
    ["60mB", 60_000_000],
    ["10MiB", 10_485_760],
    ["10mib", undefined],
    ["1 GB", 1_000_000_000],
    ["2M", 2_000_000],
    ["2Ki", 2048],
    ["125000", 125_000],
    ["1000B", 1000]
  ])("%s", (text, expected) => {
    if (expected === undefined) assert.match(bad(Parse.rate(text)), /bits or bytes/)
    else assert.strictEqual(good(Parse.rate(text)), expected)
  })

  it.each([
    ["", /expected a rate/],
    ["fast", /expected a rate/],
    ["-5MB", /expected a rate/],
    ["1e9", /expected a rate/],
    ["5TB", /expected a rate/],
    ["60mbps", /expected a rate/],
    ["60Mb", /"b" could be bits or bytes/],
    ["0", /at least 1000 bytes per second/],
    ["7999bit", /at least 1000 bytes per second/],
    ["99999999999GB", /smaller rate/]
  ])("refuses %s", (text, expected) => assert.match(bad(Parse.rate(text)), expected))
})

describe("numbers", () => {
  it.each([
    ["30", 30_000],
    ["2.5", 2500],
    [".25", 250],
    ["0.0001", 1],
    ["1000000", 1_000_000_000]
  ])("%s seconds", (text, expected) => assert.strictEqual(good(Parse.seconds(text)), expected))

  it.each(["0", "-1", "", "1e3", "Infinity", "10s", "1000001"])("refuses %j seconds", (text) =>
    assert.match(bad(Parse.seconds(text)), /expected seconds, more than 0/)
  )

  it("bounds", () => {
    assert.strictEqual(good(Parse.catchers("4096")), 4096)
    assert.match(bad(Parse.catchers("0")), /from 1 to 4096/)
    assert.match(bad(Parse.catchers("4097")), /from 1 to 4096/)
    assert.match(bad(Parse.catchers("two")), /from 1 to 4096/)
    assert.strictEqual(good(Parse.ttl("0")), 0)
    assert.strictEqual(good(Parse.ttl("255")), 255)
    assert.match(bad(Parse.ttl("256")), /from 0 to 255/)
    assert.strictEqual(good(Parse.pageBytes("512")), 512)
    assert.match(bad(Parse.pageBytes("511")), /from 512 to/)
    assert.match(bad(Parse.pageBytes(String(Limits.maxPageBytes + 1))), /from 512 to/)
    assert.strictEqual(good(Parse.loss("0.5")), 0.5)
    assert.match(bad(Parse.loss("51")), /from 0 to 50/)
  })
})

describe("the page of a session", () => {
  const network = (mtuBytes: number) => ({ name: "eth9", mtuBytes })

  it("is what an Ethernet frame leaves, or the interface's MTU where that is smaller", () => {
    assert.strictEqual(good(Parse.pageFor(undefined, network(1500))), 1432)
    assert.strictEqual(good(Parse.pageFor(undefined, network(65_536))), 1432)
    assert.strictEqual(good(Parse.pageFor(undefined, network(1400))), 1332)
  })

  it("may be larger on jumbo frames when asked for, and never makes fragments", () => {
    assert.strictEqual(good(Parse.pageFor(8900, network(9000))), 8900)
    assert.match(bad(Parse.pageFor(1433, network(1500))), /at most 1432: the MTU of eth9 is 1500.*fragments/)
    assert.strictEqual(good(Parse.pageFor(Limits.maxPageBytes, network(65_536))), 65_467)
    assert.match(bad(Parse.pageFor(Limits.maxPageBytes + 1, network(65_536))), /at most 65467/)
    assert.match(bad(Parse.pageFor(undefined, network(576))), /leaves less than 512 bytes/)
  })
})

describe("sizes of files, as rsync has them", () => {
  it.each([
    ["0", 0],
    ["10b", 10],
    ["1.5K", 1536],
    ["1kib", 1024],
    ["2KB", 2000],
    ["2K-1", 2047],
    ["1MB+1", 1_000_001],
    [".5k", 512],
    ["1g", 1024 ** 3],
    ["2T", 2 * 1024 ** 4],
    ["1p", 1024 ** 5]
  ])("%s", (text, bytes) => assert.strictEqual(good(Parse.fileSize(text)), bytes))

  it.each(["", "-1", "1x", "1KB+2", "0-1", "10bb", "9000p", "K"])("refuses %j", (text) =>
    assert.match(bad(Parse.fileSize(text)), /expected a size/)
  )
})

describe("sizes and delays", () => {
  it.each([
    ["32MiB", 32 * 1024 * 1024],
    ["1.5MB", 1_500_000],
    ["700 kB", 700_000],
    ["100", 100],
    ["0", 0],
    ["1Gi", 1024 ** 3]
  ])("%s is %d bytes", (text, bytes) => assert.strictEqual(good(Parse.size(text)), bytes))
  it.each(["", "-1", "5TB", "1.1GiB", "10mbit", "x"])("refuses %j bytes", (text) =>
    assert.match(bad(Parse.size(text)), /for example 32MiB/)
  )
  it.each([
    ["0", 0],
    ["0.2", 0.2],
    ["2000", 2000]
  ])("%s is %d ms", (text, millis) => assert.strictEqual(good(Parse.delay(text)), millis))
  it.each(["", "-1", "2001", "1s"])("refuses %j ms", (text) => assert.match(bad(Parse.delay(text)), /from 0 to 2000/))
})
