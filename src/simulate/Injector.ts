/** Pages of somebody else, as the master's: from its address, of its session and of the right length, with other content. */
import * as Effect from "effect/Effect"
import * as Layout from "../protocol/file/Layout.ts"
import * as Limits from "../protocol/Limits.ts"
import type * as Simulated from "../transport/simulated/Network.ts"
import * as Codec from "../wire/Codec.ts"
import * as Header from "../wire/Header.ts"
import type { Announce, Open } from "../wire/Message.ts"
import type { Dice } from "./Dice.ts"
import type { World } from "./Simulation.ts"

/** How it is done. */
interface Injecting {
  readonly perSecond: number
  readonly lastsMillis: number
  /** To one catcher after the other; otherwise each page goes to all. */
  readonly isSingly: boolean
}

const injectingOf = (dice: Dice): Injecting | undefined =>
  dice.hits(0.15)
    ? { perSecond: dice.scaled(10, 3000), lastsMillis: dice.scaled(100, 10_000), isSingly: dice.hits(0.5) }
    : undefined

export const injectorOf = (dice: Dice, injecting = injectingOf(dice)): Injector | undefined =>
  injecting === undefined ? undefined : new Injector(dice, injecting)

/** Headers of pages that were heard, the latest of them. */
const heardHeaders = 512

/**
 * Hears the group. It injects pages that are still to come, whose headers it makes, and pages that were sent, with the headers
 * that it heard: somebody may have lost them.
 */
class Injector {
  /** Pages that were injected, once for each catcher. */
  injected = 0
  private readonly dice: Dice
  private readonly injecting: Injecting
  private announce: Announce | undefined
  private readonly layouts = new Map<number, Layout.Layout>()
  private readonly headers: Array<Uint8Array> = []
  private turn = 0

  constructor(dice: Dice, injecting: Injecting) {
    this.dice = dice
    this.injecting = injecting
  }

  get telling(): string {
    return `pages are injected: ${JSON.stringify(this.injecting)}`
  }

  hear({ bytes, isCatcher }: Simulated.Event): void {
    if (isCatcher) return
    Header.split(bytes, (at) => {
      const type = Header.typeOf(bytes, at)
      if (type === Header.types.Page || type === Header.types.Parity)
        this.keep(bytes.slice(at, at + Limits.headerBytes))
      else if (type === Header.types.Announce || type === Header.types.Open) this.learn(Codec.decode(bytes, at))
    })
  }

  private keep(header: Uint8Array): void {
    this.headers[this.turn++ % heardHeaders] = header
  }

  private learn(heard: ReturnType<typeof Codec.decode>): void {
    if (heard._tag === "Failure") return
    const said = heard.success as Announce | Open
    if (said._tag === "Announce") this.announce = said
    else {
      this.layouts.set(said.file, Layout.make({ ...said, blockPages: this.announce?.blockPages ?? 1 }))
    }
  }

  /** Injects for as long as it is to last. */
  readonly act = (world: World): Effect.Effect<void> =>
    Effect.gen({ self: this }, function* () {
      const { lastsMillis, perSecond } = this.injecting
      for (const untilMillis = world.now() + lastsMillis; world.now() < untilMillis;) {
        yield* Effect.sleep(1000 / perSecond)
        const datagram = this.dice.hits(0.5) ? this.toCome() : this.sent()
        if (datagram !== undefined) this.inject(world, datagram)
      }
    })

  private inject({ hosts, network }: World, datagram: Uint8Array): void {
    const master = network.addressOf("master")
    if (master === undefined) return
    const targets = this.injecting.isSingly ? [this.dice.pick(...hosts)] : hosts
    for (const { name } of targets) {
      network.forge(master, name, datagram)
      this.injected++
    }
  }

  /** A page that may not have been sent; or parity. */
  private toCome(): Uint8Array | undefined {
    const { announce, dice, layouts } = this
    if (announce === undefined || layouts.size === 0) return undefined
    const file = dice.pick(...layouts.keys())
    const session = Header.sessionOf(announce.session)
    return pageToCome(dice, file, layouts.get(file)!, () => session)
  }

  /** A page that was sent, with its header. */
  private sent(): Uint8Array | undefined {
    if (this.headers.length === 0) return undefined
    const header = this.dice.pick(...this.headers)
    const datagram = new Uint8Array(Header.lengthOf(header, 0)).fill(this.dice.whole(0, 255))
    datagram.set(header)
    return datagram
  }
}

/** A page of a file, or parity, with other content: as often of the trailer as of the content. */
export const pageToCome = (
  dice: Dice,
  file: number,
  layout: Layout.Layout,
  markOf: (kind: "Page" | "Parity", index: number) => Header.Session
): Uint8Array | undefined => {
  if (layout.pages === 0) return undefined
  const isParity = dice.hits(0.2)
  const page = dice.hits(0.5) ? dice.whole(layout.dataPages, layout.pages - 1) : dice.whole(0, layout.pages - 1)
  const index = isParity ? Header.parityIndex(dice.whole(0, layout.blocks - 1), dice.whole(0, 127)) : page
  const length = Limits.headerBytes + (isParity ? layout.pageBytes : Layout.payloadBytes(layout, page))
  const datagram = new Uint8Array(length).fill(dice.whole(0, 255))
  const kind = isParity ? "Parity" : "Page"
  Header.put(datagram, 0, Header.types[kind], length, markOf(kind, index), file, index)
  return datagram
}
