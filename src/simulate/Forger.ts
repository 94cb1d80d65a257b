/** Datagrams of a stranger to the session: forged ones, and damaged copies. */
import { nothingChanged } from "../protocol/Words.ts"
import type * as Simulated from "../transport/simulated/Network.ts"
import * as Codec from "../wire/Codec.ts"
import type { FromMaster, Message } from "../wire/Message.ts"
import { Dice } from "./Dice.ts"
import type { World } from "./Simulation.ts"

/** Page and Parity: the types of what carries content. */
const contentTypes: ReadonlySet<number> = new Set([8, 19])

/** Of the forged pages. */
const pageBytes = 512

/**
 * Hears the group, so that it knows the session, its files and its slots, and forges the catchers' addresses. What it does not
 * know is what a catcher told the master alone: its incarnation. To the catchers it speaks from an address of its own.
 */
export class Forger {
  private readonly dice: Dice
  private readonly catchers: number
  private world: World | undefined

  constructor(seed: number, catchers: number) {
    this.dice = new Dice(seed ^ 0x5bd1_e995)
    this.catchers = catchers
  }

  begin(world: World): void {
    this.world = world
  }

  hear(bytes: Uint8Array): void {
    if (contentTypes.has(bytes[3]) || !this.dice.hits(0.15)) return
    const heard = Codec.decode(bytes)
    if (heard._tag === "Failure") return
    const said = heard.success as FromMaster
    const slot = this.dice.whole(0, this.catchers - 1)
    const sender = { session: said.session, slot, incarnation: this.dice.whole(0, 0xffff_ffff) }
    for (const answer of answersTo(said, sender, this.dice)) this.forge(slot, Codec.encode(answer))
    const target = `c${this.dice.whole(1, this.catchers)}`
    this.world?.network.forge("10.255.0.1:4000", target, garbage(said, this.dice))
  }

  // slots are given in the order of joining, so any catcher may have any
  private forge(slot: number, bytes: Uint8Array): void {
    const { network } = this.world ?? {}
    if (network === undefined) return
    for (let i = 0; i < this.catchers; i++) {
      const from = network.addressOf(`c${((slot + i) % this.catchers) + 1}`)
      if (from !== undefined) network.forge(from, "master", bytes)
    }
  }
}

export const echoesOf = (dice: Dice, catchers: number): Echoes | undefined =>
  dice.hits(0.2) ? new Echoes(dice, catchers) : undefined

/** Some of what is no page comes once more, with a bit that was damaged on the way: that is as good as lost [W-7]. */
class Echoes {
  private readonly dice: Dice
  private readonly catchers: number
  private readonly share: number
  private world: World | undefined

  constructor(dice: Dice, catchers: number) {
    this.dice = dice
    this.catchers = catchers
    this.share = dice.pick(0.02, 0.3)
  }

  begin(world: World): void {
    this.world = world
  }

  hear({ bytes, isCatcher, name }: Simulated.Event): void {
    if (contentTypes.has(bytes[3]) || !this.dice.hits(this.share)) return
    const damaged = bytes.slice()
    const bit = this.dice.whole(0, bytes.length * 8 - 1)
    damaged[bit >> 3] ^= 1 << (bit & 7)
    const from = this.world?.network.addressOf(name)
    if (from === undefined) return
    this.world?.network.forge(from, isCatcher ? "master" : `c${this.dice.whole(1, this.catchers)}`, damaged)
  }
}

interface Sender {
  readonly session: bigint
  readonly slot: number
  readonly incarnation: number
}

const answersTo = (said: FromMaster, sender: Sender, dice: Dice): ReadonlyArray<Message> => {
  switch (said._tag) {
    case "Open":
      return [
        dice.hits(0.7)
          ? { _tag: "OpenOk", ...sender, file: said.file, opening: said.opening }
          : { _tag: "SitOut", ...sender, file: said.file, reason: "forged", about: "File" }
      ]
    case "Eof":
      return dice.hits(0.5)
        ? [{ _tag: "Complete", ...sender, file: said.file, held: 1 }]
        : [
            {
              _tag: "Missing",
              ...sender,
              file: said.file,
              round: said.round,
              first: said.first,
              count: said.count,
              held: 1,
              runs: [],
              lacks: undefined,
              spoiled: false
            }
          ]
    case "Close":
      return [{ _tag: "CloseOk", ...sender, file: said.file, from: said.from, failures: [], next: undefined }]
    case "Survey":
      return [
        {
          _tag: "SurveyOk",
          ...sender,
          file: 0,
          from: said.from,
          changes: nothingChanged,
          count: dice.pick(0, 1, 100),
          runs: [],
          doubted: 0,
          doubts: []
        },
        {
          _tag: "SurveyOk",
          ...sender,
          file: 0,
          from: said.from,
          changes: nothingChanged,
          count: 8192,
          runs: [said.from, 8192],
          doubted: 8192,
          doubts: [said.from, 8192]
        }
      ]
    case "Poll":
      return [{ _tag: "PollOk", ...sender, poll: said.poll, received: 1, dropped: 0, held: 1, worked: 1 }]
    case "Announce":
      return [{ _tag: "Aborted", ...sender, file: undefined }]
    default:
      return []
  }
}

/** A message as the master sends them, from an address that is not the master's. */
const garbage = (said: FromMaster, dice: Dice): Uint8Array => {
  const bytes = Codec.encode(said)
  if (!("file" in said) || said.file === undefined || dice.hits(0.5)) {
    return Codec.encode(
      dice.pick<Message>(
        { _tag: "Bye", session: said.session },
        { _tag: "Abort", session: said.session, file: undefined, reason: "forged", audience: [] }
      )
    )
  }
  // a page of that file
  const page = new Uint8Array(24 + pageBytes).fill(dice.whole(0, 255))
  page.set(bytes.subarray(0, 24))
  page[3] = 8
  page[4] = page.length & 255
  page[5] = page.length >> 8
  page.set([dice.whole(0, 40), 0, 0, 0], 20)
  return page
}
