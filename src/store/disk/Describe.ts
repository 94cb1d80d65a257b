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
import type { Calls, Place } from "../../system/Libc.ts"
import * as Errno from "../../system/Errno.ts"
import * as Status from "../../system/Status.ts"
import { areCarried } from "../../tree/Attributes.ts"
import * as Carried from "../../tree/Carried.ts"
import type { Entry, Special } from "../../tree/Entry.ts"
import type { Metadata } from "../../tree/Metadata.ts"
import { modeMask } from "../../tree/Metadata.ts"
import { defaults, type Policy } from "../../tree/Policy.ts"
import { notSet } from "../Reasons.ts"
import { StoreError } from "../Store.ts"
import { Attributer } from "./Attributes.ts"
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

/** What a file has that a new one is to replace, or that is described: a mode may be kept, and was its owner's. */
interface Own {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

const ownOf = ({ gid, mode, uid }: fs.Stats): Own => ({ mode: mode & modeMask, uid, gid })

export class Describe {
  /** What is not carried is not set. [Y-10] */
  policy: Policy = defaults
  private readonly isRoot: boolean
  readonly attributes: Attributer
  private readonly mtime: Mtime.Setter
  private readonly umask = process.umask()

  constructor(isRoot: boolean, libc: Option.Option<Calls>) {
    this.isRoot = isRoot
    this.attributes = new Attributer(isRoot, libc)
    this.mtime = Mtime.setter(libc)
  }

  /** What the file has that a new one is to replace; undefined: there is none, or modes are carried. */
  ownAt(spot: Confinement.Spot): Own | undefined {
    if (!this.policy.leavesMode) return undefined
    const found = fs.lstatSync(Confinement.pathOf(spot), { throwIfNoEntry: false })
    return found?.isFile() === true ? ownOf(found) : undefined
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
    let isGivenAway = inherited === undefined
    const owned = Result.try(() =>
      this.own(metadata, (uid, gid) => {
        if (uid === inherited?.uid && gid === inherited.gid) return
        isGivenAway = true
        fs.fchownSync(fd, uid, gid)
      })
    )
    const attributed = this.attributed(fd, metadata, () => fs.fchmodSync(fd, ownersMode))
    const all = this.modeOf("File", metadata, own?.mode)
    // A program that was to run with its owner's rights must not run with another's.
    const mode = Result.isFailure(owned) || isGiven(fd, own) ? all & withoutSetId : all
    // to set an owner, an ACL or another attribute may have changed it
    if (isGivenAway || mode !== inherited?.mode || areCarried(this.policy))
      setting("mode", () => fs.fchmodSync(fd, mode))
    if (Carried.hasTime(this.policy, "File")) setting("time", () => this.mtime.file(fd, metadata))
    if (Result.isFailure(owned)) throw owned.failure
    if (Result.isFailure(attributed)) throw attributed.failure
  }

  private attributed(place: Place, { attributes }: Metadata, open?: () => void): Result.Result<void, unknown> {
    return Result.try(() => this.attributes.set(place, attributes, this.policy, open))
  }

  /** A file that stands there. */
  standing(fd: number, metadata: Metadata): void {
    const now = ownOf(fs.fstatSync(fd))
    // of another user's file only what is another need be refused
    this.file(fd, metadata, this.policy.leavesMode ? now : undefined, now)
  }

  private own({ gid, uid }: Metadata, give: (uid: number, gid: number) => void): void {
    const { leavesGroup, leavesOwner } = this.policy
    if (!this.isRoot || (leavesGroup && leavesOwner)) return
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
    this.own(metadata, (uid, gid) => fs.chownSync(directory.self, uid, gid))
    const attributed = this.attributed(Confinement.placeOf(directory, tree), metadata)
    if (Carried.hasTime(this.policy, "Directory"))
      setting("time", () => this.mtime.path(directory.self, metadata, { follow: tree.handles }))
    const mode = this.modeOf("Directory", metadata, before)
    // it has its group from the directory that it is in
    const inherited = this.policy.leavesMode && before === undefined ? fs.statSync(directory.self).mode & setGroup : 0
    setting("mode", () => fs.chmodSync(directory.self, mode | inherited))
    if (Result.isFailure(attributed)) throw attributed.failure
  }

  /** Where groups are not carried, what is made in a directory has its group from there, or not: its mode says so beforehand. */
  inheriting(directory: Confinement.Directory, { mode }: Metadata): void {
    if (!this.policy.leavesMode) Result.try(() => fs.chmodSync(directory.self, mode | open))
  }

  symlink(path: Buffer, metadata: Metadata): void {
    this.own(metadata, (uid, gid) => fs.lchownSync(path, uid, gid))
    const attributed = this.attributed({ path, follow: false }, metadata)
    if (Carried.hasTime(this.policy, "Symlink"))
      setting("time", () => this.mtime.path(path, metadata, { follow: false }))
    if (Result.isFailure(attributed)) throw attributed.failure
  }

  /** A FIFO, a socket, a device, or a file of ours that we may not open. */
  closed(
    path: Buffer,
    tag: Special["_tag"] | "File",
    metadata: Metadata,
    own: number | undefined,
    tree: Confinement.Tree
  ): void {
    this.own(metadata, (uid, gid) => fs.lchownSync(path, uid, gid))
    const attributed = this.attributed({ path, follow: false }, metadata, () =>
      Confinement.chmod(tree, path, ownersMode)
    )
    setting("mode", () => Confinement.chmod(tree, path, this.modeOf(tag, metadata, own)))
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
