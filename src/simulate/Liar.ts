/**
 * A catcher that lies: it has a catcher's key, has joined under one name or several, and knows the
 * secret of the session. It answers what it likes, speaks as the master as far as it can, injects
 * pages with right marks, and joins from the addresses of others. It is a slow or a failing catcher at worst.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as FileLayout from "../protocol/file/Layout.ts"
import type { Address } from "../protocol/Address.ts"
import { bodyAt, numberOf, putNumber } from "../seal/Box.ts"
import * as CatcherSeal from "../seal/CatcherSeal.ts"
import * as Introduction from "../seal/Introduction.ts"
import * as Keys from "../seal/Keys.ts"
import * as Layout from "../seal/Layout.ts"
import { Marks } from "../seal/Marks.ts"
import * as PageSeal from "../seal/PageSeal.ts"
import * as Pair from "../seal/Pair.ts"
import * as Primitives from "../seal/Primitives.ts"
import type * as Seal from "../seal/Seal.ts"
import * as Signed from "../seal/Signed.ts"
import * as Welcomes from "../seal/Welcomes.ts"
import * as Simulated from "../transport/simulated/Network.ts"
import * as Header from "../wire/Header.ts"
import type { Announce, FromCatcher, FromMaster, Join, Message, Open } from "../wire/Message.ts"
import type { Dice } from "./Dice.ts"
import { pageToCome } from "./Injector.ts"
import { keys, type World } from "./Simulation.ts"

/** What it says of itself. */
type Manner = "mute" | "polls" | "lacks" | "spoiled" | "boasts" | "nonsense"
const manners: ReadonlyArray<Manner> = ["mute", "polls", "lacks", "spoiled", "boasts", "nonsense"]

/** What it does beside that. */
const misdeeds = ["pages", "polls", "signed", "guests", "joins"] as const
type Misdeed = (typeof misdeeds)[number]

/** How it is done. */
interface Lying {
  readonly manners: ReadonlyArray<Manner>
  readonly misdeeds: ReadonlyArray<Misdeed>
  readonly perSecond: number
  readonly lastsMillis: number
  /** Joins of its that lead to no life, in a whole session. */
  readonly mostJoins: number
  /** It answers from the address of another catcher. */
  readonly borrowsAddress: boolean
  /** It joins under another name beside these each time that so long has passed. */
  readonly againMillis: number
  /** When it falls silent. */
  readonly quitsMillis: number
  /** It joins under the name of another catcher as well, and says there that it has nothing. */
  readonly takesName: boolean
}

const lyingOf = (dice: Dice): Lying => ({
  manners: Array.from({ length: dice.whole(1, 3) }, () => dice.pick(...manners)),
  misdeeds: misdeeds.filter(() => dice.hits(0.5)),
  perSecond: dice.scaled(10, 500),
  lastsMillis: dice.scaled(100, 5000),
  mostJoins: 100,
  borrowsAddress: dice.hits(0.3),
  againMillis: dice.hits(0.2) ? dice.scaled(1000, 20_000) : Infinity,
  // only now and then it goes on until the master's patience with it ends, because that is long
  quitsMillis: dice.hits(0.05) ? Infinity : dice.scaled(300, 10_000),
  takesName: dice.hits(0.15)
})

export const liarOf = (dice: Dice, catchers: number): Liar => new Liar(dice, catchers, lyingOf(dice))

/** One of the names under which it takes part. */
interface Self {
  readonly name: string
  readonly manner: Manner
  readonly seal: Seal.CatcherSeal
  readonly incarnation: number
  readonly key: number
  readonly address: () => Address
  slot: number | undefined
}

/** Names that it has. */
const mostNames = 10

const catcherKeys = Keys.forCatchers(keys)
const joinSecret = Redacted.value(keys.joinSecret)
const guestKey = Pair.guestKey(joinSecret, Simulated.defaultGroup)

