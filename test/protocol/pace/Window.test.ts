import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Limits from "../../../src/protocol/Limits.ts"
import * as Exclusion from "../../../src/protocol/pace/Exclusion.ts"
import * as Polls from "../../../src/protocol/pace/Polls.ts"
import * as Window from "../../../src/protocol/pace/Window.ts"
import { mostly } from "../../seldom.ts"
import { int } from "../generators.ts"

const large = 16 * 1024 * 1024
const batch = Limits.sendBytes(Limits.headerBytes + Limits.defaultPageBytes)

/** Opens a window with these ackers at time 0. */
const make = (slots: ReadonlyArray<number>, receiveBufferBytes = large) =>
  Window.setAckers(Window.make(receiveBufferBytes), slots, 0)

/** A poll of all ackers. */
const polled = (w: Window.Window, nowMillis: number) =>
  Polls.polled(
    w,
    w.ackers.map((acker) => acker.slot),
    nowMillis
  )
const page = Limits.headerBytes + Limits.defaultPageBytes
const sent = (w: Window.Window, bytes: number, nowMillis: number) =>
  Window.sent(w, bytes, Math.ceil(bytes / page), nowMillis)
/** An answer of somebody who got all that was sent. */
const answered = (w: Window.Window, slot: number, poll: number, nowMillis: number) => {
  const received = w.asked.find((asked) => asked.poll === poll)?.sentPages ?? 0
  return Window.answered(w, { slot, poll, received }, nowMillis)
}
const lagBytes = (w: Window.Window, slot: number, nowMillis: number) =>
  Window.lagBytes(
    w,
    w.ackers.find((acker) => acker.slot === slot)!,
    nowMillis
  )
const isOpen = (w: Window.Window, bytes: number, nowMillis: number) => Window.room(w, bytes, nowMillis) > 0

interface Path {
  readonly bytesPerMillis: number
  readonly rttMillis: number
  /** What waits before the link, at most: more is dropped. */
  readonly queueBytes?: number
  /** Of every page, beside that. */
  readonly loss?: number
  /** A link that has stood idle passes its first bytes at once (a token bucket). */
  readonly tokenBytes?: number
  /** How often others send each page again. */
  readonly replays?: number
}

/** A sender, and the answers that are on their way to it. */
interface Sender {
  readonly window: Window.Window
  readonly nowMillis: number
  readonly linkFree: number
  readonly arrived: number
  readonly answers: ReadonlyArray<{ readonly at: number; readonly poll: number; readonly received: number }>
}
const start = (window: Window.Window): Sender => ({
  window,
  nowMillis: 0,
  linkFree: Number.NEGATIVE_INFINITY,
  arrived: 0,
  answers: []
})

/**
 * A sender that always has more, on a path with one queue: an answer comes a round trip after the link has taken all
 * that was sent before its poll. Steps by a tenth of a millisecond, or what is short beside the round trip.
 */
