/**
 * Shared by the parts of the disk store: the destination with the ways to change it, and the session's tree. There is one
 * site for each store; `begin` starts it anew with each session.
 */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as fs from "node:fs"
import type { Calls } from "../../system/Libc.ts"
import { Libc } from "../../system/Libc.ts"
import * as FakeSuper from "../../system/FakeSuper.ts"
import { limitOf, type Veto } from "../../filter/Veto.ts"
import * as Status from "../../system/Status.ts"
import { Programs } from "../../system/Programs.ts"
import type { Entry } from "../../tree/Entry.ts"
import { keyOf, ofKey } from "../../tree/Names.ts"
import { defaults } from "../../tree/Policy.ts"
import { Alike } from "../Alike.ts"
import { Inventory } from "../Inventory.ts"
import { refusal } from "../Reasons.ts"
import type { Surveyed, Where } from "../Store.ts"
import { Backups } from "./Backups.ts"
import type { Contents } from "./Contents.ts"
import { Changes } from "./Changes.ts"
import * as Confinement from "./Confinement.ts"
import { Describe, openUp } from "./Describe.ts"
import { Destination } from "./Destination.ts"
import { Guard } from "./Guard.ts"
import { oneFor, Partials } from "./Partials.ts"
import { Replaced } from "./Replaced.ts"
import { Temporaries } from "./Temporaries.ts"
import type { Forcing } from "./Way.ts"

export class Site {
  readonly destination: Destination
  readonly temporaries: Temporaries
  readonly partials: Partials
  readonly changes: Changes
  readonly replaced = new Replaced()
  readonly describe: Describe
  readonly libc: Option.Option<Calls>
  /** Keeps in attributes what only root may set; undefined: that is left as it is. */
  readonly fakeSuper: FakeSuper.FakeSuper | undefined
  /** Sees things as what they stand for. */
  readonly looks: Status.Looks
  readonly programs: string
  /** Is all to be on the disk before it is said to be there, whatever the master wishes? */
  private readonly syncsAlways: boolean
  /** What no master may do here. */
  readonly veto: Veto
  /** The user that makes the entries. */
  readonly user: number
  inventory: Inventory
  /** How directories make way for something else; undefined: those that are not empty stay. */
  forcing: Forcing | undefined
  /** Files whose content was looked at. */
  contents: Contents | undefined
  /** Entries whose files the survey has found to be one. */
  shared: ReadonlySet<number> = new Set()
  /** Names that older versions of large files have where nothing has their own, by entry. */
  readonly similar = new Map<number, Buffer>()
  /** Directories that are there, and get their metadata at the end. */
  directories = new Set<number>()
  /** Of directories that the session opened up, by their keys: their modes before; undefined: it made them. */
  readonly modesBefore = new Map<string, number | undefined>()
  /** Of the session's entries, once one of them is put in its place. */
  private alike: Alike | undefined
  /** Has the survey found two names of the tree that lead to one file? Then what looks right may be another's. */
  hasTwins = false
  /** What is protected as it stands there. */
  guard: Guard
  /** Paths of the tree that may be places of what is kept in part, once they are asked for. */
  private partNames: ReadonlySet<string> | undefined

  constructor(
    destination: Destination,
    options: {
      readonly libc: Option.Option<Calls>
      readonly fakeSuper: FakeSuper.FakeSuper | undefined
      readonly owner: string | undefined
      readonly random: typeof Random.Random.Service
      readonly programs: string
      readonly veto: Veto
      readonly syncs: boolean
      readonly partials: Where
    }
  ) {
    this.user = process.geteuid?.() ?? 0
    this.destination = destination
    this.libc = options.libc
    this.fakeSuper = options.fakeSuper
    this.looks = options.fakeSuper ?? Status.looks
    this.programs = options.programs
    this.veto = options.veto
    this.syncsAlways = options.syncs
    this.inventory = new Inventory([], this.veto)
    this.guard = new Guard(destination, this.veto)
    const { user, veto } = this
    this.partials = new Partials({ destination, user, veto, where: options.partials }, () => this.session)
    this.temporaries = new Temporaries(options.owner, user, options.random, (temporary, spot) =>
      this.partials.keep(temporary, spot)
    )
    this.changes = new Changes(destination, this.temporaries)
    this.describe = new Describe(this.givesAway, options.libc, options.fakeSuper)
  }

  /** Only root gives files away. */
  get isRoot(): boolean {
    return this.user === 0
  }

  /** Are owners set, and devices made, or kept in attributes? */
  get givesAway(): boolean {
    return this.isRoot || this.fakeSuper !== undefined
  }

