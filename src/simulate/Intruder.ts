/**
 * A stranger to a sealed session, without a key: it hears everything, and says again what it has
 * heard, whole or changed, from any address to anybody. It has also recorded an earlier session of
 * the same master. Nothing of that may change how a session ends.
 */
import * as Keys from "../seal/Keys.ts"
import * as MasterSeal from "../seal/MasterSeal.ts"
import * as Simulated from "../transport/simulated/Network.ts"
import * as Codec from "../wire/Codec.ts"
import type { Message } from "../wire/Message.ts"
import { Dice } from "./Dice.ts"
import { keys, type World } from "./Simulation.ts"

/** Recorded datagrams that are kept, the latest. */
const mostRecorded = 500

interface Recorded {
  readonly from: string
  readonly to: string
  readonly bytes: Uint8Array
}

export const intruderOf = (dice: Dice, catchers: number, isSealed: boolean): Intruder | undefined =>
  dice.hits(0.5) && isSealed ? new Intruder(dice, catchers) : undefined

class Intruder {
  private readonly dice: Dice
  private readonly catchers: number
  private readonly share: number
  private readonly recorded: Array<Recorded> = []
  private world: World | undefined

  constructor(dice: Dice, catchers: number) {
    this.dice = dice
    this.catchers = catchers
    this.share = dice.pick(0.02, 0.2)
  }

  begin(world: World): void {
    this.world = world
    const master = world.network.addressOf("master")
    if (master === undefined) return
    for (const bytes of earlier(master)) {
      for (let i = 1; i <= this.catchers; i++) this.recorded.push({ from: master, to: `c${i}`, bytes })
    }
  }

  hear({ bytes, isCatcher, name }: Simulated.Event): void {
    const { dice, recorded, world } = this
    const from = world?.network.addressOf(name)
    if (world === undefined || from === undefined) return
    const to = isCatcher ? "master" : `c${dice.whole(1, this.catchers)}`
    if (recorded.length >= mostRecorded) recorded.splice(dice.whole(0, mostRecorded - 1), 1)
    recorded.push({ from, to, bytes: bytes.slice() })
    if (!dice.hits(this.share)) return
    const again = dice.pick(...recorded)
    const everybody = ["master", ...Array.from({ length: this.catchers }, (_, i) => `c${i + 1}`)]
    const where = dice.hits(0.7) ? again.to : dice.pick(...everybody)
    const source = dice.hits(0.7) ? again.from : (world.network.addressOf(dice.pick(...everybody)) ?? again.from)
    world.network.forge(source, where, dice.hits(0.5) ? again.bytes : this.changed(again))
  }

  private changed({ bytes }: Recorded): Uint8Array {
    const { dice } = this
    if (dice.hits(0.2)) return Codec.encode(inTheOpen(bytes, dice))
    const out = dice.hits(0.2) ? bytes.slice(0, dice.whole(0, bytes.length)) : bytes.slice()
    for (let times = dice.whole(1, 4); times > 0 && out.length > 0; times--) {
      out[dice.whole(0, out.length - 1)] = dice.whole(0, 255)
    }
    return out
  }
}

/** A message without a seal, of the session that was heard. */
const inTheOpen = (bytes: Uint8Array, dice: Dice): Message => {
  const session = bytes.length < 16 ? 0n : new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(8, true)
  return dice.pick<Message>(
    { _tag: "Bye", session },
    { _tag: "Abort", session, file: undefined, reason: "forged", audience: [] },
    { _tag: "Close", session, file: 0, from: 0, audience: [0, 1, 2, 3] },
    { _tag: "Aborted", session, slot: dice.whole(0, 11), incarnation: 1, file: undefined }
  )
}

/** What the same master said in an earlier session, as far as catchers hear it before they join. */
const earlier = (master: string): ReadonlyArray<Uint8Array> => {
  const session = 0x0bad_5e55_1010n
  const seal = MasterSeal.make(keys, session, new Uint8Array(Keys.secretBytes), {
    ...{ now: () => 0, group: Simulated.defaultGroup, local: () => master },
    ...{ tell: () => {}, tellGroup: () => {}, onRefused: () => {} }
  })
  const announce = { _tag: "Announce", session, pageBytes: 512, blockPages: 128, timeoutMillis: 1000 } as const
  return [
    ...Array.from({ length: 5 }, (_, i) =>
      seal.seal({ ...announce, uptimeMillis: 200 * i + 60_000, spreadMillis: 0, joined: 0, wanted: 1 })
    ).flat(),
    ...seal.seal({ _tag: "Abort", session, file: undefined, reason: "recorded", audience: [] }),
    ...seal.seal({ _tag: "Bye", session })
  ]
}
