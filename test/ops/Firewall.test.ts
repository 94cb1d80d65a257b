/** What nft and iptables-save print, and what becomes of the datagrams of a session by it. */
import { assert, describe, it } from "@effect/vitest"
import { judge, rulesOf } from "../../src/ops/Firewall.ts"
import { ofIptables, ofNft } from "../../src/ops/Rules.ts"

type Packet = Parameters<typeof judge>[0]

const group: Packet = { hook: "input", interface: "eth0", to: "239.255.67.92", toPort: 8888, isMulticast: true }
const answer: Packet = { hook: "input", interface: "eth0", to: "10.0.0.1", toPort: 46_000, isMulticast: false }
const out: Packet = { ...group, hook: "output", from: "10.0.0.1" }

const chain = (more: object) => ({ chain: { family: "inet", table: "filter", name: "input", ...more } })
const base = (policy: string, hook = "input") => chain({ type: "filter", hook, prio: 0, policy })
const rule = (...expr: ReadonlyArray<object>) => ({ rule: { family: "inet", table: "filter", chain: "input", expr } })
const is = (left: object, right: unknown, op = "==") => ({ match: { op, left, right } })
const dport = { payload: { protocol: "udp", field: "dport" } }
const saddr = { payload: { protocol: "ip", field: "saddr" } }
const state = { ct: { key: "state" } }
const [accept, drop] = [{ accept: null }, { drop: null }]
const nft = (...objects: ReadonlyArray<object>) => ofNft(JSON.stringify({ nftables: [{ metainfo: {} }, ...objects] }))

describe("rules of nftables", () => {
  const verdicts = (...objects: ReadonlyArray<object>) =>
    [group, answer, out].map((packet) => judge(packet, nft(...objects)).verdict)

  it.each<[string, ReadonlyArray<object>, ReadonlyArray<string>]>([
    ["no rules", [], ["Passes", "Passes", "Passes"]],
    ["a policy", [base("drop")], ["Drops", "Drops", "Passes"]],
    ["a policy on what leaves", [base("drop", "output")], ["Passes", "Passes", "Drops"]],
    [
      "a chain that is none of filters",
      [chain({ type: "nat", hook: "input", policy: "drop" })],
      ["Passes", "Passes", "Passes"]
    ],
    ["the port is open", [base("drop"), rule(is(dport, 8888), accept)], ["Passes", "Drops", "Passes"]],
    [
      "a set of ports",
      [base("drop"), rule(is(dport, { set: [1, { range: [32768, 60999] }] }), accept)],
      ["Drops", "Passes", "Passes"]
    ],
    ["all but a port", [base("accept"), rule(is(dport, 8888, "!="), drop)], ["Passes", "Drops", "Passes"]],
    [
      "only connections",
      [base("drop"), rule(is(state, ["established", "related"], "in"), accept)],
      ["Drops", "Drops", "Passes"]
    ],
    [
      "a map of states",
      [
        base("accept"),
        rule({
          vmap: {
            key: state,
            data: {
              set: [
                ["established", accept],
                ["new", drop]
              ]
            }
          }
        })
      ],
      ["Drops", "Drops", "Passes"]
    ],
    [
      "another interface",
      [base("drop"), rule(is({ meta: { key: "iifname" } }, "lo"), accept)],
      ["Drops", "Drops", "Passes"]
    ],
    [
      "another protocol",
      [base("accept"), rule(is({ payload: { protocol: "tcp", field: "dport" } }, 8888), drop)],
      ["Passes", "Passes", "Passes"]
    ],
    [
      "multicast",
      [base("drop"), rule(is({ meta: { key: "pkttype" } }, "multicast"), accept)],
      ["Passes", "Drops", "Passes"]
    ],
    [
      "senders that nobody knows",
      [base("drop"), rule(is(saddr, { prefix: { addr: "10.0.0.0", len: 8 } }), accept)],
      ["MayDrop", "MayDrop", "Passes"]
    ],
    [
      "by chance",
      [base("accept"), rule(is({ numgen: { mode: "random" } }, 1, "<"), drop)],
      ["MayDrop", "MayDrop", "Passes"]
    ],
    [
      "logged and counted",
      [base("accept"), rule({ counter: {} }, { log: {} }, { reject: {} })],
      ["Drops", "Drops", "Passes"]
    ],
    [
      "a chain that is called",
      [
        base("drop"),
        { chain: { family: "inet", table: "filter", name: "own" } },
        rule({ jump: { target: "own" } }),
        { rule: { family: "inet", table: "filter", chain: "own", expr: [is(dport, 8888), accept] } }
      ],
      ["Passes", "Drops", "Passes"]
    ],
    [
      "a chain that returns",
      [
        base("accept"),
        { chain: { family: "inet", table: "filter", name: "own" } },
        rule({ jump: { target: "own" } }),
        { rule: { family: "inet", table: "filter", chain: "own", expr: [is(dport, 8888), { return: null }] } },
        { rule: { family: "inet", table: "filter", chain: "own", expr: [drop] } }
      ],
      ["Passes", "Drops", "Passes"]
    ],
    [
      "a named set",
      [
        { set: { family: "inet", table: "filter", name: "ports", elem: [{ range: [8000, 9000] }] } },
        base("drop"),
        rule(is(dport, "@ports"), accept)
      ],
      ["Passes", "Drops", "Passes"]
    ],
    [
      "IPv6 alone",
      [{ chain: { family: "ip6", table: "filter", name: "input", type: "filter", hook: "input", policy: "drop" } }],
      ["Passes", "Passes", "Passes"]
    ]
  ])("%s", (_, objects, expected) => assert.deepStrictEqual(verdicts(...objects), expected))

  const length = { meta: { key: "length" } }
  it.each<[string, ReadonlyArray<object>, Partial<ReturnType<typeof judge>>]>([
    ["more than", [is(length, 1000, ">"), drop], { verdict: "Drops", longerThan: 1000 }],
    ["at least", [is(length, 1000, ">="), drop], { verdict: "Drops", longerThan: 999 }],
    ["from and to", [is(length, { range: [1001, 65_535] }), drop], { verdict: "Drops", longerThan: 1000 }],
    [
      "the header's own word",
      [is({ payload: { protocol: "ip", field: "length" } }, 1400, ">"), drop],
      { longerThan: 1400 }
    ],
    ["short ones too", [is(length, 40, ">"), drop], { verdict: "Drops", longerThan: undefined }],
    ["none of a session", [is(length, 1000, ">"), is(dport, 53), drop], { verdict: "Passes", longerThan: undefined }],
    ["less than", [is(length, 9, "<"), drop], { verdict: "Passes", longerThan: undefined }]
  ])("by length, %s", (_, expr, { longerThan, verdict = "Drops" }) => {
    const found = judge(group, nft(base("accept"), rule(...expr)))
    assert.deepStrictEqual([found.verdict, found.longerThan], [verdict, longerThan])
  })

  it("say which chain it is", () =>
    assert.deepStrictEqual(judge(group, nft(base("drop"))), {
      verdict: "Drops",
      where: "chain input of table inet filter"
    }))

  it("two tables: one that drops is enough", () => {
    const other = {
      chain: { family: "ip", table: "lab", name: "luck", type: "filter", hook: "input", prio: -5, policy: "drop" }
    }
    assert.deepStrictEqual(judge(group, nft(base("accept"), rule(accept), other)).where, "chain luck of table ip lab")
  })

  it("what is no ruleset drops nothing", () => {
    for (const printed of ["", "[]", "{", '{"nftables":[1,{"rule":{}}]}'])
      assert.strictEqual(judge(group, ofNft(printed)).verdict, "Passes")
  })
})

