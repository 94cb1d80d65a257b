/**
 * Metadata on its way to the disk: owner, attributes, mode and time of each kind of entry, in the order in which none undoes another.
 * Only root gives files away; another user's files stay their own.
 *
 * The trap: a path may have become a link since it was looked at. So a mode or an owner is set through an open descriptor,
 * or through a call that follows no link.
 */

import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import type { FakeSuper } from "../../system/FakeSuper.ts"
import type { Calls, Place } from "../../system/Libc.ts"
import * as Errno from "../../system/Errno.ts"
import * as Status from "../../system/Status.ts"
import { areCarried } from "../../tree/Attributes.ts"
import * as Carried from "../../tree/Carried.ts"
import { deviceOf, type Entry, type Special } from "../../tree/Entry.ts"
import { diskMode, type Kept, statName } from "../../tree/FakeSuper.ts"
import type { Metadata } from "../../tree/Metadata.ts"
import { modeMask } from "../../tree/Metadata.ts"
import { defaults, type Policy } from "../../tree/Policy.ts"
import { notSet } from "../Reasons.ts"
import { StoreError } from "../Store.ts"
import { Attributer, refusedAt } from "./Attributes.ts"
import type { Inherited } from "./Confinement.ts"
import * as Confinement from "./Confinement.ts"
import * as Mtime from "./Mtime.ts"

/** All but the bits that let a program run with its owner's or its group's rights. */
const withoutSetId = 0o1777
const setGroup = 0o2000
/** Its owner may read and write it. */
const ownersMode = 0o600
/** What a file that is made can have at once. */
const creationMask = 0o777
/** An owner that is not set. */
const asItIs = -1

type Of<Tag extends Entry["_tag"]> = Extract<Entry, { readonly _tag: Tag }>

/** What a file has that a new one is to replace, or that is described: a mode may be kept, and was its owner's. */
interface Own {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

const ownOf = ({ gid, mode, uid }: Own): Own => ({ mode: mode & modeMask, uid, gid })

export class Describe {
  /** What is not carried is not set. [Y-10] */
  policy: Policy = defaults
  private readonly givesAway: boolean
  private readonly fakeSuper: FakeSuper | undefined
  private readonly looks: Status.Looks
  readonly attributes: Attributer
  private readonly mtime: Mtime.Setter
  private readonly umask = process.umask()

  /** `givesAway`: owners are set, or kept by `fakeSuper`. */
  constructor(givesAway: boolean, libc: Option.Option<Calls>, fakeSuper?: FakeSuper) {
    this.givesAway = givesAway
    this.fakeSuper = fakeSuper
    this.looks = fakeSuper ?? Status.looks
    this.attributes = new Attributer(givesAway, libc)
    this.mtime = Mtime.setter(libc)
  }

  /** What the file has that a new one is to replace; undefined: there is none, or modes are carried. */
  ownAt(spot: Confinement.Spot): Own | undefined {
    if (!this.policy.leavesMode) return undefined
    const found = this.looks.at(Confinement.pathOf(spot))
    return found?.kind === "File" ? ownOf(found) : undefined
  }

  /** The mode to make a new file with. What lets it run with its owner's rights comes when it is its owner's. */
  creationMode(metadata: Metadata): number {
    return this.modeOf("File", metadata, undefined) & creationMask
  }

  /**
   * An open file. When its owner or an attribute is refused the rest is set all the same, and then the refusal is thrown. `own`: of what has
   * the name; undefined: it is new. `inherited`: what it has from its directory; that need not be set.
   */
  file(fd: number, metadata: Metadata, own: Own | undefined, inherited?: Inherited): void {
    // what is kept is no other file's
    let isGivenAway = inherited === undefined || this.fakeSuper !== undefined
    const owned = Result.try(() =>
      this.give(metadata, (uid, gid) => {
        if (uid === inherited?.uid && gid === inherited.gid) return
        isGivenAway = true
        fs.fchownSync(fd, uid, gid)
      })
    )
    const attributed = this.attributed(fd, metadata, () => fs.fchmodSync(fd, ownersMode))
    const all = this.modeOf("File", metadata, own?.mode)
    // A program that was to run with its owner's rights must not run with another's.
    const isAnothers = Result.isFailure(owned) || (this.fakeSuper === undefined && isGiven(fd, own))
    const mode = isAnothers ? all & withoutSetId : all
    // to set an owner, an ACL or another attribute may have changed it
    if (isGivenAway || mode !== inherited?.mode || areCarried(this.policy))
      this.setMode(fd, metadata, { kind: "File", mode, ownDevice: 0 }, (mode) => fs.fchmodSync(fd, mode))
    if (Carried.hasTime(this.policy, "File")) setting("time", () => this.mtime.file(fd, metadata))
    if (Result.isFailure(owned)) throw owned.failure
    if (Result.isFailure(attributed)) throw attributed.failure
  }

