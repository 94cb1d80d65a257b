/**
 * Shared by the parts of the disk store: the destination with the ways to change it, and the session's tree. There is one
 * site for each store; `begin` starts it anew with each session.
 */

import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as fs from "node:fs"
import type { Calls } from "../../system/Libc.ts"
import { Libc } from "../../system/Libc.ts"
import { Programs } from "../../system/Programs.ts"
import type { Entry } from "../../tree/Entry.ts"
import { Alike } from "../Alike.ts"
import { Inventory } from "../Inventory.ts"
import type { Surveyed } from "../Store.ts"
import { Changes } from "./Changes.ts"
import * as Confinement from "./Confinement.ts"
import { Describe } from "./Describe.ts"
import { Destination } from "./Destination.ts"
import { Temporaries } from "./Temporaries.ts"

export class Site {
  readonly destination: Destination
  readonly temporaries: Temporaries
  readonly changes: Changes
  readonly describe: Describe
  readonly libc: Option.Option<Calls>
  readonly programs: string
  /** The user that makes the entries. */
  readonly user: number
  inventory = new Inventory([])
  /** Directories that are there, and get their metadata at the end. */
  directories = new Set<number>()
  /** Of the session's entries, once one of them is put in its place. */
  private alike: Alike | undefined

  constructor(
    destination: Destination,
    options: {
      readonly libc: Option.Option<Calls>
      readonly owner: string | undefined
      readonly random: typeof Random.Random.Service
      readonly programs: string
    }
  ) {
    this.user = process.geteuid?.() ?? 0
    this.destination = destination
    this.libc = options.libc
    this.programs = options.programs
    this.temporaries = new Temporaries(options.owner, this.user, options.random)
    this.changes = new Changes(destination, this.temporaries)
    this.describe = new Describe(this.isRoot, options.libc)
  }

  /** Only root gives files away. */
  get isRoot(): boolean {
    return this.user === 0
  }

  /** A session begins with these entries. */
  begin(entries: ReadonlyArray<Entry>): void {
    this.inventory = new Inventory(entries)
    this.alike = undefined
    this.changes.forces = false
    this.changes.filter = undefined
    this.changes.most = Infinity
    this.directories = new Set()
    this.temporaries.begin()
  }

  /** Takes what a survey has found of these entries. */
  takeSurvey(surveyed: Surveyed): void {
    this.inventory.takeSurvey(surveyed)
    this.changes.forces = surveyed.policy.forces
    this.changes.filter = surveyed.filter
    this.changes.most = surveyed.policy.mostDeleted ?? Infinity
  }

  /** Puts an entry in its place, if the destination can tell the place from those of others. */
  apart<A>(index: number, put: () => A): A {
    const alike = (this.alike ??= new Alike(this.inventory.entries))
    if (!alike.concerns(index)) return put()
    const { path } = this.inventory.entries[index]
    const spot = this.destination.spot(path)
    const names = () => fs.readdirSync(spot.directory.self, { encoding: "buffer" })
    alike.check(index, Confinement.look(Confinement.pathOf(spot)), names)
    const done = put()
    alike.placed(index, Confinement.look(Confinement.pathOf(this.destination.spot(path))))
    return done
  }

  /** The same, again where another catcher of the destination was faster. */
  place<A>(index: number, put: () => A): A {
    return this.apart(index, () => this.destination.persistently(put))
  }
}

/** A site whose destination is closed with the scope. */
export const make = Effect.fnUntraced(function* (path: Buffer, owner: string | undefined) {
  const libc = yield* Libc
  const random = yield* Random.Random
  const destination = new Destination(path, yield* Confinement.Handles, libc)
  yield* Effect.addFinalizer(() => Effect.sync(() => destination.close()))
  return new Site(destination, { libc, owner, random, programs: yield* Programs })
})
