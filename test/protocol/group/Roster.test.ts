import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Roster from "../../../src/protocol/group/Roster.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import { int } from "../generators.ts"

const guest = (incarnation: number, name = `c${incarnation}`): Roster.Guest => ({
  incarnation,
  key: 7,
  moves: 0,
  name,
  address: `10.0.0.${incarnation}:1`,
  receiveBufferBytes: 1
})
const joined = (roster: Roster.Roster, ...guests: ReadonlyArray<Roster.Guest>) =>
  guests.reduce((roster, guest) => {
    const result = Roster.join(roster, guest)
    return result._tag === "New" ? Roster.prove(result.roster, result.member.slot).roster : roster
  }, roster)
const waiting = (roster: Roster.Roster, ...guests: ReadonlyArray<Roster.Guest>) =>
  guests.reduce((roster, guest) => {
    const result = Roster.join(roster, guest)
    return result._tag === "New" ? result.roster : roster
  }, roster)

describe("Roster", () => {
  it("a slot belongs to one incarnation for ever; a restarted catcher gets a slot of its own [R-1]", () => {
    let roster = joined(Roster.make(), guest(1, "a"), guest(2, "b"))
    assert.deepInclude(Roster.join(roster, guest(1, "a")), { _tag: "Known", member: roster.members[0] })
    roster = Roster.lose(roster, 0, "silent")
    roster = joined(roster, guest(3, "a"))
    assert.deepStrictEqual(
      roster.members.map(({ incarnation, name, slot }) => [slot, incarnation, name]),
      [
        [0, 1, "a"],
        [1, 2, "b"],
        [2, 3, "a"]
      ]
    )
    // who was lost does not come back under its old incarnation, and no incarnation changes its name
    assert.deepStrictEqual(Roster.join(roster, guest(1, "a")), { _tag: "Refused", refusal: "Started" })
    assert.deepStrictEqual(Roster.join(roster, guest(2, "z")), { _tag: "Foreign" })
  })

  it("a join from another address moves its catcher with the same key, and later than the last move [R-2] [J-13]", () => {
    const roster = joined(Roster.make(), guest(1), guest(2))
    const there = { ...guest(1), address: "10.9.9.9:1", moves: 2 }
    assert.deepStrictEqual(Roster.join(roster, { ...there, key: 8 }), { _tag: "Foreign" })
    assert.deepStrictEqual(Roster.join(roster, { ...there, moves: 0 }), { _tag: "Foreign" })
    const moved = Roster.join(roster, there)
    assert.deepInclude(moved, { _tag: "Moved", before: "10.0.0.1:1" })
    if (moved._tag !== "Moved") return
    assert.deepStrictEqual(
      moved.roster.members.map(({ address, slot }) => [slot, address]),
      [
        [0, "10.9.9.9:1"],
        [1, "10.0.0.2:1"]
      ]
    )
    assert.deepStrictEqual(Roster.join(moved.roster, { ...guest(1), moves: 1 }), { _tag: "Foreign" })
    assert.strictEqual(Roster.join(Roster.lose(moved.roster, 0, "silent"), there)._tag, "Refused")
  })

  it("an answer counts only when slot and incarnation agree, and while its catcher is not lost [R-2]", () => {
    const roster = joined(Roster.make(), guest(1), guest(2))
    assert.strictEqual(Roster.memberOf(roster, 1, 2)?.slot, 1)
    assert.isUndefined(Roster.memberOf(roster, 1, 1))
    assert.isUndefined(Roster.memberOf(roster, 7, 1))
    assert.isUndefined(Roster.memberOf(Roster.lose(roster, 1, "silent"), 1, 2))
  })

  it("a join with a known incarnation changes nothing when its key or its name is another [R-2]", () => {
    const roster = joined(Roster.make(), guest(1, "a"), guest(2, "b"))
    const lost = Roster.lose(roster, 0, "silent")
    const fresh = waiting(roster, guest(3, "c"))
    for (const [state, incarnation, name] of [
      [roster, 1, "a"],
      [lost, 1, "a"],
      [fresh, 3, "c"]
    ] as const) {
      const overheard = { ...guest(incarnation, name), address: "10.9.9.9:1", key: 77, moves: 9 }
      for (const stranger of [
        overheard,
        { ...overheard, name: "z" },
        guest(incarnation, "z"),
        guest(incarnation, "b")
      ]) {
        assert.deepStrictEqual(Roster.join(state, stranger), { _tag: "Foreign" })
      }
    }
  })

  it("a newcomer takes part in nothing until it has answered, and holds no name", () => {
    let roster = waiting(Roster.make(["a", "b"]), guest(1, "a"), guest(2, "a"))
    assert.deepStrictEqual(Roster.present(roster), [])
    assert.deepStrictEqual(Roster.participants(roster), [])
    assert.deepStrictEqual(Roster.absent(roster), ["a", "b"])
    assert.strictEqual(Roster.memberOf(roster, 1, 2)?.isNew, true)
    // the first to answer has the name
    roster = Roster.prove(roster, 1).roster
    assert.deepStrictEqual(Roster.absent(roster), ["b"])
    const second = Roster.prove(roster, 0)
    assert.strictEqual(second._tag === "Refused" && second.refusal, "NameTaken")
    assert.deepStrictEqual(
      Roster.present(second.roster).map(({ slot }) => slot),
      [1]
    )
  })

  it("silent newcomers fill no slots: theirs are free again, and one gives way [R-5]", () => {
    let roster = waiting(joined(Roster.make(), guest(0)), guest(1), guest(2))
    roster = Roster.lose(roster, 1, "it never answered")
    roster = waiting(roster, guest(3))
    assert.deepStrictEqual(
      roster.members.map(({ incarnation }) => incarnation),
      [0, 3, 2]
    )
    // whose slot it was is told that it is out, and no longer known
    assert.isTrue(Roster.isLost(roster, 1, 1, guest(1).address))
    assert.isFalse(Roster.isLost(roster, 1, 3, guest(3).address))
    assert.strictEqual(Roster.join(roster, guest(1))._tag, "New")
    for (let i = 4; i < Limits.slots + 100; i++) roster = waiting(roster, guest(i))
    assert.strictEqual(roster.members.length, Limits.slots)
    assert.strictEqual(roster.members[0].incarnation, 0)
    assert.strictEqual(Roster.newcomers(roster).length, Limits.slots - 1)
    roster = joined(roster, guest(20_000))
    assert.deepStrictEqual(
      Roster.present(roster).map(({ incarnation }) => incarnation),
      [0, 20_000]
    )
  })

  it("of two living catchers with one name the second is refused [R-3]", () => {
    const roster = joined(Roster.make(), guest(1, "a"))
    assert.deepStrictEqual(Roster.join(roster, guest(2, "a")), { _tag: "Refused", refusal: "NameTaken" })
    // from another port of the first one's host
    const next = { ...guest(2, "a"), address: "10.0.0.1:2" }
    assert.deepStrictEqual(Roster.join(roster, next), { _tag: "Refused", refusal: "Returning" })
    assert.strictEqual(Roster.join(Roster.lose(roster, 0, "silent"), next)._tag, "New")
    assert.strictEqual(Roster.join(Roster.lose(roster, 0, "silent"), guest(2, "a"))._tag, "New")
  })

  it("a name joins so many times, and not more [R-4]", () => {
    let roster = joined(Roster.make(), guest(1, "b"))
    for (let i = 0; i < Limits.joinsOfName; i++) {
      roster = Roster.lose(joined(roster, guest(10 + i, "a")), roster.members.length, "silent")
    }
    assert.strictEqual(roster.members.length, 1 + Limits.joinsOfName)
    assert.deepStrictEqual(Roster.join(roster, guest(99, "a")), { _tag: "Refused", refusal: "TooOften" })
    assert.strictEqual(Roster.join(roster, guest(99, "c"))._tag, "New")
  })

  it("a name that answers no question joins twice, and not more [R-4]", () => {
    let roster = joined(Roster.make(), guest(1, "a"))
    roster = Roster.loseMute(roster, 0, "mute")
    roster = joined(roster, guest(2, "a"))
    roster = Roster.loseMute(roster, 1, "mute")
    assert.deepStrictEqual(Roster.join(roster, guest(3, "a")), { _tag: "Refused", refusal: "TooOften" })
    assert.strictEqual(Roster.join(roster, guest(3, "b"))._tag, "New")
  })

  it("a life that the master ended itself does not count among a name's joins [R-4]", () => {
    let roster = joined(Roster.make(), guest(1, "b"))
    for (let i = 0; i < 2 * Limits.joinsOfName; i++) {
      roster = Roster.letGo(joined(roster, guest(10 + i, "a")), 1, "left to another master")
    }
    roster = joined(roster, guest(99, "a"))
    assert.deepStrictEqual(
      Roster.present(roster).map(({ incarnation }) => incarnation),
      [1, 99]
    )
    assert.deepStrictEqual(Roster.join(roster, guest(100, "a")), { _tag: "Refused", refusal: "NameTaken" })
  })

  it("however often a master lets hundreds go, there is a slot for each of them [R-5]", () => {
    let roster = Roster.make()
    let incarnation = 0
    for (let times = 0; times < 40; times++) {
      const before = roster
      roster = joined(roster, ...Array.from({ length: 300 }, (_, i) => guest(++incarnation, `c${i}`)))
      assert.strictEqual(Roster.present(roster).length, 300)
      assert.strictEqual(roster.members.length, 300)
      // who had the slot is told that it is out
      const [old] = before.members
      if (old !== undefined) assert.isTrue(Roster.isLost(roster, old.slot, old.incarnation, old.address))
      for (const { slot } of Roster.present(roster)) roster = Roster.letGo(roster, slot, "left to another master")
      assert.deepStrictEqual(Roster.participants(roster), [])
      assert.strictEqual(Roster.givenUp(roster).length, 300)
    }
  })

  it("given up are those who are lost, until somebody living has their name [J-7]", () => {
    const incarnations = (roster: Roster.Roster) => Roster.givenUp(roster).map(({ incarnation }) => incarnation)
    let roster = joined(Roster.make(), guest(1, "a"), guest(2, "b"))
    assert.deepStrictEqual(incarnations(roster), [])
    roster = Roster.lose(Roster.lose(roster, 0, "silent"), 1, "silent")
    assert.deepStrictEqual(incarnations(roster), [1, 2])
    roster = joined(roster, guest(3, "a"))
    assert.deepStrictEqual(incarnations(roster), [2])
  })

  it("with a list of hosts others are refused, and who is awaited is known", () => {
    const roster = joined(Roster.make(["a", "b"]), guest(1, "a"))
    assert.deepStrictEqual(Roster.join(roster, guest(2, "c")), { _tag: "Refused", refusal: "NotListed" })
    assert.deepStrictEqual(Roster.absent(roster), ["b"])
    assert.deepStrictEqual(Roster.absent(Roster.lose(roster, 0, "silent")), ["a", "b"])
  })

  it("an awaited catcher that comes no more is not absent, and why is known; one that is lost already has both reasons", () => {
    let roster = joined(Roster.make(["a", "b", "c"]), guest(1, "a"))
    roster = Roster.giveUp(Roster.giveUp(roster, "b", "no route"), "b", "later")
    assert.deepStrictEqual(Roster.absent(roster), ["c"])
    assert.deepStrictEqual(Roster.unreachable(roster), [["b", "no route"]])
    assert.strictEqual(Roster.giveUp(roster, "x", "unknown"), roster)
    const living = Roster.giveUp(roster, "a", "closed")
    assert.isUndefined(living.members[0].lost)
    assert.deepStrictEqual(Roster.unreachable(living), [["b", "no route"]])
    const lost = Roster.giveUp(Roster.lose(roster, 0, "stopped"), "a", "closed")
    assert.strictEqual(lost.members[0].lost, "stopped; closed")
  })

  it("is full at its limit, and the first reason to be lost stays", () => {
    const roster = joined(Roster.make(), ...Array.from({ length: Limits.slots }, (_, i) => guest(i)))
    assert.deepStrictEqual(Roster.join(roster, guest(Limits.slots)), { _tag: "Refused", refusal: "Full" })
    const lost = Roster.lose(Roster.lose(roster, 0, "first"), 0, "second")
    assert.strictEqual(lost.members[0].lost, "first")
  })

  const Action = Schema.Union([
    Schema.TaggedStruct("Join", { incarnation: int(0, 8), name: Schema.Literals(["a", "b", "c", "d"]) }),
    Schema.TaggedStruct("Lose", { slot: int(0, 6) })
  ])
  it.prop("any order of joins and losses keeps [R-1] and [R-3]", [Schema.Array(Action)], ([actions]) => {
    let roster = Roster.make()
    for (const action of actions) {
      const before = roster
      if (action._tag === "Lose") roster = Roster.lose(roster, action.slot, "silent")
      else roster = joined(roster, guest(action.incarnation, action.name))
      before.members.forEach((member, slot) => {
        assert.strictEqual(roster.members[slot].incarnation, member.incarnation)
        assert.strictEqual(roster.members[slot].name, member.name)
        if (member.lost !== undefined) assert.strictEqual(roster.members[slot].lost, member.lost)
      })
      roster.members.forEach((member, slot) => assert.strictEqual(member.slot, slot))
      const names = Roster.present(roster).map((member) => member.name)
      assert.strictEqual(new Set(names).size, names.length)
      assert.strictEqual(new Set(roster.members.map((member) => member.incarnation)).size, roster.members.length)
    }
  })
})
