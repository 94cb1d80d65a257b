/**
 * The store on a disk: every entry is made below the destination, reached through Confinement. A file is written under a
 * temporary name beside its own (`.NAME.mrsync-XXXXXX`), or without one, and has its own when it is whole, so a reader sees the old
 * file or the new one. A failure of one entry is a failure of that entry alone.
 *
 * The parts: Destination (its life), Temporaries (names until a file is whole), Changes (how a name comes to have something
 * else), Describe (metadata), Entries (directories, links, FIFOs, devices), Single and Bundle (writers), Standing (files that are
 * there already), and Site, which they share.
 */

import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Bundles from "../../content/Bundles.ts"
import { entriesOf, none as noVeto, type Veto } from "../../filter/Veto.ts"
import type { Entry } from "../../tree/Entry.ts"
import type { Reusing } from "../../delta/Reuse.ts"
import type { CarriedFile } from "../../tree/Plan.ts"
import type { Policy } from "../../tree/Policy.ts"
import { replacingOf } from "../../tree/Room.ts"
import type { Failure } from "../../wire/Message.ts"
import { notKept } from "../Reasons.ts"
import type { Checked, StoreError, Surveyed, Where } from "../Store.ts"
import { Store } from "../Store.ts"
import { forEntry } from "./Attempt.ts"
import * as Bundle from "./Bundle.ts"
import * as Contents from "./Contents.ts"
import * as Deletion from "./Deletion.ts"
import * as Entries from "./Entries.ts"
import * as DiskRoom from "./Room.ts"
import * as Single from "./Single.ts"
import * as Site from "./Site.ts"
import * as Standing from "./Standing.ts"
import * as Survey from "./Survey.ts"
import * as Sync from "./Sync.ts"
import * as Way from "./Way.ts"

/** How a destination is used. */
export interface Options {
  /**
   * A name that no other living user of this destination has. It marks the temporary files, so that those which a killed
   * process of the same owner left are removed where files arrive again. Without it they stay.
   */
  readonly owner?: string | undefined
  /** With "InSession" a destination that cannot be used fails each session instead of the layer; "AtOnce" where it is not given. */
  readonly checked?: Checked | undefined
  /** What no master may do to the destination; everything is allowed where it is not given. [Y-9] */
  readonly veto?: Veto | undefined
  /** All is on the disk before it is said to be there, also where the master does not ask for it. [F-9] */
  readonly syncs?: boolean | undefined
  /**
   * Owners, modes, kinds and attributes that only root could set are kept in attributes, as `rsync --fake-super` does; also as root. A
   * file system without users' attributes refuses each such entry.
   */
  readonly fakesSuper?: boolean | undefined
  /** Where what had arrived of a large file is kept when its session ends early; beside its name where it is not given. [Y-15] */
  readonly partials?: Where | undefined
}

/**
 * A store whose destination is created if it does not exist (its parent must). Building the layer creates nothing, and
 * fails when the destination could not be used. `prepare` creates and opens it, when a session begins: a directory that is
 * mounted or made there while a catcher waits is where the tree goes. Once it is open its path must go on to name it.
 */
export const layer = (destination: string | Uint8Array, options: Options = {}): Layer.Layer<Store, StoreError> =>
  Layer.effect(Store, make(Buffer.from(destination as string), options))

const make = Effect.fn("Disk.make")(function* (
  path: Buffer,
  { checked = "AtOnce", fakesSuper = false, owner, partials: where = "Beside", syncs = false, veto = noVeto }: Options
) {
  const site = yield* Site.make(path, { owner, veto, syncs, partials: where, fakesSuper })
  const { destination, partials, temporaries } = site
  const bundles = Bundles.make()
  if (checked === "AtOnce") yield* destination.admissible

  // what may not come needs no room
  const admitted = (entries: ReadonlyArray<Entry>) => {
    const vetoed = entriesOf(veto, entries)
    return vetoed.size === 0 ? entries : entries.filter((_, index) => !vetoed.has(index))
  }
  const leftoverBytes = (directory: Buffer) => temporaries.leftoverBytes(directory) + partials.bytesIn(directory)
  const shortage = (entries: ReadonlyArray<Entry>, policy?: Policy) =>
    Effect.matchEffect(destination.admitted, {
      // `prepare` says why it cannot be used.
      onFailure: () => Effect.succeedNone,
      onSuccess: () =>
        Effect.andThen(
          site.replaced.settled,
          DiskRoom.shortage(path, admitted(entries), leftoverBytes, replacingOf(policy))
        )
    })

  const open = Effect.fn("Disk.open")(function* (carried: CarriedFile, reusing?: Reusing) {
    yield* site.replaced.settled
    switch (carried.kind) {
      case "Single":
        return yield* Single.open(site, carried, reusing)
      case "Bundle":
        return yield* Bundle.open(site, bundles, carried)
      case "Manifest":
      case "Revision":
      case "Selection":
      case "Hashes":
      case "Signatures":
        return yield* notKept()
    }
  })

  return Store.of({
    shortage,
    survey: (entries, policy, looked) => survey(site, entries, policy, looked),
    hash: (files, hashing) => Contents.hashAll(site, files, hashing),
    prepare: (entries, surveyed) => prepare(site, entries, surveyed),
    revise: (entries) => Effect.sync(() => void (site.inventory.entries = entries)),
    open,
    existing: (carried) => Standing.existing(site, carried),
    deleteOthers: (deleting) =>
      destination.isOpen
        ? Effect.andThen(destination.stands, Deletion.run(site, deleting))
        : Effect.succeed({ count: 0, vetoed: 0, failures: [] }),
    finish: finish(site),
    worked: () => destination.worked,
    stands: destination.stands
  })
})

