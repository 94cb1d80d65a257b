/**
 * Backups of what is replaced or deleted. A file gets a second name, so that its own is never missing, and then loses the first one to
 * what is new. What cannot be kept is not touched. [Y-11]
 *
 * The trap: the place of a backup may have been made by anybody. It is reached through Confinement, and neither an entry of the manifest
 * nor what the catcher's owner protects is replaced by a backup.
 */

import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Veto from "../../filter/Veto.ts"
import * as Errno from "../../system/Errno.ts"
import type { FakeSuper } from "../../system/FakeSuper.ts"
import * as Backup from "../../tree/Backup.ts"
import type { Entry } from "../../tree/Entry.ts"
import { diskMode } from "../../tree/FakeSuper.ts"
import type { Metadata } from "../../tree/Metadata.ts"
import { keyOf, ofKey } from "../../tree/Names.ts"
import { fold } from "../Alike.ts"
import { refusal, vetoed } from "../Reasons.ts"
import { orClean } from "./Attempt.ts"
import type { Spot } from "./Confinement.ts"
import * as Confinement from "./Confinement.ts"
import type { Destination } from "./Destination.ts"
import type { Guard } from "./Guard.ts"
import type { Temporaries } from "./Temporaries.ts"

/** The session that backups are made in. */
interface Options {
  readonly backup: Backup.Backup
  readonly destination: Destination
  readonly temporaries: Temporaries
  readonly entries: ReadonlyArray<Entry>
  readonly guard: Guard
  readonly veto: Veto.Veto
  /** Modes of directories before the session opened them up. */
  readonly modesBefore: ReadonlyMap<string, number | undefined>
  /** Only root gives files away. */
  readonly isRoot: boolean
  readonly fakeSuper: FakeSuper | undefined
}

/** Takes a backup's place back when what was to come did not come. */
type Undo = () => void
const nothing: Undo = () => {}