  /** Is what has arrived to be on the disk before it is said to be there? [F-9] */
  get syncs(): boolean {
    const { policy } = this.describe
    return (this.syncsAlways || policy.syncs) && !policy.isDryRun
  }

  /** What has to be left alone of what is kept in part. */
  private get session() {
    const names = (this.partNames ??= new Set(
      this.inventory.entries.map(({ path }) => keyOf(path)).filter((key) => this.partials.mayHave(key))
    ))
    return { guard: this.guard, isTaken: (key: string) => names.has(key) }
  }

  /** A session begins with these entries. */
  begin(entries: ReadonlyArray<Entry>): void {
    this.inventory = new Inventory(entries, this.veto)
    this.contents = undefined
    this.similar.clear()
    this.shared = new Set()
    this.alike = undefined
    this.hasTwins = false
    this.partNames = undefined
    this.guard = new Guard(this.destination, this.veto)
    this.forcing = undefined
    this.changes.backups = undefined
    this.describe.policy = defaults
    this.directories = new Set()
    this.modesBefore.clear()
    this.temporaries.begin()
    this.partials.begin()
  }

  /** Takes what a survey has found of these entries. */
  takeSurvey(surveyed: Surveyed): void {
    const { filter, policy } = surveyed
    this.inventory.takeSurvey(surveyed)
    const limit = limitOf(this.veto, policy.mostDeleted ?? Infinity)
    this.forcing = policy.forces ? { filter, limit, most: limit.most } : undefined
    this.describe.policy = policy
    const { backup } = policy
    if (backup === undefined) return
    const { destination, fakeSuper, guard, isRoot, modesBefore, temporaries, veto } = this
    const { entries } = this.inventory
    const of = { backup, destination, temporaries, entries, guard, veto, modesBefore, isRoot, fakeSuper }
    this.changes.backups = new Backups(of)
  }

  /** Lets us write to a directory that was there before the session. */
  openUp(key: string): void {
    const { tree } = this.destination
    // the mode that is kept stays
    const kept = this.fakeSuper && tree.see(ofKey(key))?.mode
    const before = openUp(tree.directory(key))
    if (!this.modesBefore.has(key)) this.modesBefore.set(key, kept ?? before)
  }

  private alikeEntries(): Alike {
    return (this.alike ??= new Alike(this.inventory.entries))
  }

  /** May what looks right be another entry's? */
  mayBeTwin(index: number): boolean {
    return this.hasTwins && this.alikeEntries().concerns(index)
  }

  /** Throws where what has an entry's place is protected, or the destination cannot tell the place from those of others. */
  mustBeApart(index: number): void {
    const entry = this.inventory.entries[index]
    if (this.guard.protects) this.guard.check(keyOf(entry.path))
    const alike = this.alikeEntries()
    if (!alike.concerns(index)) return
    const spot = this.destination.spot(entry.path)
    const names = () => fs.readdirSync(spot.directory.self, { encoding: "buffer" })
    alike.check(index, Confinement.look(Confinement.pathOf(spot)), names)
  }

  /** Puts an entry in its place, if that is its own. */
  apart<A>(index: number, put: () => A): A {
    this.mustBeApart(index)
    const done = put()
    const alike = this.alikeEntries()
    if (!alike.concerns(index)) return done
    const { path } = this.inventory.entries[index]
    alike.placed(index, Confinement.look(Confinement.pathOf(this.destination.spot(path))))
    return done
  }

  /** The same, again where another catcher of the destination was faster. */
  place<A>(index: number, put: () => A): A {
    return this.apart(index, () => this.destination.persistently(put))
  }
}

/** A site whose destination is closed with the scope. */
export const make = Effect.fnUntraced(function* (
  path: Buffer,
  options: {
    readonly owner: string | undefined
    readonly veto: Veto
    readonly syncs: boolean
    readonly partials: Where
    readonly fakesSuper: boolean
  }
) {
  const own = yield* Libc
  const fakeSuper = options.fakesSuper
    ? Option.getOrUndefined(Option.flatMapNullishOr(own, (calls) => FakeSuper.make(calls)))
    : undefined
  if (options.fakesSuper && fakeSuper === undefined)
    return yield* refusal(
      "ENOSYS",
      "--fake-super keeps owners in extended attributes, which can be had on Linux alone, with the package koffi"
    )
  const libc = fakeSuper === undefined ? own : Option.some(fakeSuper.calls)
  const random = yield* Random.Random
  const destination = new Destination(path, yield* Confinement.Handles, libc, oneFor(options.partials))
  yield* Effect.addFinalizer(() => Effect.sync(() => destination.close()))
  return new Site(destination, { ...options, libc, fakeSuper, random, programs: yield* Programs })
})