export class Liar {
  private readonly dice: Dice
  private readonly catchers: number
  private readonly lying: Lying
  private readonly master = Signed.verifierOf(keys.publicKey, Simulated.defaultGroup, () => this.world?.now() ?? 0)
  private world: World | undefined
  private selves: ReadonlyArray<Self> = []
  private announce: Announce | undefined
  /** The master's ephemeral key. */
  private ephemeral: Uint8Array | undefined
  private secret: Uint8Array | undefined
  private readonly opens = new Map<number, Open>()
  /** Incarnations of others, which stand in welcomes. */
  private readonly overheard: Array<number> = []
  private number = 0
  private poll = 0
  private joined = 0
  private named = 0
  private nextLife = Infinity

  constructor(dice: Dice, catchers: number, lying: Lying) {
    this.dice = dice
    this.catchers = catchers
    this.lying = lying
  }

  /** Names that it has. */
  get lives(): number {
    return this.lying.manners.length
  }

  get telling(): string {
    const { againMillis, quitsMillis, ...lying } = this.lying
    const times = `until ${quitsMillis.toFixed(0)}, again after ${againMillis.toFixed(0)}`
    return `a catcher lies ${times}: ${JSON.stringify(lying)}`
  }

  begin(
    world: World,
    excuse: (name: string, why: string) => void,
    name = `c${this.dice.whole(1, this.catchers)}`
  ): void {
    this.world = world
    this.nextLife = world.now() + this.lying.againMillis
    this.selves = this.lying.manners.map((manner) => this.life(world, manner))
    if (!this.lying.takesName) return
    excuse(name, "its name may be taken")
    this.selves = [...this.selves, this.life(world, this.dice.pick("polls", "lacks", "spoiled"), name)]
  }

  private life(world: World, manner: Manner, as?: string): Self {
    const { dice, lying } = this
    const nth = ++this.named
    const borrowed = `c${dice.whole(1, this.catchers)}`
    const own = `10.254.0.${nth}:4000`
    const address = () => (lying.borrowsAddress ? (world.network.addressOf(borrowed) ?? own) : own)
    const seal = CatcherSeal.make(catcherKeys, {
      ...{ now: world.now, group: Simulated.defaultGroup, local: address, tellGroup: () => {}, onRefused: () => {} },
      tell: (_, datagram) => world.network.forge(address(), "master", datagram)
    })
    const [incarnation, key] = [dice.whole(0, 0xffff_ffff), dice.whole(0, 0xffff_ffff)]
    return { name: as ?? `liar${nth}`, manner, seal, incarnation, key, address, slot: undefined }
  }

  // ---- it hears, and answers ----

  hear({ bytes, isCatcher, name }: Simulated.Event): void {
    const { world } = this
    const from = world?.network.addressOf(name)
    if (isCatcher || world === undefined || from === undefined || world.now() > this.lying.quitsMillis) return
    if (world.now() >= this.nextLife && this.named < mostNames) {
      this.nextLife = world.now() + this.lying.againMillis
      this.selves = [...this.selves, this.life(world, this.dice.pick(...this.lying.manners))]
    }
    Header.split(bytes, (at) => {
      if (Header.isPageType(Header.typeOf(bytes, at))) return
      this.overhear(bytes, at)
      for (const self of this.selves) {
        const message = self.seal.open(bytes, at, from)
        if (message !== undefined) this.take(self, message)
      }
    })
  }

  private overhear(bytes: Uint8Array, at: number): void {
    const datagram = Layout.copyAt(bytes, at)
    const type = Header.typeOf(datagram, 0)
    if (type === Header.types.Announce) {
      const said = Signed.openToAll(this.master, datagram)
      if (said !== undefined) this.ephemeral = said.ephemeral
    }
    if (type === Header.types.Welcome) this.overheard.push(...Welcomes.incarnationsOf(datagram))
    this.number = Math.max(this.number, numberOf(datagram))
  }

  private take(self: Self, message: Message): void {
    const { dice, opens } = this
    switch (message._tag) {
      case "Announce":
        if (this.announce?.session !== message.session) this.meet(message)
        if (self.slot === undefined) this.say(self, this.joinOf(message.session, self))
        return
      case "Welcome":
        for (const guest of message.guests) if ("slot" in guest) self.slot = guest.slot
        this.secret ??= self.seal.secretOf(message.session)
        return
      case "Open":
        opens.set(message.file, message)
        break
      case "Poll":
        this.poll = message.poll
    }
    if (self.slot === undefined || !("audience" in message) || dice.hits(0.1)) return
    if (!message.audience.includes(self.slot) && dice.hits(0.9)) return
    for (const lie of this.lies(self, message as FromMaster)) this.say(self, lie)
  }

