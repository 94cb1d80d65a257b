import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Limits from "../../src/protocol/Limits.ts"
import { bodyAt, Box, boxBytes, numberAt } from "../../src/seal/Box.ts"
import * as CatcherSeal from "../../src/seal/CatcherSeal.ts"
import * as Keys from "../../src/seal/Keys.ts"
import * as Layout from "../../src/seal/Layout.ts"
import * as MasterSeal from "../../src/seal/MasterSeal.ts"
import * as Pair from "../../src/seal/Pair.ts"
import * as Primitives from "../../src/seal/Primitives.ts"
import * as Signed from "../../src/seal/Signed.ts"
import * as Welcomes from "../../src/seal/Welcomes.ts"
import * as Hmac from "../../src/system/Hmac.ts"
import type * as Seal from "../../src/seal/Seal.ts"
import * as Codec from "../../src/wire/Codec.ts"
import * as Header from "../../src/wire/Header.ts"
import type { FromMaster, Message } from "../../src/wire/Message.ts"

const keysOf = (seed: number) => Keys.ofSecrets(new Uint8Array(32).fill(seed), new Uint8Array(32).fill(seed + 100))
const ours = keysOf(1)
const master = "10.0.0.1:4000"
const here = "239.255.67.92:8888"
const session = 0x1234_5678_9abcn
const announce = {
  _tag: "Announce",
  ...{ session, pageBytes: 1432, blockPages: 128, timeoutMillis: 1000 },
  ...{ uptimeMillis: 5, spreadMillis: 0, joined: 0, wanted: 1 }
} as const
const eof: FromMaster = {
  ...{ _tag: "Eof", session, file: 3, round: 1, first: 0, count: 5, root: undefined, counts: false, audience: [0] }
}

/** An end of a conversation: what it told of itself, and whom it refused. */
const end = (address: string, group = here) => {
  const told: Array<{ to: string; datagram: Uint8Array }> = []
  const refused: Array<string> = []
  const time = { millis: 0 }
  const place = { address }
  const around: Seal.Surroundings = {
    now: () => time.millis,
    group,
    local: () => place.address,
    tell: (to, datagram) => told.push({ to, datagram }),
    tellGroup: (make) => told.push(...make().map((datagram) => ({ to: "the group", datagram }))),
    onRefused: (from, why, stated) => refused.push([from, why, stated].filter(Boolean).join(" "))
  }
  return { address, around, place, told, refused, time }
}

const rig = (keys = ours, id = session, address = master, group = here) => {
  const place = end(address, group)
  const secret = Primitives.random(32)
  return { ...place, secret, seal: MasterSeal.make(keys, id, secret, place.around) }
}
const guest = (keys = Keys.forCatchers(ours), address = "10.0.0.2:5000") => {
  const place = end(address)
  return { ...place, seal: CatcherSeal.make(keys, place.around) }
}
type Master = ReturnType<typeof rig>
type Guest = ReturnType<typeof guest>

/** The catcher hears an announcement, hails, and hears the answer: what comes of it. */
const announced = (m: Master, c: Guest, datagram = m.seal.seal(announce)[0]) => {
  const heard: Array<Message | undefined> = [c.seal.open(datagram, 0, m.address)]
  for (const { datagram } of c.told.splice(0)) m.seal.open(datagram, 0, c.address)
  for (const { datagram } of m.told.splice(0)) heard.push(c.seal.open(datagram, 0, m.address))
  return heard.filter((message) => message !== undefined)
}
const joinOf = (incarnation: number) =>
  ({ _tag: "Join", session, incarnation, key: 4, moves: 0, receiveBufferBytes: 9, name: "c1" }) as const
const joined = (m: Master, c: Guest, slot = 0, incarnation = 77) => {
  announced(m, c)
  const join = c.seal.seal(joinOf(incarnation))!
  assert.deepStrictEqual(m.seal.open(join, 0, c.address), joinOf(incarnation))
  const [welcome] = m.seal.seal({ _tag: "Welcome", session, guests: [{ incarnation, slot }] })
  assert.deepStrictEqual(c.seal.open(welcome, 0, m.address), {
    ...{ _tag: "Welcome", session, guests: [{ incarnation, slot }] }
  })
  return { join, welcome }
}
const said = (m: Master, c: Guest, message: FromMaster) => c.seal.open(m.seal.seal(message)[0], 0, m.address)
const complete = { _tag: "Complete", session, slot: 0, incarnation: 77, file: 3, held: 8 } as const