  /** Where a mode is kept, the disk has one that lets its owner do everything, and an attribute has what the file stands for. */
  private setMode(
    place: Place,
    { gid, uid }: Metadata,
    stood: Pick<Kept, "kind" | "mode" | "ownDevice">,
    chmod: (mode: number) => void
  ): void {
    const { fakeSuper } = this
    if (fakeSuper === undefined) return setting("mode", () => chmod(stood.mode))
    const { leavesGroup, leavesOwner } = this.policy
    setting("mode", () => chmod(diskMode(stood.mode, stood.kind)))
    const owners = { uid: leavesOwner ? undefined : uid, gid: leavesGroup ? undefined : gid }
    const kept = Result.try(() => fakeSuper.keep(place, { ...stood, ...owners }))
    if (Result.isFailure(kept)) throw refusedAt(statName, kept.failure)
  }

  private attributed(place: Place, { attributes }: Metadata, open?: () => void): Result.Result<void, unknown> {
    return Result.try(() => this.attributes.set(place, attributes, this.policy, open))
  }

  /** A file that stands there. */
  standing(fd: number, metadata: Metadata): void {
    const now = ownOf(this.looks.of(fd))
    // of another user's file only what is another need be refused
    this.file(fd, metadata, this.policy.leavesMode ? now : undefined, now)
  }

  /** Gives it away, where owners are not kept with the mode. */
  private give(metadata: Metadata, give: (uid: number, gid: number) => void): void {
    if (this.fakeSuper === undefined) this.own(metadata, give)
  }

  private own({ gid, uid }: Metadata, give: (uid: number, gid: number) => void): void {
    const { leavesGroup, leavesOwner } = this.policy
    if (!this.givesAway || (leavesGroup && leavesOwner)) return
    setting("owner", () => give(leavesOwner ? asItIs : uid, leavesGroup ? asItIs : gid))
  }

  private modeOf(tag: Entry["_tag"], { mode }: Metadata, own: number | undefined): number {
    return Carried.modeOf(this.policy, { tag, mode, own }, this.umask)
  }

  /** Is it a directory that has that metadata already, as far as we may set it? `place`: where its attributes are. */
  isDescribed(
    own: Status.Status | undefined,
    metadata: Metadata,
    before: number | undefined,
    place: () => Place
  ): boolean {
    if (own?.kind !== "Directory") return false
    if (Carried.hasTime(this.policy, "Directory") && !Status.isSameTime(own, metadata)) return false
    let isOwned = true
    this.own(metadata, (uid, gid) => {
      isOwned = (uid === asItIs || uid === own.uid) && (gid === asItIs || gid === own.gid)
    })
    if (!isOwned || own.mode !== this.modeOf("Directory", metadata, before)) return false
    return !areCarried(this.policy) || this.attributes.areAt(place(), metadata.attributes, this.policy)
  }

