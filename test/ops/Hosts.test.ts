import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Hosts from "../../src/ops/Hosts.ts"

const good = <A>(parsed: Result.Result<A, string>): A => Result.getOrThrow(parsed)
const bad = (parsed: Result.Result<unknown, string>): string =>
  Result.isFailure(parsed) ? parsed.failure : assert.fail(`was taken: ${JSON.stringify(parsed.success)}`)

const hostsOf = (items: ReadonlyArray<Hosts.Item>) =>
  items.flatMap((item) => (item._tag === "Hosts" ? item.hosts : assert.fail("a file")))
const listed = (text: string) => hostsOf(good(Hosts.parse(text)))
const names = (text: string) => listed(text).map(({ host }) => host)
const host = (host: string, user?: string, port?: number): Hosts.Host => ({ host, user, port })

describe("lists", () => {
  it.each<readonly [string, ReadonlyArray<string>]>([
    ["a, b ,c.example", ["a", "b", "c.example"]],
    ["node[01-03,70]", ["node01", "node02", "node03", "node70"]],
    ["n[8-11]", ["n8", "n9", "n10", "n11"]],
    ["n[098-101]", ["n098", "n099", "n100", "n101"]],
    ["r[1-2]n[1,3].x,y", ["r1n1.x", "r1n3.x", "r2n1.x", "r2n3.x", "y"]],
    ["[1-2]a", ["1a", "2a"]],
    ["[2001:db8::7],b", ["2001:db8::7", "b"]]
  ])("%s", (text, expected) => assert.deepStrictEqual(names(text), expected))

  it("users and ports", () =>
    assert.deepStrictEqual(listed("root@n[1-2]:22,ssh://admin@c1:2222,[::1]:2200,u@d"), [
      ...[host("n1", "root", 22), host("n2", "root", 22), host("c1", "admin", 2222)],
      ...[host("::1", undefined, 2200), host("d", "u")]
    ]))

  it("a file among hosts", () =>
    assert.deepStrictEqual(good(Hosts.parse("a,@rack.txt,b")), [
      { _tag: "Hosts", hosts: [host("a")] },
      { _tag: "File", file: "rack.txt" },
      { _tag: "Hosts", hosts: [host("b")] }
    ]))

  it.each([
    ["", /at character 1 \(its end\): expected a name/],
    ["a,,b", /at character 3, ",b": expected a name/],
    ["a b", /at character 3, "b": expected a comma/],
    ["node[01-", /at character 5, "\[01-": expected a bracket that is closed/],
    ["n[1,x]", /at character 5, "x\]": expected numbers/],
    ["n[]", /expected numbers/],
    ["n[3-1]", /expected the smaller number first, as 1-3/],
    ["n[1-5000]", /at most 4096 names/],
    ["n[1-99][1-99]", /at most 4096 names/],
    ["n[1-999999999][1-999999999]", /at most 4096 names/],
    ["a:0", /at character 3, "0": expected a port/],
    ["a:65536", /expected a port/],
    ["a:b", /at character 2, ":b": expected a comma/],
    ["[::zz]", /expected an address of IPv6/],
    ["@", /expected a file's name/],
    ["é".repeat(65), /at most 128 bytes/],
    ["a\u001bb", /expected a comma/]
  ])("refuses %j", (text, expected) => assert.match(bad(Hosts.parse(text)), expected))

  it("a file: a list in each line, comments, blank lines", () => {
    const content = "# ours\na\n\n  n[1-2], b@c:22  # the old ones\r\n"
    assert.deepStrictEqual(good(Hosts.ofFile(content)), [host("a"), host("n1"), host("n2"), host("c", "b", 22)])
    assert.strictEqual(bad(Hosts.ofFile("a\nb,@more\n")), "line 2: a file of hosts names no other: @more")
    assert.match(bad(Hosts.ofFile("a\n\nb c\n")), /^line 3: at character 3/)
    const many = Array.from({ length: Limits.slots + 1 }, (_, i) => `h${i}`).join("\n")
    assert.match(bad(Hosts.ofFile(many)), /at most 4096 names/)
  })

  it("each once, and one at least", () => {
    assert.match(bad(Hosts.distinct([])), /at least one name/)
    assert.strictEqual(bad(Hosts.distinct(listed("a,n[1-3],n2"))), '"n2" is named twice: expected every name once')
    assert.match(bad(Hosts.distinct(listed("u@a:1,v@a:1"))), /"a:1" is named twice/)
    assert.strictEqual(good(Hosts.distinct(listed("a:1,a:2,a"))).length, 3)
  })

  it("hosts that share an address have their ports in their names", () =>
    assert.deepStrictEqual(
      Hosts.named(listed("a:1,a:2,b:3,[::1]:4,[::1]:5")).map(({ name }) => name),
      ["a:1", "a:2", "b", "[::1]:4", "[::1]:5"]
    ))

  it("nothing that a command would take for an option is a host", () => {
    assert.match(Hosts.whyUnreachable(host("-oProxyCommand=x")) ?? "", /no host's name/)
    assert.match(Hosts.whyUnreachable(host("a", "-l")) ?? "", /no user's name/)
    assert.match(Hosts.whyUnreachable(host("a;reboot")) ?? "", /no host's name/)
    for (const one of listed("a-b.c_d,10.0.0.1,[fe80::1%eth0],é.example")) assert.isUndefined(Hosts.whyUnreachable(one))
  })
})

describe("HOSTS:DEST", () => {
  it.each<readonly [string, number, string]>([
    ["web[01-40],admin@cache1:/srv/www/", 41, "/srv/www/"],
    ["a:dir", 1, "dir"],
    ["a:", 1, ""],
    ["a:2222", 1, "2222"],
    ["a:2222:x", 1, "x"],
    ["a:22,b:23:~/x:y", 2, "~/x:y"],
    ["[::1]:/x", 1, "/x"],
    ["[::1]:22:/x", 1, "/x"],
    [":/srv", 0, "/srv"]
  ])("%s", (text, count, destination) => {
    const split = good(Hosts.split(text))
    assert.deepStrictEqual([hostsOf(split.items).length, split.destination], [count, destination])
  })

  it("a file", () =>
    assert.deepStrictEqual(good(Hosts.split("@racks.txt,a:/srv")), {
      items: [
        { _tag: "File", file: "racks.txt" },
        { _tag: "Hosts", hosts: [host("a")] }
      ],
      destination: "/srv"
    }))

  it.each([
    ["a,b", /at character 4 \(its end\): expected a colon and DEST, for example a,b:\/srv/],
    ["a b:c", /at character 3, "b:c": expected a comma or a colon/],
    ["a,b c", /at character 5, "c": expected a comma or a colon/],
    ["fd77::2:/srv", /at character 5, "::2:\/srv": expected one colon, and an address of IPv6 in brackets/],
    [
      "a,root@2001:db8::7:/srv",
      /at character 12, ":db8::7:\/srv": expected one colon, and an address of IPv6 in brackets/
    ],
    ["a::module", /at character 2, "::module": expected one colon/]
  ])("refuses %j", (text, expected) => assert.match(bad(Hosts.split(text)), expected))
})

// ---- properties ----

const whole = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))
const pick = <A>(...all: ReadonlyArray<A>) => Arbitrary.map(whole(0, all.length - 1), (at) => all[at])
const port = Arbitrary.map(whole(-60_000, 65_535), (port) => (port < 1 ? undefined : port))
const anyHost = Arbitrary.all({
  user: pick(undefined, undefined, "root", "a.b-c_1"),
  host: pick("a", "web1", "n-7.rack.example", "10.0.0.1", "::1", "2001:db8::7", "fe80::1%eth0"),
  port
})
const printed = ({ host, port, user }: Hosts.Host) =>
  `${user === undefined ? "" : `${user}@`}${host.includes(":") ? `[${host}]` : host}${port === undefined ? "" : `:${port}`}`

const pieces = [
  "node",
  "[",
  "]",
  "1",
  "-",
  "9",
  "99999",
  ",",
  ":",
  "@",
  "22",
  "::1",
  "ssh://",
  " ",
  "é",
  "/",
  "\n",
  "#"
]
const nearly = Arbitrary.map(Arbitrary.array(whole(0, pieces.length - 1), { maxLength: 12 }), (picks) =>
  picks.map((at) => pieces[at]).join("")
)

describe("properties", () => {
  it.prop(
    "what is printed is read again, alone and before a destination",
    {
      all: Arbitrary.array(anyHost, { minLength: 1, maxLength: 8 }),
      destination: pick("", "/srv", "~/x", "a:22,b", "C:/x y", "@home", "2222")
    },
    ({ all, destination }) => {
      const text = all.map(printed).join(",")
      assert.deepStrictEqual(listed(text), all)
      const split = good(Hosts.split(`${text}:${destination}`))
      assert.deepStrictEqual([hostsOf(split.items), split.destination], [all, destination])
    },
    { arbitrary: { runs: 300 } }
  )

  it.prop(
    "a bracket is its numbers one by one, as wide as the first",
    { from: whole(0, 2000), more: whole(0, 60), width: whole(1, 6), tail: pick("", "-a", ".example") },
    ({ from, more, tail, width }) => {
      const first = String(from).padStart(width, "0")
      const expected = Array.from(
        { length: more + 1 },
        (_, i) => `n${String(from + i).padStart(first.length, "0")}${tail}`
      )
      assert.deepStrictEqual(names(`n[${first}-${from + more}]${tail}`), expected)
    }
  )

  it.prop(
    "any text is a list, or is told where it is none",
    { text: nearly },
    ({ text }) => {
      const all: ReadonlyArray<Result.Result<unknown, string>> = [
        Hosts.parse(text),
        Hosts.split(text),
        Hosts.ofFile(text)
      ]
      for (const parsed of all) {
        if (Result.isFailure(parsed)) assert.match(parsed.failure, /at character \d+|at most|names no other/)
        else if (Array.isArray(parsed.success)) assert.isAtMost(parsed.success.length, Limits.slots)
      }
    },
    { arbitrary: { runs: 500 } }
  )
})