/** Where links cannot be made, a name is moved: it is missing for a moment. */
const linkless: ReadonlySet<string> = new Set(["EPERM", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"])

/** Removes a name whose file is kept: where links cannot be made its backup has taken it away. */
export const removeKept = (spot: Spot): void => {
  const path = Confinement.pathOf(spot)
  if (Confinement.look(path) !== undefined) fs.unlinkSync(path)
}

export class Backups {
  private readonly options: Options
  /** The manifest's entries by their paths, one character a byte. */
  private entriesByPath: ReadonlyMap<string, Entry> | undefined
  /** The same paths, in which nothing is left that some file system does not tell apart. */
  private foldedPaths: ReadonlySet<string> | undefined
  /** What this session has put in place: it replaces no more than what it has brought itself. */
  private readonly placed = new Set<string>()
  /** Backups that it has made. */
  private readonly made = new Set<string>()

  constructor(options: Options) {
    this.options = options
  }

  /** Is it the directory of the backups, or in it? Nothing there is deleted. */
  areIn(key: string): boolean {
    return Backup.isIn(this.options.backup, key)
  }

  /** Are backups beside what they are of? Then a directory in which something is kept is not empty. */
  get areBeside(): boolean {
    return this.options.backup.directory.length === 0
  }

  /** Is a path a backup by its name, of which there is none? */
  isOne(key: string): boolean {
    return Backup.isOne(this.options.backup, key)
  }

  /** Has this session made it? Then it is not deleted in the end of the same session. */
  isMade(key: string): boolean {
    return this.made.has(key)
  }

  /** Keeps what has a name, if it is no directory; it throws where that cannot be done, and then nothing may take the name. */
  keep(spot: Spot): Undo {
    const path = Confinement.pathOf(spot)
    const stats = Confinement.look(path)
    const key = Confinement.join(spot.directory.key, spot.name)
    if (stats === undefined || stats.isDirectory() || this.placed.has(key)) return nothing
    const { backup, destination } = this.options
    const at = Confinement.split(ofKey(Backup.pathOf(backup, key)))
    const own = Confinement.join(at.parent, at.name)
    this.mayReplace(own)
    const directory = this.directory(at.parent)
    const keepAt = () => this.keepAt(spot, stats.isFile(), { directory, name: at.name }, own)
    const undo = destination.holding(directory, keepAt)
    this.made.add(own)
    return undo
  }

  private keepAt(spot: Spot, isFile: boolean, target: Spot, key: string): Undo {
    const { destination, guard, temporaries } = this.options
    guard.check(key)
    this.mustBeOwn(target, key)
    this.makeWay(target, key)
    const isLinkable = isFile || process.platform === "linux"
    const linked = Result.try(() => {
      if (!isLinkable) throw refusal("EPERM", "")
      return temporaries.make(target, (at) => fs.linkSync(Confinement.pathOf(spot), Confinement.pathOf(at)))
    })
    if (Result.isFailure(linked)) return this.move(spot, target, linked.failure)
    const { at } = linked.success
    const remove = () => fs.unlinkSync(Confinement.pathOf(at))
    orClean(() => destination.tree.rename(target.directory, at.name, target.name), remove)
    // renaming one name of a file over another does nothing
    Result.try(remove)
    return nothing
  }

  /** This session has put something in place under a name: what it replaces there from now on is its own. */
  place(spot: Spot): void {
    this.placed.add(Confinement.join(spot.directory.key, spot.name))
  }

  private move(spot: Spot, target: Spot, cause: unknown): Undo {
    const code = Errno.codeOf(cause) ?? ""
    if (code === "EXDEV") throw refusal(code, "its backup would be on another file system")
    if (!linkless.has(code)) throw cause
    const [from, to] = [Confinement.pathOf(spot), Confinement.pathOf(target)]
    fs.renameSync(from, to)
    return () => void Result.try(() => fs.renameSync(to, from))
  }

  private get entryAt(): ReadonlyMap<string, Entry> {
    return (this.entriesByPath ??= new Map(this.options.entries.map((entry) => [keyOf(entry.path), entry])))
  }

  private mayReplace(key: string): void {
    if (this.entryAt.has(key)) throw refusal("EEXIST", "its backup would have the name of an entry of the tree")
    for (let end = key.length; end > 0; end = key.lastIndexOf("/", end - 1))
      if (Veto.names(this.options.veto, key.slice(0, end), end < key.length)) throw vetoed()
  }

  /** Throws where an entry's file has the place of a backup, because the destination cannot tell their names apart. */
  private mustBeOwn({ directory, name }: Spot, key: string): void {
    this.foldedPaths ??= new Set(this.options.entries.map(({ path }) => fold(path)))
    if (!this.foldedPaths.has(fold(ofKey(key)))) return
    if (Confinement.look(Confinement.at(directory, name)) === undefined) return
    const names = fs.readdirSync(directory.self, { encoding: "buffer" })
    if (!names.some((one) => one.equals(name)))
      throw refusal("ENOTUNIQ", "the destination cannot tell the name of its backup from an entry of the tree")
  }

  /** A directory where a backup is to be: in a directory of their own it goes, as with rsync; beside it stays. */
  private makeWay(target: Spot, key: string): void {
    const path = Confinement.pathOf(target)
    if (Confinement.look(path)?.isDirectory() !== true) return
    if (this.areBeside) throw refusal("EISDIR", "a directory has the name of its backup")
    const names = fs.readdirSync(this.options.destination.tree.directory(key).self)
    if (names.length > 0) throw refusal("ENOTEMPTY", "a directory that is not empty has the name of its backup")
    fs.rmdirSync(path)
  }

  /** The directory of that key, made where it is missing. */
  private directory(key: string): Confinement.Directory {
    const { tree } = this.options.destination
    const found = Result.try(() => tree.directory(key))
    if (Result.isSuccess(found)) return found.success
    const code = Errno.codeOf(found.failure)
    if (code !== "ENOENT" && code !== "ENOTDIR") throw found.failure
    const { name, parent } = Confinement.split(ofKey(key))
    this.directory(parent)
    const at = () => Confinement.at(tree.directory(parent), name)
    // an older backup, of a file that is a directory since
    if (code === "ENOTDIR" && Confinement.look(at())?.isDirectory() === false) {
      this.mayReplace(key)
      this.options.guard.check(key)
      this.mustBeOwn({ directory: tree.directory(parent), name }, key)
      fs.unlinkSync(at())
    }
    fs.mkdirSync(at())
    const described = this.describedAs(key)
    const made = tree.directory(key)
    if (described !== undefined) this.describe(made, described)
    return made
  }

  /** A directory in that of the backups is as the one of which it keeps something. */
  private describedAs(key: string): Pick<Metadata, "mode" | "uid" | "gid"> | undefined {
    const home = `${keyOf(this.options.backup.directory)}/`
    if (!key.startsWith(home)) return undefined
    const original = key.slice(home.length)
    const entry = this.entryAt.get(original)
    if (entry?._tag === "Directory") return entry.metadata
    const seen = this.options.destination.tree.see(ofKey(original))
    return seen && { gid: seen.gid, uid: seen.uid, mode: this.options.modesBefore.get(original) ?? seen.mode }
  }

  private describe(directory: Confinement.Directory, { gid, mode, uid }: Pick<Metadata, "mode" | "uid" | "gid">): void {
    const { destination, fakeSuper, isRoot } = this.options
    const { self } = directory
    if (fakeSuper !== undefined) {
      fs.chmodSync(self, diskMode(mode, "Directory"))
      const place = Confinement.placeOf(directory, destination.tree)
      return fakeSuper.keep(place, { kind: "Directory", mode, uid, gid, ownDevice: 0 })
    }
    if (isRoot) fs.chownSync(self, uid, gid)
    // more backups are to come in it
    fs.chmodSync(self, isRoot ? mode : mode | 0o700)
  }
}