  /** Another session: a master was started again. */
  private meet(announce: Announce): void {
    this.announce = announce
    this.secret = undefined
    this.opens.clear()
    for (const self of this.selves) self.slot = undefined
  }

  private joinOf(session: bigint, { incarnation, key, name }: Pick<Self, "incarnation" | "key" | "name">): Join {
    return { _tag: "Join", session, incarnation, key, moves: 0, receiveBufferBytes: 4_194_304, name }
  }

  private say(self: Self, message: FromCatcher): void {
    const datagram = self.seal.seal(message)
    if (datagram !== undefined) this.world?.network.forge(self.address(), "master", datagram)
  }

  private lies(self: Self, said: FromMaster): ReadonlyArray<FromCatcher> {
    const { dice } = this
    const sender = { session: said.session, slot: self.slot ?? 0, incarnation: self.incarnation }
    if (self.manner === "mute") return []
    if (said._tag === "Poll") return [{ _tag: "PollOk", ...sender, poll: said.poll, ...this.counts() }]
    if (self.manner === "polls") return []
    if (self.manner === "nonsense") return [this.nonsense(said, sender)]
    switch (said._tag) {
      case "Open":
        if (self.manner === "boasts") return [{ _tag: "Complete", ...sender, file: said.file, held: this.held() }]
        return [{ _tag: "OpenOk", ...sender, file: said.file, opening: said.opening }]
      case "Eof": {
        const { count, file, first, round } = said
        if (self.manner === "boasts") return [{ _tag: "Complete", ...sender, file, held: this.held() }]
        const lack = { first, count, runs: [first, count], lacks: undefined, spoiled: self.manner === "spoiled" }
        return [{ _tag: "Missing", ...sender, file, round, ...lack, held: this.held() }]
      }
      case "Close": {
        const failures = dice.hits(0.5) ? [{ entry: dice.whole(0, 9), reason: "a lie" }] : []
        return [{ _tag: "CloseOk", ...sender, file: said.file, from: said.from, failures, next: undefined }]
      }
      case "Survey":
        return [this.surveyed(sender, said.from, self.manner === "boasts" ? 0 : said.from + 1)]
      case "Probe":
        return [{ _tag: "ProbeOk", ...sender, probing: said.probing, train: said.train, ...this.probes() }]
      case "Abort":
        return [{ _tag: "Aborted", ...sender, file: said.file }]
      default:
        return []
    }
  }

  /** It lacks all from the first on that `lacks` names; 0: nothing. */
  private surveyed(
    sender: { session: bigint; slot: number; incarnation: number },
    from: number,
    lacks: number
  ): FromCatcher {
    const { dice } = this
    const count = dice.pick(1, dice.whole(1, 30), 8192)
    const changes = { created: 0xffff_ffff, updated: 0, described: count, kept: 0, deleted: 0xffff_ffff, vetoed: 0 }
    return {
      _tag: "SurveyOk",
      ...sender,
      file: 0,
      from,
      count,
      runs: lacks === 0 ? [] : [lacks - 1, count],
      doubts: dice.hits(0.3) ? [from, 1] : [],
      doubted: 0,
      changes
    }
  }

  private counts() {
    const { dice } = this
    const received = dice.pick(0, dice.whole(0, 10_000), 0xffff_ffff)
    const dropped = dice.pick(0, 0xffff_ffff)
    return { received, dropped, held: this.held(), worked: dice.pick(0, 1, 0xffff_ffff) }
  }

  private held(): number {
    return this.dice.pick(0, 1, Number.MAX_SAFE_INTEGER)
  }