describe("a session under a seal", () => {
  it("an announcement counts once its master has answered a hail [K-6]; then the catcher joins and both speak [K-2] [K-3] [K-4]", () => {
    const [m, c] = [rig(), guest()]
    assert.deepStrictEqual(announced(m, c), [announce])
    joined(m, c)
    assert.deepStrictEqual(said(m, c, eof), eof)
    assert.deepStrictEqual(said(m, c, { _tag: "Poll", session, poll: 9, audience: [0] }), {
      ...{ _tag: "Poll", session, poll: 9, audience: [0] }
    })
    assert.deepStrictEqual(m.seal.open(c.seal.seal(complete)!, 0, c.address), complete)
    assert.deepStrictEqual(said(m, c, { _tag: "Bye", session }), { _tag: "Bye", session })
    assert.deepStrictEqual(Buffer.from(c.seal.secretOf(session)!), Buffer.from(m.secret))
  })
  it("what is received stays as it is, in a Buffer of Node as well: others may read it", () => {
    const [m, c, other] = [rig(), guest(), guest(undefined, "10.0.0.3:5000")]
    joined(m, c, 0, 77)
    joined(m, other, 1, 78)
    const datagram = Buffer.from(m.seal.seal(eof)[0])
    assert.deepStrictEqual(c.seal.open(datagram, 0, m.address), eof)
    assert.deepStrictEqual(other.seal.open(datagram, 0, m.address), eof)
    const answer = Buffer.from(c.seal.seal(complete)!)
    const before = answer.toString("hex")
    assert.deepStrictEqual(m.seal.open(answer, 0, c.address), complete)
    assert.strictEqual(answer.toString("hex"), before)
  })
  it("what was opened stays as it is when others are opened", () => {
    const [m, c] = [rig(), guest()]
    joined(m, c)
    const digests = (fill: number): FromMaster => ({
      ...{ _tag: "Digests", session, file: 1, opening: 1, first: 0, digests: new Uint8Array(64).fill(fill) }
    })
    const opened = [1, 2, 3].map((fill) => said(m, c, digests(fill)))
    assert.deepStrictEqual(opened, [1, 2, 3].map(digests))
  })
  it("a probe is as long as the page that it stands for", () => {
    const [m, c] = [rig(), guest()]
    joined(m, c)
    const probe = {
      _tag: "Probe",
      session,
      probing: 1,
      train: 2,
      pageBytes: 1432,
      isGlued: false,
      audience: []
    } as const
    const [datagram] = m.seal.seal(probe)
    assert.strictEqual(datagram.length, 24 + 1432)
    assert.deepStrictEqual(c.seal.open(datagram, 0, m.address), probe)
  })
  it("a welcome for many guests is several datagrams of at most 1200 bytes; a refused guest gets no secret", () => {
    const m = rig()
    const guests = Array.from({ length: 50 }, (_, i) => guest(undefined, `10.0.1.${i}:5000`))
    guests.forEach((c, i) => {
      announced(m, c)
      m.seal.open(c.seal.seal(joinOf(i))!, 0, c.address)
    })
    const welcome: FromMaster = {
      ...{ _tag: "Welcome", session },
      guests: guests.map((_, i) => (i % 2 === 0 ? { incarnation: i, slot: i } : { incarnation: i, refusal: "Full" }))
    }
    const datagrams = m.seal.seal(welcome)
    assert.isTrue(datagrams.every(({ length }) => length <= 1200))
    guests.forEach((c, i) => {
      const heard = datagrams.flatMap((datagram) => c.seal.open(datagram, 0, m.address) ?? [])
      assert.deepStrictEqual(heard, [{ ...welcome, guests: [welcome.guests[i]] }])
      assert.strictEqual(c.seal.secretOf(session) !== undefined, i % 2 === 0)
    })
  })
})

