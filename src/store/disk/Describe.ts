/**
 * Metadata on its way to the disk: owner, mode and time of each kind of entry, in the order in which none undoes another.
 * Only root gives files away; another user's files stay their own.
 *
 * The trap: a path may have become a link since it was looked at. So a mode or an owner is set through an open descriptor,
 * or through a call that follows no link.
 */

import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import type { Calls } from "../../system/Libc.ts"
import type { Status } from "../../system/Status.ts"
import type { Metadata } from "../../tree/Metadata.ts"
import { modeMask } from "../../tree/Metadata.ts"
import * as Confinement from "./Confinement.ts"
import * as Mtime from "./Mtime.ts"

/** All but the bits that let a program run with its owner's or its group's rights. */
const withoutSetId = 0o1777

export class Describe {
  private readonly isRoot: boolean
  private readonly mtime: Mtime.Setter

  constructor(isRoot: boolean, libc: Option.Option<Calls>) {
    this.isRoot = isRoot
    this.mtime = Mtime.setter(libc)
  }

  /** An open file. When the owner is refused the rest is set all the same, and then the refusal is thrown. */
  file(fd: number, metadata: Metadata): void {
    const owned = this.isRoot ? Result.try(() => fs.fchownSync(fd, metadata.uid, metadata.gid)) : Result.void
    // A program that was to run with its owner's rights must not run with ours.
    fs.fchmodSync(fd, Result.isFailure(owned) ? metadata.mode & withoutSetId : metadata.mode)
    this.mtime.file(fd, metadata)
    if (Result.isFailure(owned)) throw owned.failure
  }

  /** Is it a directory that has that metadata already, as far as we may set it? */
  isDescribed(own: Status | undefined, metadata: Metadata): boolean {
    if (own?.kind !== "Directory") return false
    const isSame = own.mode === metadata.mode && own.mtimeSeconds === metadata.mtimeSeconds
    const isOwned = !this.isRoot || (own.uid === metadata.uid && own.gid === metadata.gid)
    return isSame && own.mtimeNanos === metadata.mtimeNanos && isOwned
  }

  /** The time comes before the mode: with the mode it may become a directory that we cannot search. */
  directory(directory: Confinement.Directory, metadata: Metadata, tree: Confinement.Tree): void {
    if (this.isRoot) fs.chownSync(directory.self, metadata.uid, metadata.gid)
    this.mtime.path(directory.self, metadata, { follow: tree.handles })
    fs.chmodSync(directory.self, metadata.mode)
  }

  symlink(path: Buffer, metadata: Metadata): void {
    if (this.isRoot) fs.lchownSync(path, metadata.uid, metadata.gid)
    this.mtime.path(path, metadata, { follow: false })
  }

  fifo(path: Buffer, metadata: Metadata, tree: Confinement.Tree): void {
    if (this.isRoot) fs.lchownSync(path, metadata.uid, metadata.gid)
    Confinement.chmod(tree, path, metadata.mode)
    this.mtime.path(path, metadata, { follow: false })
  }
}

/** The owner of a directory may do everything in it. */
const open = 0o700

/** May the owner of a directory do everything in it? */
export const isOpen = (mode: number): boolean => (mode & open) === open

/** The mode of a new directory while the session runs; its own mode comes last. */
export const workingMode = (mode: number): number => (mode & 0o777) | open

/** Lets us write to a directory while the session runs; its own mode comes last. */
export const openUp = (directory: Confinement.Directory): void => {
  const { mode } = fs.statSync(directory.self)
  // Refused when it is somebody else's: then it may still do as it is, or the entries in it will say what does not.
  if (!isOpen(mode)) Result.try(() => fs.chmodSync(directory.self, (mode & modeMask) | open))
}