  private probes() {
    const { dice } = this
    const arrived = { single: dice.pick(0, 512, 65_000), times: dice.pick(0, 1, 65_535), glued: dice.pick(0, 65_000) }
    return { ...arrived, pageBytes: 0 }
  }

  /** An answer of any type, about anything, as somebody else as well. */
  private nonsense(said: FromMaster, own: { session: bigint; slot: number; incarnation: number }): FromCatcher {
    const { dice } = this
    const others = this.overheard.length > 0 && dice.hits(0.3)
    const sender = others ? { ...own, incarnation: dice.pick(...this.overheard) } : own
    const file = "file" in said && dice.hits(0.7) ? (said.file ?? 0) : dice.pick(0, dice.whole(0, 20), 0xffff_fffe)
    const [first, count] = [dice.pick(0, dice.whole(0, 300), 0xffff_0000), dice.whole(1, 500)]
    const round = "round" in said ? said.round : dice.whole(0, 9)
    const held = this.held()
    return dice.pick<FromCatcher>(
      { _tag: "OpenOk", ...sender, file, opening: round },
      { _tag: "SitOut", ...sender, file, reason: "a lie", about: dice.pick("File", "Tree") },
      { _tag: "Complete", ...sender, file, held },
      { _tag: "CloseOk", ...sender, file, from: dice.whole(0, 9), failures: [], next: dice.pick(undefined, 0, 1) },
      { _tag: "Aborted", ...sender, file },
      this.surveyed(sender, "from" in said ? said.from : dice.whole(0, 9), dice.whole(0, 30)),
      {
        _tag: "Comparing",
        ...sender,
        ...{ file: 0, from: "from" in said ? said.from : 0, looked: dice.whole(0, 30), hashed: 0, toHash: 0 }
      },
      { _tag: "PollOk", ...sender, poll: dice.whole(0, 0xffff_ffff), ...this.counts() },
      { _tag: "ProbeOk", ...sender, probing: dice.whole(0, 9), train: dice.whole(0, 9), ...this.probes() },
      { _tag: "Missing", ...sender, ...{ file, round, first, count, held, lacks: [255], spoiled: false, runs: [] } },
      {
        _tag: "Missing",
        ...sender,
        ...{ file, round, first, count, held, lacks: undefined, spoiled: dice.hits(0.5), runs: [first, count] }
      }
    )
  }

  // ---- what it does unasked ----

  /** Does its misdeeds for as long as they are to last. */
  readonly act = (world: World): Effect.Effect<void> =>
    Effect.gen({ self: this }, function* () {
      const { lastsMillis, misdeeds, perSecond } = this.lying
      if (misdeeds.length === 0) return
      for (const untilMillis = world.now() + lastsMillis; world.now() < untilMillis;) {
        yield* Effect.sleep(1000 / perSecond)
        const master = world.network.addressOf("master")
        if (master !== undefined) this.misbehave(world, master, this.dice.pick(...misdeeds))
      }
    })

  private misbehave({ network }: World, master: Address, misdeed: Misdeed): void {
    const { announce, catchers, dice, secret } = this
    if (announce === undefined) return
    if (misdeed === "joins") return this.joinAsOther(announce)
    const everybody = ["master", ...Array.from({ length: catchers }, (_, i) => `c${i + 1}`)]
    if (misdeed === "guests") {
      const datagram = this.ofGuests(announce, dice.pick(master, `10.254.1.${dice.whole(1, 3)}:4000`))
      return network.forge(master, dice.pick(...everybody), datagram)
    }
    if (secret === undefined) return
    const datagram = misdeed === "pages" ? this.page(announce, secret) : this.ofGroup(announce, secret, misdeed)
    const targets = dice.hits(0.5) ? everybody : [dice.pick(...everybody)]
    if (datagram !== undefined) for (const name of targets) network.forge(master, name, datagram)
  }

  private page({ blockPages }: Announce, secret: Uint8Array): Uint8Array | undefined {
    const { dice, opens } = this
    if (opens.size === 0) return undefined
    const open = dice.pick(...opens.values())
    const seal = PageSeal.sealed(secret)
    const mark = (kind: PageSeal.Kind, index: number) => new Marks(seal, open.opening, kind).of(index)
    return pageToCome(dice, open.file, FileLayout.make({ ...open, blockPages }), mark)
  }

