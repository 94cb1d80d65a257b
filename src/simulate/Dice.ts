/** Chance, as a story decides by it. */
import * as Chance from "../transport/Chance.ts"

export class Dice {
  readonly chance: Chance.Chance
  constructor(seed: number) {
    this.chance = Chance.make(seed)
  }
  hits(probability: number): boolean {
    return this.chance.next() < probability
  }
  pick<A>(...of: ReadonlyArray<A>): A {
    return of[Math.floor(this.chance.next() * of.length)]
  }
  whole(least: number, most: number): number {
    return least + Math.floor(this.chance.next() * (most - least + 1))
  }
  /** From `least` to `most`, small ones as often as large ones. */
  scaled(least: number, most: number): number {
    return least * (most / least) ** this.chance.next()
  }
}