describe("strangers", () => {
  it("a later thief of the master's key opens nothing of a recorded session: its ephemeral keys are gone [K-2]", () => {
    const [m, c] = [rig(), guest()]
    const { join, welcome } = joined(m, c)
    const recorded = [welcome, m.seal.seal(eof)[0]]
    // it is the master now, also of a session with that id, and has a catcher join that as the other one did
    const [thief, accomplice] = [rig(), guest()]
    assert.isUndefined(thief.seal.open(join, 0, c.address))
    announced(thief, accomplice)
    accomplice.seal.seal(joinOf(77))
    for (const datagram of recorded) assert.isUndefined(accomplice.seal.open(datagram, 0, m.address))
    assert.isUndefined(accomplice.seal.secretOf(session))
  })
  it("nothing that is said shows a name or a content", () => {
    const [m, c] = [rig(), guest()]
    announced(m, c)
    const join = c.seal.seal({ ...joinOf(77), name: "a-secret-name" })!
    assert.notInclude(Buffer.from(join).toString("latin1"), "secret")
    joined(m, c)
    const abort = { _tag: "Abort", session, file: 3, reason: "/srv/secret: gone", audience: [0] } as const
    assert.notInclude(Buffer.from(m.seal.seal(abort)[0]).toString("latin1"), "secret")
  })
  it("every change of a byte is a datagram that is not heeded", () => {
    const [m, c] = [rig(), guest()]
    joined(m, c)
    for (const message of [eof, { _tag: "Bye", session } as const, { ...announce, uptimeMillis: 9 }]) {
      const [datagram] = m.seal.seal(message)
      for (let at = 0; at < datagram.length; at++) {
        const bad = datagram.slice()
        bad[at] ^= 0x40
        assert.isUndefined(c.seal.open(bad, 0, m.address), `${message._tag}, byte ${at}`)
      }
      assert.isDefined(c.seal.open(datagram, 0, m.address))
    }
    const answer = c.seal.seal(complete)!
    for (let at = 0; at < answer.length; at++) {
      const bad = answer.slice()
      bad[at] ^= 0x40
      assert.isUndefined(m.seal.open(bad, 0, c.address), `answer, byte ${at}`)
    }
    assert.isDefined(m.seal.open(answer, 0, c.address))
  })
  // node:crypto takes some
  it.skipIf(Option.isNone(Hmac.load()))(
    "what they send takes no memory outside of the heap, nor a copy of its own",
    () => {
      const [m, c] = [rig(), guest()]
      joined(m, c)
      const [sealed] = m.seal.seal({ ...eof, audience: Array.from({ length: 200 }, (_, i) => 4 * i) })
      const hostile = Array.from({ length: 3000 }, (_, i) => {
        const datagram = sealed.slice()
        // a number that is new, and a wrong tag
        datagram[16] += 1 + (i % 100)
        datagram[datagram.length - 1 - (i % 16)] ^= 1 + (i % 255)
        return datagram
      })
      const used = () => process.memoryUsage().external
      const before = used()
      let most = 0
      for (const [i, datagram] of hostile.entries()) {
        assert.isUndefined(c.seal.open(datagram, 0, m.address))
        assert.isUndefined(m.seal.open(datagram, 0, c.address))
        if (i % 100 === 0) most = Math.max(most, used() - before)
      }
      assert.isBelow(most, 20_000)
    }
  )
  it("what was recorded changes nothing, in this session and in another one [K-5]", () => {
    const [m, c] = [rig(), guest()]
    const { join, welcome } = joined(m, c)
    const recorded = [m.seal.seal(eof)[0], m.seal.seal({ _tag: "Poll", session, poll: 1, audience: [] })[0], welcome]
    recorded.forEach((datagram) => c.seal.open(datagram, 0, m.address))
    for (const datagram of [...recorded, m.seal.seal(announce)[0]]) {
      c.seal.open(datagram, 0, m.address)
      assert.isUndefined(c.seal.open(datagram, 0, m.address))
    }
    const answer = c.seal.seal(complete)!
    m.seal.open(answer, 0, c.address)
    assert.isUndefined(m.seal.open(answer, 0, c.address))
    assert.isUndefined(m.seal.open(join, 0, c.address))
    // a catcher that was started again, and the same master's next session
    const [next, again] = [rig(ours, session + 1n), guest()]
    for (const datagram of recorded) assert.isUndefined(again.seal.open(datagram, 0, m.address))
    for (const datagram of [join, answer]) assert.isUndefined(next.seal.open(datagram, 0, c.address))
  })
  it("a recorded announcement is not believed: its master does not answer", () => {
    const [m, c] = [rig(), guest()]
    const [recorded] = m.seal.seal(announce)
    const heard = Array.from({ length: 400 }, (_, i) => {
      c.time.millis = i * 200
      return c.seal.open(recorded, 0, m.address)
    })
    assert.isTrue(heard.every((message) => message === undefined))
    // and it is hailed seldom in the end: a hundred times, most of them with copies, in 20 of the 80 s
    assert.isBelow(c.told.length, 430)
  })
  it("a master that calls and does not answer is told of within two seconds, and at the end [K-11]", () => {
    const [m, c] = [rig(), guest()]
    for (; c.time.millis < 1400; c.time.millis += 200) c.seal.open(m.seal.seal(announce)[0], 0, m.address)
    assert.deepStrictEqual(c.refused, [])
    for (; c.time.millis < 1800; c.time.millis += 200) c.seal.open(m.seal.seal(announce)[0], 0, m.address)
    assert.include(c.refused, `${m.address} NoAnswer`)
    assert.deepStrictEqual(c.seal.unanswered(), [m.address])
    assert.deepStrictEqual(announced(m, c), [announce])
    assert.deepStrictEqual(c.seal.unanswered(), [])
  })
  it("an answer counts though later hails have overtaken it, for two seconds", () => {
    const [m, c] = [rig(), guest()]
    const hailed = (millis: number) => {
      c.time.millis = millis
      c.seal.open(m.seal.seal(announce)[0], 0, m.address)
      m.seal.open(c.told.splice(0)[0].datagram, 0, c.address)
      return m.told.splice(0)[0].datagram
    }
    const [tooLate, late] = [hailed(0), hailed(200), hailed(400)]
    c.time.millis = 2100
    assert.isUndefined(c.seal.open(tooLate, 0, m.address))
    assert.deepStrictEqual(c.seal.open(late, 0, m.address), announce)
    assert.isUndefined(c.seal.open(late, 0, m.address))
  })
  it("after a second without its master a catcher believes no announcement that it had not heard, but for an answer [K-12]", () => {
    const [m, c] = [rig(), guest()]
    joined(m, c)
    const heard = (message: FromMaster, millis: number) => {
      c.time.millis = millis
      const opened = said(m, c, message)
      return { opened, isAlive: c.seal.isAlive(session) }
    }
    assert.deepStrictEqual(heard(announce, 1000), { opened: announce, isAlive: true })
    const poll = { _tag: "Poll", session, poll: 1, audience: [] } as const
    assert.deepStrictEqual(heard(poll, 1900), { opened: poll, isAlive: true })
    assert.deepStrictEqual(heard({ ...poll, poll: 2 }, 2001), { opened: { ...poll, poll: 2 }, isAlive: false })
    assert.deepStrictEqual(heard(eof, 2010), { opened: eof, isAlive: false })
    assert.deepStrictEqual(heard(announce, 2020), { opened: undefined, isAlive: false })
    assert.deepStrictEqual(
      c.told.map(({ to }) => to),
      [m.address]
    )
    c.time.millis = 2200
    assert.deepStrictEqual(announced(m, c), [announce])
    assert.isTrue(c.seal.isAlive(session))
    assert.deepStrictEqual(heard(announce, 2300), { opened: announce, isAlive: true })
  })
  it("what its master said before a catcher heard it is no sign of life, however it is spread over time [K-12]", () => {
    const [m, c] = [rig(), guest()]
    const unheard = Array.from({ length: 50 }, (_, i) => m.seal.seal({ ...eof, round: i })[0])
    joined(m, c)
    assert.isTrue(c.seal.isAlive(session))
    for (const recorded of unheard) {
      c.time.millis += 900
      c.seal.open(recorded, 0, m.address)
      if (c.time.millis > Limits.forgetMillis) assert.isFalse(c.seal.isAlive(session), `${c.time.millis} ms`)
    }
  })
  it("an announcement that its master made before the latest word is not heard, though it was not heard before [K-5]", () => {
    const [m, c] = [rig(), guest()]
    const unheard = Array.from({ length: 3 }, () => m.seal.seal(announce)[0])
    announced(m, c)
    assert.deepStrictEqual(said(m, c, announce), announce)
    assert.isUndefined(c.seal.open(unheard[0], 0, m.address))
    joined(m, c)
    assert.isUndefined(c.seal.open(unheard[1], 0, m.address))
  })
  it("recorded announcements of many sessions take the place of no living one", () => {
    const [m, c] = [rig(), guest()]
    announced(m, c)
    const join = c.seal.seal(joinOf(77))!
    m.seal.open(join, 0, c.address)
    for (let i = 1; i <= 40; i++) {
      const dead = rig(ours, session + BigInt(i))
      c.seal.open(dead.seal.seal({ ...announce, session: session + BigInt(i) })[0], 0, dead.address)
    }
    const [welcome] = m.seal.seal({ _tag: "Welcome", session, guests: [{ incarnation: 77, slot: 0 }] })
    assert.isDefined(c.seal.open(welcome, 0, m.address))
  })
  it("recordings of more sessions than an end remembers cost a bounded number of signatures and hails a second [K-14]", () => {
    const [m, c] = [rig(), guest()]
    joined(m, c)
    const recorded = Array.from({ length: Limits.hailedMasters + 50 }, (_, i) => {
      const id = session + 1n + BigInt(i)
      return rig(ours, id).seal.seal({ ...announce, session: id })[0]
    })
    c.told.length = 0
    m.told.length = 0
    for (let i = 0; i < 12; i++) {
      for (const datagram of recorded) {
        c.seal.open(datagram, 0, m.address)
        m.seal.open(datagram, 0, m.address)
      }
    }
    assert.isAtMost(c.told.length, Limits.unproven)
    assert.isAtMost(m.told.length, Limits.unproven)
    // and it hears its own master all the while
    assert.deepStrictEqual(said(m, c, announce), announce)
    assert.deepStrictEqual(said(m, c, eof), eof)
  })
  it("a catcher that a stranger calls in the open gives it no hail that counts", () => {
    const [m, c] = [rig(), guest()]
    for (let i = 0; i < 50; i++) c.seal.open(Codec.encode(announce), 0, `10.0.9.${i}:1`)
    assert.isAbove(c.told.length, 0)
    for (const { datagram } of c.told) m.seal.open(datagram, 0, c.address)
    assert.deepStrictEqual(m.told, [])
  })
  it("an announcement or a join from elsewhere than it says is not heeded, and both sides are told of it [K-7] [K-11]", () => {
    const [m, c, there] = [rig(), guest(), "10.9.9.9:4000"]
    const [datagram] = m.seal.seal(announce)
    assert.isUndefined(c.seal.open(datagram, 0, there))
    assert.deepStrictEqual(c.refused, [`${there} OtherAddress ${master}`])
    for (const { datagram, to } of c.told.splice(0)) {
      assert.strictEqual(to, there)
      m.seal.open(datagram, 0, c.address)
    }
    assert.deepStrictEqual(m.refused.splice(0), [`${c.address} OtherAddress`])
    assert.deepStrictEqual(m.told, [], "that is no hail")
    announced(m, c)
    const join = c.seal.seal(joinOf(77))!
    assert.isUndefined(m.seal.open(join, 0, there))
    assert.deepStrictEqual(m.refused, [`${there} OtherAddress ${c.address}`])
    assert.isDefined(m.seal.open(join, 0, c.address))
  })
  it("what is sent again from elsewhere, and comes first, uses up no number [K-7]", () => {
    const [m, c, there] = [rig(), guest(), "10.9.9.9:4000"]
    joined(m, c)
    const said: ReadonlyArray<FromMaster> = [
      { _tag: "Welcome", session, guests: [{ incarnation: 77, slot: 0 }] },
      eof,
      { _tag: "Poll", session, poll: 1, audience: [] },
      announce,
      { _tag: "Bye", session }
    ]
    for (const message of said) {
      const [datagram] = m.seal.seal(message)
      assert.isUndefined(c.seal.open(datagram, 0, there), message._tag)
      assert.deepStrictEqual(c.seal.open(datagram, 0, m.address), message)
    }
    const answer = c.seal.seal(complete)!
    assert.isUndefined(m.seal.open(answer, 0, there))
    assert.deepStrictEqual(m.seal.open(answer, 0, c.address), complete)
  })
  it("a catcher that has moved answers from where it joined last [K-7] [J-13]", () => {
    const [m, c] = [rig(), guest()]
    joined(m, c)
    c.place.address = "10.0.0.3:5001"
    const late = c.seal.seal({ ...joinOf(77), moves: 1 })!
    c.place.address = "10.0.0.4:5001"
    const join = c.seal.seal({ ...joinOf(77), moves: 2 })!
    assert.isUndefined(m.seal.open(c.seal.seal(complete)!, 0, c.place.address))
    assert.isDefined(m.seal.open(join, 0, c.place.address))
    assert.isDefined(m.seal.open(late, 0, "10.0.0.3:5001"))
    assert.deepStrictEqual(m.seal.open(c.seal.seal(complete)!, 0, c.place.address), complete)
    assert.isUndefined(m.seal.open(c.seal.seal(complete)!, 0, c.address))
  })
  it("what was recorded on another group costs no signature here: the master's own words are looked at all the while [K-13]", () => {
    const [m, c, elsewhere] = [rig(), guest(), rig(ours, session + 1n, "10.0.0.7:4000", "239.255.67.93:8888")]
    joined(m, c)
    const [recorded] = elsewhere.seal.seal({ ...announce, session: session + 1n })
    for (let i = 0; i < 2 * Limits.wrongSignatures; i++) {
      assert.isUndefined(c.seal.open(recorded, 0, elsewhere.address))
      assert.isUndefined(m.seal.open(recorded, 0, elsewhere.address))
    }
    assert.deepStrictEqual(said(m, c, eof), eof)
  })
  it("what a guest says is tagged for one group [K-13]", () => {
    const tagged = (group: string) => {
      const datagram = new Uint8Array(64)
      Primitives.putTag(Pair.guestKey(Redacted.value(ours.joinSecret), group), datagram, 64 - Primitives.tagBytes)
      return datagram
    }
    assert.deepStrictEqual(tagged(here), tagged(here))
    assert.notDeepEqual(tagged(here), tagged("239.255.67.93:8888"))
  })
  it("a pair of one group has no keys of another's [K-2]", () => {
    const [one, two] = [Primitives.ephemeral(), Primitives.ephemeral()]
    const pairOf = (group: string) =>
      Pair.make(one, two.publicKey, new Uint8Array(32), {
        group,
        session,
        master: one.publicKey,
        catcher: two.publicKey
      })!
    const sealed = new Uint8Array(80)
    pairOf(here).answers.seal(sealed, 24, 64)
    assert.isTrue(pairOf(here).answers.isSealed(sealed, 64))
    assert.isFalse(pairOf("239.255.67.92:8889").answers.isSealed(sealed, 64))
  })
  it("an answer to an earlier hail proves nothing now", () => {
    const [m, c] = [rig(), guest()]
    c.seal.open(m.seal.seal(announce)[0], 0, m.address)
    const [{ datagram: hail }] = c.told.splice(0)
    m.seal.open(hail, 0, c.address)
    const [{ datagram: answer }] = m.told.splice(0)
    assert.isDefined(c.seal.open(answer, 0, m.address))
    c.time.millis = 5000
    assert.isUndefined(c.seal.open(m.seal.seal(announce)[0], 0, m.address))
    assert.isUndefined(c.seal.open(answer, 0, m.address))
    // and a recorded hail costs a few signatures at most
    for (let i = 0; i < 100; i++) m.seal.open(hail, 0, c.address)
    assert.isBelow(m.told.length, 10)
  })
  it("recordings of many sessions do not make a catcher forget the keys of the one that it joins [K-9]", () => {
    const [m, c] = [rig(), guest()]
    announced(m, c)
    const join = c.seal.seal(joinOf(77))!
    m.seal.open(join, 0, c.address)
    const [welcome] = m.seal.seal({ _tag: "Welcome", session, guests: [{ incarnation: 77, slot: 0 }] })
    for (let i = 1; i <= 40; i++) {
      const old = rig(ours, session + BigInt(i), master)
      c.seal.open(old.seal.seal({ ...announce, session: session + BigInt(i) })[0], 0, master)
    }
    assert.isDefined(c.seal.open(welcome, 0, m.address))
  })
  it("another key, no key and no seal are told of [K-11]", () => {
    const [m, other, c] = [rig(), rig(keysOf(2), session + 2n, "10.0.0.9:4000"), guest()]
    assert.isUndefined(c.seal.open(other.seal.seal({ ...announce, session: session + 2n })[0], 0, other.address))
    assert.deepStrictEqual(c.refused, [`${other.address} OtherKey`])
    for (const { datagram } of c.told.splice(0)) other.seal.open(datagram, 0, c.address)
    assert.deepStrictEqual(other.refused, [`${c.address} OtherKey`])
    assert.deepStrictEqual(m.refused, [])
  })
})

