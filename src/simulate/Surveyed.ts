/**
 * What befalls a catcher while it is surveyed, or between that and its commit: it needs long, it dies, or somebody else changes
 * its tree.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { destination, type Given } from "../store/Memory.ts"
import type { Node, Volume } from "../store/Volume.ts"
import { display } from "../tree/Names.ts"
import { refused } from "../tree/Validate.ts"
import { Dice } from "./Dice.ts"
import type { Disk, Host, World } from "./Simulation.ts"
import { timeoutMillis } from "./Timing.ts"
import * as Tree from "./Tree.ts"

const kinds = ["slow", "dies", "changes", "changes"] as const

export class SurveyFault {
  readonly name: string
  readonly kind: (typeof kinds)[number]
  /** How long the survey takes, at an even pace. */
  private readonly lastsMillis: number
  /** Counted from the first look. */
  private readonly atMillis: number
  /** Counted from its death; undefined: it is not started again. */
  private readonly returnsMillis: number | undefined
  private readonly tree: ReadonlyArray<Given>
  private readonly dice: Dice
  /** Is something described otherwise, and nothing else changed? Then it may well end complete. */
  private readonly isMild: boolean
  private looks = 0

  constructor(dice: Dice, name: string, tree: ReadonlyArray<Given>) {
    this.name = name
    this.tree = tree
    this.kind = dice.pick(...kinds)
    this.lastsMillis = dice.scaled(1, this.kind === "slow" ? 3 * timeoutMillis : 300)
    // a death comes in the survey, a change mostly after it
    const isIn = this.kind === "dies" || dice.hits(0.3)
    this.atMillis = isIn ? this.lastsMillis * dice.chance.next() : this.lastsMillis + dice.scaled(1, 3000)
    this.returnsMillis = dice.hits(0.7) ? dice.scaled(5, 2 * timeoutMillis) : undefined
    const seed = dice.whole(0, 0xffff_ffff)
    this.dice = new Dice(seed)
    this.isMild = new Dice(seed ^ 0x5d2c_91e3).hits(0.4)
  }

  get telling(): string {
    const { atMillis, kind, lastsMillis, name, returnsMillis } = this
    const then = kind === "dies" ? `, returns ${returnsMillis?.toFixed(1)}` : ""
    return `${name}'s survey: ${kind} at ${atMillis.toFixed(1)}, lasts ${lastsMillis.toFixed(1)}${then}`
  }

  /** The disk of its catcher. */
  disk(disk: Disk): Disk {
    const look = Effect.suspend(() => {
      this.looks++
      return Effect.sleep(this.lastsMillis / this.tree.length)
    })
    const turn = disk.turn ?? (() => Effect.void)
    return { ...disk, turn: (operation) => (operation === "survey" ? look : turn(operation)) }
  }

  act({ hosts, master }: World, excuse: (name: string, why: string) => void): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const host = hosts.find((host) => host.name === this.name)!
      if (this.kind === "slow") return
      while (this.looks === 0) yield* Effect.sleep(1)
      const before = this.standing(host.volume)
      yield* Effect.sleep(this.atMillis)
      if (!host.runs || host.memory.stage() !== "Open") return
      if (this.kind === "changes") {
        excuse(this.name, "its tree was changed")
        return this.change(host, before)
      }
      excuse(this.name, "it died in the survey")
      yield* host.crash
      if (this.returnsMillis === undefined) return
      yield* Effect.sleep(this.returnsMillis)
      if (master.runs) host.start()
    })
  }

  /** Of what the tree has and a catcher might change: what stands there. What is refused may lead out of the destination. */
  private standing(volume: Volume): ReadonlyMap<string, Node | undefined> {
    const entries = this.tree.map(({ entry }) => entry)
    const refusals = refused(entries)
    return new Map(
      entries.flatMap(({ _tag, path }, index) =>
        _tag === "Directory" || _tag === "HardLink" || refusals.has(index)
          ? []
          : [[display(path), volume.find(`${destination}/${display(path)}`)] as const]
      )
    )
  }

  /**
   * Something else comes in a name's place. What the catcher has put there meanwhile stays, and what it has recognised: nothing could
   * tell it of that.
   */
  private change(host: Host, before: ReadonlyMap<string, Node | undefined>): void {
    const { dice } = this
    const { memory, volume } = host
    const now = this.standing(volume)
    const isLeft = (name: string) =>
      before.get(name) === now.get(name) && !memory.recognised.has(`${destination}/${name}`)
    const names = [...before.keys()].filter(isLeft)
    if (names.length === 0) return
    host.isMeddledWith = true
    for (let times = this.isMild ? 0 : dice.whole(1, 3); times > 0; times--) {
      const path = `${destination}/${dice.pick(...names)}`
      volume.unlink(path)
      const kind = dice.pick("gone", "other", "directory")
      if (kind === "directory") volume.mkdir(path)
      const size = dice.whole(0, 3000)
      const at = kind === "directory" ? `${path}/${Tree.extraneous}` : path
      if (kind === "other" || dice.hits(0.5)) {
        Result.map(volume.create(at, size), (file) => {
          volume.write(file, 0, Tree.bytes(size, 79))
          volume.close(file)
        })
      }
    }
    for (let times = this.isMild ? 3 : 1; times > 0; times--) this.describe(volume, names)
    host.isMeddledWith = false
  }

  /** One that stands has another mode from then on. */
  private describe(volume: Volume, names: ReadonlyArray<string>): void {
    const node = volume.find(`${destination}/${this.dice.pick(...names)}`)
    const { entry } = node ?? {}
    // a link's own mode is not to be set
    if (node === undefined || entry === undefined || entry._tag === "HardLink" || entry._tag === "Symlink") return
    volume.setMetadata(node, { ...entry, metadata: { ...entry.metadata, mode: entry.metadata.mode ^ 0o111 } })
  }
}

export const surveyFaultOf = (dice: Dice, catchers: number, tree: ReadonlyArray<Given>): SurveyFault | undefined =>
  dice.hits(0.4) ? new SurveyFault(dice, `c${dice.whole(1, catchers)}`, tree) : undefined