const drive = (sender: Sender, path: Path, millis: number) => {
  const {
    bytesPerMillis,
    loss = 0,
    replays = 0,
    queueBytes = Number.POSITIVE_INFINITY,
    rttMillis,
    tokenBytes = 0
  } = path
  const answers = [...sender.answers]
  const end = sender.nowMillis + millis
  let { arrived, linkFree, nowMillis: now, window: w } = sender
  let mostBytes = 0
  const stepMillis = Math.max(0.1, rttMillis / 250)
  const queued = () => Math.max(0, linkFree - now) * bytesPerMillis
  const poll = () => {
    // a poll is lost as pages are
    if (queued() < queueBytes) {
      answers.push({ at: Math.max(linkFree, now) + rttMillis, poll: w.nextPoll, received: Math.round(arrived) })
    }
    w = polled(w, now)
  }
  for (; now < end; now += stepMillis) {
    while (answers.length > 0 && answers[0].at <= now) w = Window.answered(w, { slot: 1, ...answers.shift()! }, now)
    const batch = Window.batchBytes(w, page, now)
    for (let sends = 0; isOpen(w, batch, now); sends++) {
      if (sends > 10_000) assert.fail("the window never closes")
      w = sent(w, batch, now)
      const taken = Math.min(batch, queueBytes - queued())
      linkFree = Math.max(linkFree, now - tokenBytes / bytesPerMillis) + taken / bytesPerMillis
      arrived += (taken / page) * (1 - loss) * (1 + replays)
      if (Polls.sinceLastPoll(w) >= Polls.pollBytes(w, now)) poll()
    }
    if (Polls.sinceLastPoll(w) > 0 || Polls.pauseMillis(w, now) === 0) poll()
    mostBytes = Math.max(mostBytes, w.sentBytes - Window.ackedBytes(w, now))
  }
  const after: Sender = { window: w, nowMillis: now, linkFree, arrived, answers }
  const pages = w.sentPages - sender.window.sentPages
  return {
    ...after,
    mostBytes,
    windowBytes: Window.bytes(w, now),
    sentBytes: w.sentBytes - sender.window.sentBytes,
    share: (arrived - sender.arrived) / pages
  }
}