  /**
   * The time comes before the mode: with the mode it may become a directory that we cannot search. `before`: its mode before the
   * session; undefined: it is new.
   */
  directory(
    directory: Confinement.Directory,
    metadata: Metadata,
    before: number | undefined,
    tree: Confinement.Tree
  ): void {
    const place = Confinement.placeOf(directory, tree)
    this.give(metadata, (uid, gid) => fs.chownSync(directory.self, uid, gid))
    const attributed = this.attributed(place, metadata)
    if (Carried.hasTime(this.policy, "Directory"))
      setting("time", () => this.mtime.path(directory.self, metadata, { follow: tree.handles }))
    const mode = this.modeOf("Directory", metadata, before)
    // it has its group from the directory that it is in
    const inherited = this.policy.leavesMode && before === undefined ? fs.statSync(directory.self).mode & setGroup : 0
    const stood = { kind: "Directory", mode: mode | inherited, ownDevice: 0 } as const
    this.setMode(place, metadata, stood, (mode) => fs.chmodSync(directory.self, mode))
    if (Result.isFailure(attributed)) throw attributed.failure
  }

  /** Where groups are not carried, what is made in a directory has its group from there, or not: its mode says so beforehand. */
  inheriting(directory: Confinement.Directory, { mode }: Metadata): void {
    if (!this.policy.leavesMode) Result.try(() => fs.chmodSync(directory.self, mode | open))
  }

  symlink(path: Buffer, entry: Of<"Symlink">, tree: Confinement.Tree): void {
    const { metadata } = entry
    if (this.fakeSuper !== undefined) return this.closed(path, entry, undefined, tree)
    this.own(metadata, (uid, gid) => fs.lchownSync(path, uid, gid))
    const attributed = this.attributed({ path, follow: false }, metadata)
    if (Carried.hasTime(this.policy, "Symlink"))
      setting("time", () => this.mtime.path(path, metadata, { follow: false }))
    if (Result.isFailure(attributed)) throw attributed.failure
  }

  /** A FIFO, a socket, a device, a file of ours that we may not open, or what stands for a link. */
  closed(path: Buffer, entry: Special | Of<"File" | "Symlink">, own: number | undefined, tree: Confinement.Tree): void {
    const { _tag: tag, metadata } = entry
    const place = { path, follow: false }
    const chmod = (mode: number) => Confinement.chmod(tree, path, mode)
    this.give(metadata, (uid, gid) => fs.lchownSync(path, uid, gid))
    const attributed = this.attributed(place, metadata, () => chmod(ownersMode))
    const mode = this.modeOf(tag, metadata, own)
    this.setMode(place, metadata, { kind: tag, mode, ownDevice: deviceOf(entry) }, chmod)
    if (Carried.hasTime(this.policy, tag)) setting("time", () => this.mtime.path(path, metadata, { follow: false }))
    if (Result.isFailure(attributed)) throw attributed.failure
  }
}

/** A refusal of the system says what of the metadata it is about. */
const setting = (what: "mode" | "owner" | "time", set: () => void): void => {
  const done = Result.try(set)
  if (Result.isSuccess(done)) return
  if (Errno.codeOf(done.failure) === undefined || done.failure instanceof StoreError) throw done.failure
  throw notSet(`its ${what}`, Errno.fromCause(done.failure))
}

/** Has the mode that is kept let a program run with the rights of another than the open file's owner or group? */
const isGiven = (fd: number, own: Own | undefined): boolean => {
  if (own === undefined || (own.mode & ~withoutSetId) === 0) return false
  const { gid, uid } = fs.fstatSync(fd)
  return uid !== own.uid || gid !== own.gid
}

/** The owner of a directory may do everything in it. */
const open = 0o700

/** May the owner of a directory do everything in it? */
export const isOpen = (mode: number): boolean => (mode & open) === open

/** The mode of a new directory while the session runs; its own mode comes last. */
export const workingMode = (mode: number): number => (mode & 0o777) | open

/** Takes back that a directory was opened up. */
export const shut = ({ self }: Confinement.Directory, modeBefore: number): void => {
  if (!isOpen(modeBefore)) Result.try(() => fs.chmodSync(self, modeBefore))
}

/** Lets us write to a directory while the session runs; its own mode comes last. Answers its mode before. */
export const openUp = (directory: Confinement.Directory): number => {
  const { mode } = fs.statSync(directory.self)
  // Refused when it is somebody else's: then it may still do as it is, or the entries in it will say what does not.
  if (!isOpen(mode)) Result.try(() => fs.chmodSync(directory.self, (mode & modeMask) | open))
  return mode & modeMask
}