  /** As if the master had said it to its group: all is right but the signature, where there is one. */
  private ofGroup({ session }: Announce, secret: Uint8Array, misdeed: "polls" | "signed"): Uint8Array {
    const { dice, opens } = this
    const audience = Array.from({ length: this.catchers + this.lives }, (_, slot) => slot)
    const file = opens.size === 0 ? 0 : dice.pick(...opens.keys())
    const opening = opens.get(file)?.opening ?? 1
    const root = new Uint8Array(32)
    const said: FromMaster =
      misdeed === "polls"
        ? { _tag: "Poll", session, poll: this.poll + dice.pick(-1, 0, 1, 2, 1000), audience }
        : dice.pick<FromMaster>(
            { _tag: "Abort", session, file: undefined, reason: "a lie", audience },
            { _tag: "Abort", session, file, reason: "a lie", audience },
            { _tag: "Close", session, file: 0, from: 0, audience },
            { _tag: "Eof", session, file, round: 1, first: 0, count: 1, root, counts: false, audience },
            { _tag: "Digests", session, file, opening, first: 0, digests: new Uint8Array(8) }
          )
    const signatureBytes = Signed.bytesOf(Header.types[said._tag])
    const { datagram, end } = Layout.layOut(said, signatureBytes)
    putNumber(datagram, 0, Math.max(0, this.number + dice.pick(0, 1, 2, -5, 500)))
    datagram.fill(dice.whole(0, 255), end, end + signatureBytes)
    Pair.groupBox(secret, session).seal(datagram, bodyAt, end + signatureBytes)
    return datagram
  }

  /** As a guest or a master would say it that is not in yet: its tag is right. */
  private ofGuests(announce: Announce, master: Address): Uint8Array {
    const { dice } = this
    const session = announce.session + dice.pick(0n, 0n, 1n)
    if (dice.hits(0.3)) {
      const hail = Layout.fields(Header.handshakeTypes.Hail, session, new Uint8Array(16).fill(dice.whole(0, 255)))
      Primitives.putTag(guestKey, hail, hail.length - Primitives.tagBytes)
      return hail
    }
    const said = dice.pick<Message>(
      { ...announce, session, uptimeMillis: announce.uptimeMillis + 60_000 },
      { _tag: "Bye", session },
      { _tag: "Decline", session, incarnation: 1, silentMillis: 0, master }
    )
    const introduction = said._tag === "Announce" ? Introduction.make(Primitives.random(32), master) : none
    const addedBytes = said._tag === "Decline" ? 0 : introduction.length + Primitives.signatureBytes
    const { datagram, end } = Layout.layOut(said, addedBytes)
    putNumber(datagram, 0, this.number + 1)
    datagram.set(introduction, end)
    Primitives.putTag(guestKey, datagram, end + addedBytes)
    return datagram
  }

  /** A join under fresh keys and from the address of another catcher, which nobody goes on with. */
  private joinAsOther({ session }: Announce): void {
    const { dice, ephemeral: master, world } = this
    if (world === undefined || master === undefined || this.joined++ >= this.lying.mostJoins) return
    const own = Primitives.ephemeral()
    const handshake = { group: Simulated.defaultGroup, session, master, catcher: own.publicKey }
    const pair = Pair.make(own, master, joinSecret, handshake)
    const from = world.network.addressOf(`c${dice.whole(1, this.catchers)}`)
    if (pair === undefined || from === undefined) return
    const incarnation =
      this.overheard.length > 0 && dice.hits(0.2) ? dice.pick(...this.overheard) : dice.whole(0, 0xffff_ffff)
    const name = dice.hits(0.5) ? `c${dice.whole(1, this.catchers)}` : `liar ${this.joined}`
    const introduction = Introduction.make(own.publicKey, from)
    const join = this.joinOf(session, { incarnation, key: 1, name })
    world.network.forge(from, "master", Welcomes.sealJoin(join, 0, introduction, pair, guestKey))
  }
}

const none = new Uint8Array(0)