const survey = Effect.fn("Disk.survey")(function* (
  site: Site.Site,
  entries: ReadonlyArray<Entry>,
  policy: Policy,
  looked?: (entries: number) => void
) {
  const { destination } = site
  // a dry run makes nothing, not even the destination
  if (policy.isDryRun && !destination.isThere) {
    // that of an earlier session may be open still
    destination.close()
    return yield* Effect.as(
      destination.admissible,
      Survey.ofNothing(entries, policy, entriesOf(site.veto, entries), site.givesAway)
    )
  }
  yield* destination.open
  site.begin(entries)
  return yield* Survey.survey(site, entries, policy, looked)
})

const prepare = Effect.fn("Disk.prepare")(function* (
  site: Site.Site,
  manifest: ReadonlyArray<Entry>,
  surveyed: Surveyed | undefined
) {
  const { destination } = site
  // a survey has opened it
  if (surveyed === undefined) yield* destination.open
  if (surveyed === undefined || !site.inventory.isOf(manifest)) site.begin(manifest)
  if (surveyed !== undefined) site.takeSurvey(surveyed)
  const { inventory } = site
  if (surveyed?.policy.isDryRun === true) return destination.isOpen ? yield* Way.foresee(site) : []
  const failures: Array<Failure> = []
  const isTwin = (index: number) => inventory.isUnchanged(index) && site.mayBeTwin(index)
  const now = inventory.indices(
    (_, index) => inventory.isToldFirst(index) || inventory.isMadeFirst(index) || isTwin(index)
  )
  yield* destination.inTurns(yield* Way.clear(site, now, failures), (index) => {
    const entry = inventory.asCompared(index)
    forEntry(failures, index, entry, () => {
      const refusal = inventory.refusal(index)
      if (refusal !== undefined) throw refusal
      if (!site.mayBeTwin(index) && Entries.standsOpen(site, entry, index)) return void site.directories.add(index)
      site.place(index, () => Entries.make(site, entry, index))
    })
  })
  // no hard link is made to what is another's
  for (const { entry } of failures) if (site.mayBeTwin(entry)) inventory.lose(entry)
  yield* destination.stands
  return failures
})

const finish = (site: Site.Site) =>
  Effect.gen(function* () {
    const { destination, directories, inventory, partials } = site
    const { entries } = inventory
    const failures: Array<Failure> = []
    yield* destination.stands
    failures.push(...(yield* Survey.recheck(site)))
    yield* destination.inTurns(yield* Way.clear(site, inventory.hardLinks(), failures), (index) => {
      const entry = entries[index]
      if (entry._tag !== "HardLink") return
      forEntry(failures, index, entry, () => site.place(index, () => Entries.link(site, entry)))
    })
    // before the directory gets its time
    yield* destination.inTurns(partials.outgrown(entries), (path) => partials.clearAt(path))
    // A parent comes before what is in it, so backwards is deepest first: a parent may become one we cannot enter.
    yield* destination.inTurns([...directories].toReversed(), (index) => {
      const entry = entries[index]
      if (entry._tag !== "Directory") return
      const close = () => Entries.closeDirectory(site, entry)
      forEntry(failures, index, entry, () => destination.persistently(close))
    })
    if (site.syncs) failures.push(...(yield* Sync.tree(site)))
    // A catcher that says the tree is there must not be wrong.
    yield* destination.stands
    return failures
  }).pipe(Effect.withSpan("Disk.finish"))