describe("hostile catchers", () => {
  /** Another catcher of the session, which knows its secret. */
  const two = () => {
    const [m, c, hostile] = [rig(), guest(), guest(undefined, "10.0.0.66:5000")]
    joined(m, c, 0, 77)
    joined(m, hostile, 1, 78)
    return { m, c, hostile }
  }
  it("one does not speak for the master: it has the group's key and no signature", () => {
    const { c, hostile, m } = two()
    const secret = hostile.seal.secretOf(session)!
    const forger = MasterSeal.make({ ...keysOf(3), joinSecret: ours.joinSecret }, session, secret, end(master).around)
    // so that only the signature is wrong
    for (let i = 0; i < 100; i++) forger.seal({ _tag: "Bye", session })
    for (const message of [eof, { _tag: "Bye", session } as const, announce]) {
      assert.isUndefined(c.seal.open(forger.seal(message)[0], 0, m.address), message._tag)
    }
    assert.deepStrictEqual(said(m, c, eof), eof)
  })
  it("one does not carry a master of another group to this one, though it relays all words both ways under the right tags [K-13]", () => {
    const [elsewhere, c] = [rig(ours, session, master, "239.255.67.93:8888"), guest()]
    const key = Pair.guestKey(Redacted.value(ours.joinSecret), here)
    const keyThere = Pair.guestKey(Redacted.value(ours.joinSecret), "239.255.67.93:8888")
    const tagged = (datagram: Uint8Array, by: Primitives.MacKey) => {
      Primitives.putTag(by, datagram, datagram.length - Primitives.tagBytes)
      return datagram
    }
    const call = () => tagged(elsewhere.seal.seal(announce)[0], key)
    assert.isUndefined(c.seal.open(call(), 0, elsewhere.address))
    for (const { datagram } of c.told.splice(0)) elsewhere.seal.open(tagged(datagram, keyThere), 0, c.address)
    for (const { datagram } of elsewhere.told.splice(0)) {
      assert.isUndefined(c.seal.open(tagged(datagram, key), 0, elsewhere.address))
    }
    assert.isUndefined(c.seal.seal(joinOf(77)), "there is no pair")
    // nor to another master
    const other = rig(ours, session + 1n, "10.0.0.7:4000")
    assert.deepStrictEqual([other.seal.open(call(), 0, elsewhere.address), other.told], [undefined, []])
  })
  it("a poll that it forges does not make the master's look old", () => {
    const { c, hostile, m } = two()
    const forger = MasterSeal.make(ours, session, hostile.seal.secretOf(session)!, end(master).around)
    for (let i = 0; i < 5000; i++) {
      c.seal.open(forger.seal({ _tag: "Poll", session, poll: i, audience: [0] })[0], 0, m.address)
    }
    assert.deepStrictEqual(said(m, c, eof), eof)
    const poll = (number: number) => ({ _tag: "Poll", session, poll: number, audience: [0] }) as const
    for (let i = 0; i < 50; i++) assert.deepStrictEqual(said(m, c, poll(i)), poll(i))
  })
  it("one does not give another its own entry of a welcome", () => {
    const [m, c, hostile] = [rig(), guest(), guest(undefined, "10.0.0.66:5000")]
    for (const [one, incarnation] of [
      [c, 77],
      [hostile, 78]
    ] as const) {
      announced(m, one)
      m.seal.open(one.seal.seal(joinOf(incarnation))!, 0, one.address)
    }
    const guests = [
      { incarnation: 77, slot: 0 },
      { incarnation: 78, slot: 1 }
    ]
    const [welcome] = m.seal.seal({ _tag: "Welcome", session, guests })
    const swapped = welcome.slice()
    swapped.set(welcome.subarray(26 + 55, 26 + 110), 26)
    swapped.set(welcome.subarray(26, 26 + 55), 26 + 55)
    Primitives.putTag(
      Pair.guestKey(Redacted.value(ours.joinSecret), here),
      swapped,
      swapped.length - Primitives.tagBytes
    )
    assert.isUndefined(c.seal.open(swapped, 0, m.address))
    assert.isDefined(c.seal.open(welcome, 0, m.address))
  })
  it("one makes nobody look at more entries of a welcome, or nonces of an answer, than a datagram of a master's has [W-5]", () => {
    const { c, m } = two()
    const box = new Box(new Uint8Array(boxBytes))
    const taken = (count: number) => {
      const welcome = Welcomes.layOut(session, count)
      for (let nth = 0; nth < count; nth++) Welcomes.put(welcome, nth, { incarnation: 77, slot: 0 }, m.secret, box)
      return Welcomes.open(welcome, () => true, box).length
    }
    assert.deepStrictEqual([taken(Welcomes.mostGuests), taken(Welcomes.mostGuests + 1)], [Welcomes.mostGuests, 0])
    const answered = (count: number) => {
      c.time.millis += 2000
      c.told.length = 0
      c.seal.open(m.seal.seal(announce)[0], 0, m.address)
      const nonces = new Uint8Array(16 * count)
      nonces.set(c.told[0].datagram.subarray(bodyAt, bodyAt + 16))
      const proof = Buffer.concat([Buffer.from(`${session} `), nonces])
      const signature = Signed.sign({ identity: ours.identity, group: here }, "lives", proof)
      const answer = Layout.fields(Header.handshakeTypes.HailOk, session, nonces, signature)
      Primitives.putTag(
        Pair.guestKey(Redacted.value(ours.joinSecret), here),
        answer,
        answer.length - Primitives.tagBytes
      )
      return c.seal.open(answer, 0, m.address)
    }
    assert.isDefined(answered(64))
    assert.isUndefined(answered(65))
  })
  it("one does not answer for another, nor take its incarnation [K-8]", () => {
    const { c, hostile, m } = two()
    assert.isUndefined(m.seal.open(hostile.seal.seal(complete)!, 0, c.address))
    // from its own address: from another's it would be refused for that
    assert.isUndefined(m.seal.open(hostile.seal.seal(joinOf(77))!, 0, hostile.address))
    assert.deepStrictEqual(m.seal.open(hostile.seal.seal(joinOf(79))!, 0, hostile.address), joinOf(79))
  })
  it("one does not speak of another's incarnation under its own slot: that one would be told that it was given up [K-8]", () => {
    const { hostile, m } = two()
    const answer = { ...complete, slot: 1, incarnation: 78 }
    assert.deepStrictEqual(m.seal.open(hostile.seal.seal(answer)!, 0, hostile.address), answer)
    assert.isUndefined(m.seal.open(hostile.seal.seal({ ...answer, incarnation: 77 })!, 0, hostile.address))
    assert.isUndefined(m.seal.open(hostile.seal.seal({ ...answer, incarnation: 79 })!, 0, hostile.address))
  })
  it("a master whom one tells of itself does not yield to itself, though it hears its own answer [K-6]", () => {
    const { hostile, m } = two()
    m.told.length = 0
    const decline = { _tag: "Decline", session, incarnation: 78, silentMillis: 0, master: m.address } as const
    assert.isUndefined(m.seal.open(hostile.seal.seal(decline)!, 0, hostile.address))
    for (let i = 0; i < 3; i++) {
      for (const { datagram } of m.told.splice(0)) assert.isUndefined(m.seal.open(datagram, 0, m.address))
    }
    assert.isUndefined(m.seal.open(hostile.seal.seal(decline)!, 0, hostile.address))
  })
  it("wrong signatures under right tags are looked at so often, and then none for a moment [K-14]", () => {
    const { c, hostile, m } = two()
    const secret = hostile.seal.secretOf(session)!
    const forger = MasterSeal.make({ ...keysOf(3), joinSecret: ours.joinSecret }, session, secret, end(master).around)
    const [forged] = forger.seal(eof)
    for (let i = 0; i < Limits.wrongSignatures; i++) {
      if (i % 100 === 0) assert.deepStrictEqual(said(m, c, eof), eof)
      Header.putU32(forged, numberAt, 1000 + i)
      Pair.groupBox(secret, session).seal(forged, bodyAt, forged.length - Primitives.tagBytes)
      assert.isUndefined(c.seal.open(forged, 0, m.address))
    }
    assert.isUndefined(said(m, c, eof))
    c.time.millis += 1
    assert.deepStrictEqual(said(m, c, eof), eof)
  })
})