describe("rules of iptables", () => {
  const printed = (policy: string, ...rules: ReadonlyArray<string>) =>
    [
      "*filter",
      `:INPUT ${policy} [0:0]`,
      ":FORWARD ACCEPT [0:0]",
      ":OUTPUT ACCEPT [0:0]",
      ":own - [0:0]",
      ...rules,
      "COMMIT"
    ].join("\n")

  it.each<[string, string, ReadonlyArray<string>]>([
    ["ACCEPT", "", ["Passes", "Passes"]],
    ["DROP", "", ["Drops", "Drops"]],
    ["DROP", "-A INPUT -p udp -m udp --dport 8888 -j ACCEPT", ["Passes", "Drops"]],
    ["DROP", '-A INPUT -d 224.0.0.0/4 -p udp -m comment --comment "a -j DROP" -j ACCEPT', ["Passes", "Drops"]],
    ["DROP", "-A INPUT -p udp -m multiport --dports 22,8000:9000 -j ACCEPT", ["Passes", "Drops"]],
    ["DROP", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", ["Drops", "Drops"]],
    ["DROP", "-A INPUT -i lo -j ACCEPT", ["Drops", "Drops"]],
    ["DROP", "-A INPUT ! -i lo -j ACCEPT", ["Passes", "Passes"]],
    ["DROP", "-A INPUT -i eth+ -j ACCEPT", ["Passes", "Passes"]],
    ["DROP", "-A INPUT -s 10.0.0.0/8 -j ACCEPT", ["MayDrop", "MayDrop"]],
    [
      "ACCEPT",
      "-A INPUT -j own\n-A own -p tcp -j RETURN\n-A own -p udp -j REJECT --reject-with icmp-port-unreachable",
      ["Drops", "Drops"]
    ],
    ["ACCEPT", "-A INPUT -m statistic --mode random --probability 0.1 -j DROP", ["MayDrop", "MayDrop"]]
  ])("%s %s", (policy, rules, expected) => {
    const read = ofIptables(printed(policy, rules))
    assert.deepStrictEqual([judge(group, read).verdict, judge(answer, read).verdict], expected)
  })

  it("those that nft prints and cannot say are left to iptables-save", () => {
    const nft = JSON.stringify({ nftables: [base("drop"), rule({ xt: null }, accept)] })
    const iptables = printed("DROP", "-A INPUT -p udp --dport 8888 -j ACCEPT")
    assert.strictEqual(judge(group, ...rulesOf({ nft, iptables })).verdict, "Passes")
  })
})