describe("Window", () => {
  it("the slowest acker lags by what was sent less what it has taken [A-1]", () => {
    let w = make([1, 2])
    const limit = Window.bytes(w, 0)
    w = polled(sent(w, 60_000, 1), 1)
    w = polled(sent(w, 60_000, 2), 2)
    w = answered(w, 1, 2, 3)
    assert.strictEqual(Window.ackedBytes(w, 3), 0)
    assert.strictEqual(limit - 120_000 > 0, isOpen(w, 1, 3))
    assert.isFalse(isOpen(sent(w, lagBytes(w, 2, 3) - 120_000, 3), 1, 3))
    w = answered(w, 2, 1, 4)
    assert.strictEqual(Window.ackedBytes(w, 4), 60_000)
    // an old answer takes nothing back, and a stranger's or an unknown poll's changes nothing
    const all = answered(w, 2, 2, 4)
    assert.strictEqual(Window.ackedBytes(all, 4), 120_000)
    assert.strictEqual(Window.ackedBytes(answered(all, 2, 1, 4), 4), 120_000)
    assert.strictEqual(answered(w, 9, 2, 4), w)
    assert.strictEqual(answered(w, 2, 77, 4), w)
  })

  it("a silent acker stops bounding while another answers, and does again with its next answer [A-2]", () => {
    const patience = Limits.ackerPatienceMillis
    let w = polled(sent(make([1, 2]), 100_000, 0), 0)
    w = answered(w, 1, 1, patience)
    assert.strictEqual(Window.ackedBytes(w, patience - 1), 0)
    assert.strictEqual(Window.ackedBytes(w, patience), 100_000)
    w = polled(sent(w, 50_000, patience), patience)
    w = answered(w, 2, 1, patience + 10)
    assert.strictEqual(Window.ackedBytes(w, patience + 11), 100_000)
    assert.strictEqual(Exclusion.bounding(w, patience + 11).length, 2)
  })

  it("when all are silent all of them go on bounding: there is nobody to send for [A-2]", () => {
    const w = polled(sent(make([1, 2]), 100_000, 0), 0)
    assert.strictEqual(Window.ackedBytes(w, 60_000), 0)
    assert.isFalse(isOpen(w, large, 60_000))
  })

  /** Full windows to a group in which each answers after its own time, the last one at 0; then the windows are what they are. */
  const measured = (rtts: ReadonlyArray<number>, isLocal?: (slot: number) => boolean) => {
    let w = Window.setAckers(
      Window.make(large),
      rtts.map((_, slot) => slot),
      -600,
      isLocal
    )
    for (let now = -600; now <= 0; now += 100) {
      w = polled(sent(w, 2 * batch, now), now)
      rtts.forEach((rtt, slot) => (w = answered(w, slot, w.nextPoll - 1, now + rtt)))
    }
    return w
  }

  it("what the slowest acker takes bounds the network, each one's own rate how far it lags [A-1] [A-4]", () => {
    const w = measured([2, 2])
    const rate = batch
    const network = rate * (3 + Limits.queueingMillis)
    assert.closeTo(Window.bytes(w, 10), network, 1)
    assert.closeTo(lagBytes(w, 1, 10), rate * (3 + Limits.queueingMillis + Limits.lagMillis), 1)
    // nobody has it: the network bounds
    assert.isFalse(isOpen(sent(w, network, 20), batch, 20))
    // the fastest has everything: only the lag bounds
    const flying = answered(polled(sent(w, network, 20), 20), 0, w.nextPoll, 21)
    assert.isTrue(isOpen(flying, batch, 21))
    assert.isFalse(isOpen(sent(flying, 20 * rate, 21), batch, 21))
    // who takes a tenth may lag a tenth of that
    assert.closeTo(lagBytes(measured([1, 10]), 1, 10), (2 * rate * (15 + 10 + 20)) / 10, 1)
  })

  it("an acker on the master's machine says nothing of the network, unless all are there", () => {
    const send = (w: Window.Window) => answered(polled(sent(w, 14 * batch, 20), 20), 0, w.nextPoll, 21)
    assert.isTrue(isOpen(send(measured([2, 2])), batch, 21))
    assert.isFalse(isOpen(send(measured([2, 2], (slot) => slot === 0)), batch, 21))
    assert.isTrue(isOpen(send(measured([2, 2], () => true)), batch, 21))
  })

  it("a poll asks a share of the ackers in turn, and all that lag [A-3]", () => {
    const slots = Array.from({ length: 32 }, (_, slot) => slot)
    let w = Window.setAckers(Window.make(large), slots, 0)
    const asked = new Set<number>()
    for (let i = 0; i < 4; i++) {
      const next = Polls.askedNext(w, 0)
      assert.strictEqual(next.length, Limits.polledAckers)
      for (const slot of next) asked.add(slot)
      w = Polls.polled(w, next, i)
    }
    assert.strictEqual(asked.size, 32)
    // all of them lag by more than half of what they may: whoever closes the window is asked
    w = sent(w, lagBytes(w, 0, 10) / 2 + 1, 10)
    assert.deepStrictEqual([...Polls.askedNext(w, 0)], slots)
    // also where the receive buffer closes it
    const tiny = sent(Window.setAckers(Window.make(1), slots, 0), 100, 0)
    assert.deepStrictEqual([...Polls.askedNext(tiny, 0)], slots)
  })

  it("a slab is filled wholly where the slowest acker takes that quickly, else by half", () => {
    const half = Limits.slabBytes / 2
    const filled = (w: Window.Window) => Window.slabBytes(w, 0)
    assert.strictEqual(filled(Window.make(large)), half)
    assert.strictEqual(filled(make([1])), half)
    const quickly = Limits.slabBytes / Limits.slabMillis
    const after = (bytesPerMillis: number) => drive(start(make([1])), { bytesPerMillis, rttMillis: 1 }, 300).window
    assert.strictEqual(filled(after(quickly * 2)), Limits.slabBytes)
    assert.strictEqual(filled(after(quickly / 2)), half)
  })

  describe("where answers are lost [A-3]", () => {
    /** Ackers 0 to 31 of which number 5 gets four pages of five; polls and answers half a millisecond apart. */
    const lossy = (() => {
      let w = make(Array.from({ length: 32 }, (_, slot) => slot))
      for (let now = 0; now < 100; now++) {
        w = polled(sent(w, batch, now), now)
        for (const { slot } of w.ackers) {
          const received = Math.floor(w.sentPages * (slot === 5 ? 0.8 : 1))
          w = Window.answered(w, { slot, poll: w.nextPoll - 1, received }, now + 0.5)
        }
      }
      return w
    })()
    const clean = Window.setAckers(
      lossy,
      lossy.ackers.map(({ slot }) => slot).filter((slot) => slot !== 5),
      100
    )

    it("every poll asks who loses many", () => {
      let w = lossy
      for (let i = 0; i < 8; i++) {
        const next = Polls.askedNext(w, 100)
        assert.include(next, 5)
        assert.isAtMost(next.length, Limits.polledAckers + 1)
        w = Polls.polled(w, next, 100)
      }
    })

    it("a closed window polls again soon; late where they are not lost, at once when it is high time", () => {
      assert.strictEqual(Polls.pauseMillis(Polls.polled(lossy, [5], 100), 101), 4)
      assert.strictEqual(Polls.pauseMillis(Polls.polled(clean, [6], 100), 101), Limits.pollMillis - 1)
      assert.strictEqual(Polls.pauseMillis(Polls.polled(clean, [6], 100), 200), 0)
      // nothing moves: later and later, so that an answer comes before its poll is forgotten
      let w = sent(clean, batch, 100)
      for (let i = 0; i < 128; i++) w = Polls.polled(w, [6], 100)
      assert.strictEqual(Polls.pauseMillis(w, 100), Limits.maxPollMillis)
      assert.strictEqual(Polls.pauseMillis(polled(sent(w, batch, 100), 100), 100), Limits.pollMillis)
      // of whom nothing is known yet
      const fresh = Window.setAckers(clean, [6, 40], 100)
      assert.strictEqual(Polls.pauseMillis(Polls.polled(fresh, [6], 100), 101), 4)
      assert.strictEqual(Polls.pauseMillis(make([1]), 0), Limits.questionMillis)
    })
  })

  describe("stragglers [A-8]", () => {
    /** Ackers 1 and 2 have taken all that was sent at once, 3 nothing of it. */
    const held = (() => {
      let w = polled(sent(make([1, 2, 3]), 100_000, 0), 0)
      for (const slot of [1, 2, 3]) w = answered(w, slot, 1, 1)
      w = polled(sent(w, 2 * lagBytes(w, 3, 1), 1), 1)
      for (const slot of [1, 2]) w = answered(w, slot, 2, 2)
      return w
    })()
    const waited = (from: number, to: number) => {
      const w = Exclusion.waited(held, [3], 0, from)
      return Exclusion.waited(w, [3], from, to)
    }

    it("are those for whom the others wait, if they are no more than half of the group", () => {
      assert.isFalse(isOpen(held, batch, 2))
      assert.deepStrictEqual(Window.delaying(held, batch, 2), [3])
      const two = Window.setAckers(held, [2, 3], 2)
      assert.deepStrictEqual(Window.delaying(two, batch, 2), [3])
      const alone = Window.setAckers(held, [3], 2)
      assert.deepStrictEqual(Window.delaying(alone, batch, 2), [])
    })

    it("are nobody while the network itself has not brought what was sent", () => {
      const busy = sent(held, large, 2)
      assert.deepStrictEqual(Window.delaying(busy, batch, 2), [])
    })

    it("do not bound once they have held the others up most of the time; after a while they do again", () => {
      const short = waited(100, 900)
      assert.isFalse(isOpen(short, batch, 900))
      const long = waited(100, 1100)
      assert.isTrue(isOpen(long, batch, 1100))
      assert.deepStrictEqual(
        Exclusion.bounding(long, 1100).map((acker) => acker.slot),
        [1, 2]
      )
      // what is for stragglers goes at their pace
      assert.strictEqual(Window.room(long, batch, 1100, true), 0)
      // after that, while the others are not much faster
      const after = 1100 + Limits.exclusionMillis
      assert.isTrue(isOpen(long, batch, after))
      let w = long
      for (let now = after; now < after + 500; now += 10) {
        w = polled(sent(w, Window.bytes(w, now), now), now)
        for (const slot of [1, 2, 3]) w = answered(w, slot, w.nextPoll - 1, now + 1)
      }
      assert.strictEqual(Exclusion.bounding(w, after + 500).length, 3)
      // an excluded laggard is asked in its turn only
      assert.include(Polls.askedNext(held, 2), 3)
    })

    it("are not those that are as slow as half of the group, however fast one is", () => {
      let w = make([1, 2, 3])
      for (let now = 0; now < 100; now++) {
        w = polled(sent(w, batch, now), now)
        for (const slot of [1, 2, 3]) {
          const received = Math.floor(slot === 1 ? w.sentPages : w.sentPages / 5)
          w = Window.answered(w, { slot, poll: w.nextPoll - 1, received }, now + 0.5)
        }
      }
      for (const slot of [1, 2, 3]) assert.isFalse(Exclusion.isExcluded(w, slot, 100))
      // of two, half is the faster one
      assert.isTrue(Exclusion.isExcluded(Window.setAckers(w, [1, 2], 100), 2, 100))
    })

    it("are those, too, at which next to nothing arrives", () => {
      let w = make([1, 2, 3])
      for (let now = 0; now < 100; now++) {
        w = polled(sent(w, batch, now), now)
        for (const slot of [1, 2, 3]) {
          const received = slot === 3 ? 0 : w.sentPages
          w = Window.answered(w, { slot, poll: w.nextPoll - 1, received }, now + 0.5)
        }
      }
      assert.isTrue(Exclusion.isExcluded(w, 3, 100))
      assert.isTrue(Window.losesAtAnyPace(w, 3))
      assert.isFalse(Exclusion.isExcluded(w, 1, 100))
      assert.isAbove(Window.bytes(w, 100), 10 * Limits.minWindowBytes)
    })

    // a trial of less in flight was in vain there, as the pace was the others': a slow link was told to lose pages at random
    it("lose pages for the others' pace: that is no loss at random", () => {
      let w = waited(100, 1100)
      let received = 0
      const goesOn = (from: number, millis: number, stragglers: boolean) => {
        for (let now = from; now < from + millis; now++) {
          w = Polls.polled(sent(w, 4 * batch, now), [1, 2, 3], now, stragglers)
          received += (w.sentPages - w.asked.at(-2)!.sentPages) * 0.3
          for (const slot of [1, 2]) w = answered(w, slot, w.nextPoll - 1, now + 0.5)
          w = Window.answered(w, { slot: 3, poll: w.nextPoll - 1, received: Math.floor(received) }, now + 0.5)
        }
      }
      goesOn(1101, 200, false)
      assert.isTrue(Window.isLossy(w, 3))
      assert.isFalse(Window.losesAtAnyPace(w, 3))
      // in part at its own pace
      for (let now = 1301; now < 1601; now += 4) {
        goesOn(now, 3, false)
        goesOn(now + 3, 1, true)
      }
      assert.isFalse(Window.losesAtAnyPace(w, 3))
      // at its own pace
      goesOn(1601, 200, true)
      assert.isTrue(Window.losesAtAnyPace(w, 3))
    })

    it("a catcher that held them up a part of the time stays", () => {
      const w = Exclusion.waited(Exclusion.waited(held, [3], 0, 500), [3], 1000, 1100)
      assert.isFalse(isOpen(w, batch, 1100))
    })
  })

  it("an answer that comes after a later one begins no debt", () => {
    let w = polled(sent(polled(sent(make([1]), batch, 0), 0), batch, 1), 1)
    w = answered(answered(w, 1, 2, 2), 1, 1, 3)
    assert.isUndefined(w.ackers[0].owesMillis)
  })

  it("an acker that is new has all that was sent before it came", () => {
    const w = Window.setAckers(sent(make([1]), 100_000, 0), [1, 2], 5)
    assert.deepStrictEqual(
      w.ackers.map((acker) => acker.ackedBytes),
      [0, 100_000]
    )
  })

  it("one batch always may fly, however small the window", () => {
    const w = Window.limit(make([1], 1), 1)
    assert.isTrue(isOpen(w, 10 * batch, 0))
    assert.isFalse(isOpen(sent(w, 1, 0), 10 * batch, 0))
  })

  it("without ackers nothing bounds it", () => {
    assert.isTrue(isOpen(sent(make([]), large, 0), large, 0))
  })

  // from a switch to a satellite: with whole batches rounded down it stood still beyond 20 ms, with polls further apart than
  // one batch beyond 40, with samples of less than 200 ms beyond that
  it.for(
    mostly([0.2, 20, 250], [2, 60, 120]).flatMap((rttMillis) =>
      [12_500, 125_000].map((rate) => [rttMillis, rate] as const)
    )
  )(
    "grows until the path is full, at %s ms of round trip and %s bytes a millisecond",
    ([rttMillis, bytesPerMillis]) => {
      const path = { bytesPerMillis, rttMillis }
      const grown = drive(start(make([1], 64 * 1024 * 1024)), path, 200 * (rttMillis + 20))
      assert.isAbove(drive(grown, path, 2000).sentBytes, 0.9 * path.bytesPerMillis * 2000)
    }
  )

  it("never goes beyond the smallest receive buffer, and not below the floor", () => {
    const limitBytes = 512 * 1024
    const fast = drive(start(make([1], limitBytes)), { bytesPerMillis: 1_000_000, rttMillis: 50 }, 1000)
    assert.isAtMost(fast.windowBytes, limitBytes)
    assert.isAtMost(fast.mostBytes, limitBytes)
    const slow = drive(start(make([1])), { bytesPerMillis: 100, rttMillis: 1 }, 10_000)
    assert.strictEqual(slow.windowBytes, Limits.firstWindowBytes)
    const path = { bytesPerMillis: 1250, rttMillis: 1, queueBytes: 40_000 }
    const shallow = drive(start(make([1])), path, 10_000)
    assert.isBelow(shallow.windowBytes, 60_000)
    assert.isAtLeast(shallow.windowBytes, Limits.minWindowBytes)
    // somebody with a smaller buffer comes
    assert.isAtMost(Window.bytes(Window.limit(fast.window, 200_000), fast.nowMillis), 200_000)
    assert.isAtMost(Window.make(Number.MAX_SAFE_INTEGER).limitBytes, Limits.maxWindowBytes)
  })

  it("shrinks when the path slows down and round trips inflate; the queue stays short", () => {
    const fast = drive(start(make([1])), { bytesPerMillis: 125_000, rttMillis: 2 }, 1000)
    const path = { bytesPerMillis: 25_000, rttMillis: 2 }
    const slow = drive(fast, path, 1000)
    assert.isBelow(slow.windowBytes, fast.windowBytes / 2)
    // what may wait on the path: the queueing that is allowed
    const allowed = path.bytesPerMillis * (1.5 * path.rttMillis + Limits.queueingMillis)
    assert.isAtMost(drive(slow, path, 500).mostBytes, 1.5 * allowed + batch)
  })

  it("pages that somebody sends again count for no more than was sent [A-4]", () => {
    const path = { bytesPerMillis: 10_000, rttMillis: 5 }
    const [plain, replayed] = [0, 3].map((replays) => drive(start(make([1])), { ...path, replays }, 1000).windowBytes)
    assert.approximately(replayed, plain, plain / 50)
  })

  it("a pause is no measure of the path: the window is after it what it was", () => {
    const path = { bytesPerMillis: 125_000, rttMillis: 2 }
    const { answers, ...before } = drive(start(make([1])), path, 1000)
    let w = before.window
    for (const { at, ...answer } of answers) w = Window.answered(w, { slot: 1, ...answer }, at)
    const full = Window.bytes(w, 1100)
    w = polled(sent(w, batch, 60_000), 60_000)
    w = answered(w, 1, w.nextPoll - 1, 60_002)
    assert.isAbove(Window.bytes(w, 60_002), 0.9 * full)
    assert.isAbove(full, Limits.minWindowBytes)
  })

  describe("a link with a queue of its own", () => {
    const rate = 125_000
    const settled = (path: Omit<Path, "rttMillis">) => {
      const all = { rttMillis: 0.3, ...path }
      return drive(drive(start(make([1])), all, 2000), all, 2000)
    }
    /** How much of what is sent arrives, and of what the link carries is used. */
    const efficiency = (path: Omit<Path, "rttMillis">) => {
      const { share, sentBytes } = settled(path)
      return { share, used: (sentBytes * share) / 2000 / path.bytesPerMillis }
    }

    // without trials half of what is sent to one of 4 ms is lost
    it.for([1, 1.5, 2, 4, 6, 16])("of %s ms is filled, and little of what is sent is lost there [A-9]", (millis) => {
      const { share, used } = efficiency({ bytesPerMillis: rate, queueBytes: millis * rate })
      assert.isAbove(share, 0.97)
      assert.isAbove(used, 0.95)
    })

    it("of 10 Mb/s is filled, and nothing lost there [A-4]", () => {
      const { share, used } = efficiency({ bytesPerMillis: 1250, queueBytes: 62_000 })
      assert.isAbove(share, 0.99)
      assert.isAbove(used, 0.95)
    })

    it("that takes its first bytes at once is not thought to be that fast [A-4]", () => {
      // as tc-tbf(8) makes it of 100 Mb/s, a burst of 128 kB and a latency of 20 ms
      const path = { bytesPerMillis: 12_500, rttMillis: 0.3, queueBytes: 378_000, tokenBytes: 128_000 }
      assert.isAbove(drive(start(make([1])), path, 1000).share, 0.999)
    })

    it.for([0.05, 0.2, 0.4])("is filled also when %s is lost at random [A-9]", (loss) => {
      assert.isAbove(efficiency({ bytesPerMillis: rate, loss }).used, 0.97 * (1 - loss))
      // far away, the window must not shrink from round trip to round trip
      const far = { bytesPerMillis: 12_500, rttMillis: 60, loss: loss / 2 }
      assert.isAbove(efficiency(far).used, 0.97 * (1 - loss / 2))
    })
  })

  const Action = Schema.Union([
    Schema.TaggedStruct("Sent", { bytes: int(1, batch) }),
    Schema.TaggedStruct("Polled", {}),
    Schema.TaggedStruct("Answered", { slot: int(0, 4), back: int(-2, 140) }),
    Schema.TaggedStruct("Ackers", { slots: Schema.Array(int(0, 4)).check(Schema.isMaxLength(4)) }),
    Schema.TaggedStruct("Limit", { bytes: int(0, 100_000_000) }),
    Schema.TaggedStruct("Later", { millis: int(0, 400) })
  ])
  it.prop(
    "whatever happens: acknowledged is never more than sent, the window stays between its bounds",
    [Schema.Array(Action).check(Schema.isMaxLength(60))],
    ([actions]) => {
      let w = make([0])
      let now = 0
      for (const action of actions) {
        if (action._tag === "Sent") w = sent(w, action.bytes, now)
        else if (action._tag === "Polled") w = polled(w, now)
        else if (action._tag === "Answered") w = answered(w, action.slot, w.nextPoll - action.back, now)
        else if (action._tag === "Ackers") w = Window.setAckers(w, [...new Set(action.slots)], now)
        else if (action._tag === "Limit") w = Window.limit(w, action.bytes)
        else now += action.millis
        assert.isAtMost(Window.bytes(w, now), w.limitBytes)
        assert.isAtLeast(Window.bytes(w, now), Limits.minWindowBytes)
        const acked = Window.ackedBytes(w, now)
        assert.isTrue(acked >= 0 && acked <= w.sentBytes)
        assert.isAtMost(w.asked.length, 128)
        if (acked === w.sentBytes) assert.isTrue(isOpen(w, batch, now))
      }
    }
  )
})
