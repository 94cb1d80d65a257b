/**
 * Entries without content: directories, symbolic links, FIFOs, sockets, devices, and hard links at the end. Each is looked at first. An entry
 * that is there already stays and gets its metadata; another in its place is replaced.
 */

import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { deviceOf, type Entry, isDevice, type Special } from "../../tree/Entry.ts"
import { display, keyOf } from "../../tree/Names.ts"
import * as Compare from "../../tree/Compare.ts"
import * as Errno from "../../system/Errno.ts"
import { targetAt } from "../../system/FakeSuper.ts"
import type * as Status from "../../system/Status.ts"
import { changedMeanwhile, refusal } from "../Reasons.ts"
import { DestinationEscape } from "../Store.ts"
import { orClean } from "./Attempt.ts"
import type { Spot } from "./Confinement.ts"
import * as Confinement from "./Confinement.ts"
import { isOpen, workingMode } from "./Describe.ts"
import type { Site } from "./Site.ts"

type Of<Tag extends Entry["_tag"]> = Extract<Entry, { readonly _tag: Tag }>

/** Makes an entry when the session begins; a file that stands there is described. */
export const make = (site: Site, entry: Entry, index: number): void => {
  switch (entry._tag) {
    case "Directory":
      makeDirectory(site, entry)
      if (site.describe.policy.leavesGroup)
        site.describe.inheriting(site.destination.tree.directory(keyOf(entry.path)), entry.metadata)
      return void site.directories.add(index)
    case "Symlink":
      return makeSymlink(site, entry, index)
    case "Fifo":
    case "Socket":
    case "CharacterDevice":
    case "BlockDevice":
      return makeSpecial(site, entry, index)
    case "File":
      return describeFile(site, entry, index)
    case "HardLink":
      return
  }
}

/** Is it a directory that is as it is to be, and to which we may write? */
export const standsOpen = (site: Site, { _tag, path }: Entry, index: number): boolean => {
  const { fakeSuper, inventory } = site
  const { tree } = site.destination
  if (_tag !== "Directory" || inventory.changeOf(index) !== 0) return false
  const seen = tree.see(path)
  if (seen?.kind !== "Directory") return false
  // the disk's mode may be another than the one that is kept
  return isOpen(fakeSuper === undefined ? seen.mode : fs.statSync(tree.directory(keyOf(path)).self).mode)
}

/** The trap: what gets the time of the source looks right from then on. So it must be what the survey has found. */
const describeFile = (site: Site, entry: Of<"File">, index: number) => {
  const { contents, describe, destination } = site
  const { metadata, path } = entry
  const own = Confinement.pathOf(destination.spot(path))
  const opened = Result.try(() => fs.openSync(own, Confinement.lookFlags))
  if (Result.isFailure(opened)) {
    if (Errno.codeOf(opened.failure) !== "EACCES") throw opened.failure
    // our own, and we may not read it
    const status = site.looks.at(own)
    if (status === undefined) throw changedMeanwhile()
    mustBeFound(site, index, status)
    return describe.closed(own, entry, status.mode, destination.tree)
  }
  const fd = opened.success
  try {
    const status = site.looks.of(fd)
    mustBeFound(site, index, status)
    // it has been touched since it was hashed: it is hashed once more in the end, and described then
    if (isHashed(site, index, status) && contents?.isKnown(index, status) === false) return
    describe.standing(fd, metadata)
    if (contents?.isKnown(index, status) === true) contents.know(index, site.looks.of(fd))
  } finally {
    fs.closeSync(fd)
  }
}

/** Throws where it is not as the survey has found it; one whose content tells is looked at in the end. */
const mustBeFound = (site: Site, index: number, status: Status.Status): void => {
  const { inventory } = site
  if (!isHashed(site, index, status) && inventory.isOther(index, Compare.foundOf(status))) throw changedMeanwhile()
}

const isHashed = ({ contents, inventory }: Site, index: number, { kind }: Status.Status): boolean =>
  kind === "File" && contents?.covers(index, inventory.asCompared(index)) === true

const makeDirectory = (site: Site, { metadata, path }: Of<"Directory">) => {
  const { changes, destination } = site
  if (path.length === 0) return site.openUp("")
  const spot = destination.spot(path)
  const own = Confinement.pathOf(spot)
  const inTheWay = Confinement.look(own)
  const create = (at: Spot) => {
    fs.mkdirSync(Confinement.pathOf(at), workingMode(metadata.mode))
    site.modesBefore.set(keyOf(path), undefined)
  }
  if (inTheWay === undefined) return create(spot)
  if (inTheWay.isDirectory()) {
    return site.openUp(Confinement.join(spot.directory.key, spot.name))
  }
  if (inTheWay.isSymbolicLink() && leadsOutside(site, own)) {
    const reason = "a symbolic link to a directory elsewhere is in its place; remove it there to have a directory"
    throw new DestinationEscape({ path: display(path), reason })
  }
  changes.replaceByDirectory(spot, create)
}

/** Is a link one to a directory that is not below the destination? */
const leadsOutside = ({ destination }: Site, link: Buffer): boolean => {
  const followed = Result.try(() => {
    const target = fs.realpathSync.native(link, { encoding: "buffer" })
    return fs.statSync(target).isDirectory() ? target : undefined
  })
  const target = Result.getOrUndefined(followed)
  if (target === undefined) return false
  const base = fs.realpathSync.native(destination.tree.directory("").self, { encoding: "buffer" })
  const inside = base.equals(slash) ? base : Buffer.concat([base, slash])
  return !target.equals(base) && !target.subarray(0, inside.length).equals(inside)
}

const slash = Buffer.from("/")

const makeSymlink = (site: Site, entry: Of<"Symlink">, index: number) => {
  const { changes, describe, destination, fakeSuper, inventory } = site
  const spot = destination.spot(entry.path)
  const path = Confinement.pathOf(spot)
  const target = Buffer.from(entry.target)
  const inTheWay = Confinement.look(path)
  const own = Result.try(() => site.looks.at(path)?.kind === "Symlink" && targetAt(path).equals(target))
  const isThere = Result.getOrElse(own, () => false)
  const create = (at: Buffer) => (fakeSuper === undefined ? fs.symlinkSync(target, at) : standIn(at, target))
  // what is replaced may be kept in another directory
  destination.holding(spot.directory, () => {
    if (!isThere) changes.put(spot, inTheWay, (at) => create(Confinement.pathOf(at)))
    inventory.arrive(index)
    describe.symlink(path, entry, destination.tree)
  })
}

const makeSpecial = (site: Site, entry: Special, index: number) => {
  const { describe, destination, inventory } = site
  const spot = destination.spot(entry.path)
  const path = Confinement.pathOf(spot)
  const inTheWay = Confinement.look(path)
  const seen = site.looks.at(path)
  const isThere = seen?.kind === entry._tag && (!isDevice(entry) || seen.ownDevice === entry.device)
  const own = isThere ? seen.mode : undefined
  destination.holding(spot.directory, () => {
    if (!isThere) putSpecial(site, spot, inTheWay, entry)
    inventory.arrive(index)
    describe.closed(path, entry, own, destination.tree)
  })
}

/** A file of ours that stands for a link, a device, a FIFO or a socket. */
const standIn = (path: Buffer, content: Buffer) => {
  const fd = fs.openSync(path, "wx", 0o600)
  try {
    // a full disk has room for the name, and none for the target
    orClean(
      () => fs.writeFileSync(fd, content),
      () => fs.unlinkSync(path)
    )
  } finally {
    fs.closeSync(fd)
  }
}

const putSpecial = (
  { changes, fakeSuper, libc, programs }: Site,
  spot: Spot,
  inTheWay: fs.BigIntStats | undefined,
  entry: Special
) => {
  const { directory } = spot
  if (fakeSuper !== undefined)
    return changes.put(spot, inTheWay, (at) => standIn(Confinement.pathOf(at), Buffer.alloc(0)))
  if (Option.isSome(libc)) {
    const { mknod } = libc.value
    return changes.put(spot, inTheWay, (at) => mknod(Confinement.pathOf(at), entry._tag, 0o600, deviceOf(entry)))
  }
  if (entry._tag !== "Fifo")
    throw refusal("ENOSYS", "sockets and devices cannot be made here without the package koffi")
  // The program takes arguments as text, and a name may be no text. A temporary name without a part of it always is.
  changes.replace(spot, ({ name }) => runMkfifo(programs, directory, name), { directory, name: Buffer.alloc(0) })
}

const runMkfifo = (path: string, directory: Confinement.Directory, name: Buffer) => {
  // The new process changes into the directory before it becomes the program, while it still has our descriptors.
  const cwd = directory.self.toString()
  // none of our variables: one of them may be a phrase
  const env = { PATH: path }
  const run = spawnSync("mkfifo", ["-m", "600", "--", name.toString("latin1")], { cwd, env, stdio: "ignore" })
  if (run.error !== undefined) {
    throw refusal("ENOSYS", "a FIFO cannot be made here without the package koffi or the program mkfifo")
  }
  if (run.status !== 0) throw refusal("EIO", "the program mkfifo failed")
}

/** Makes a hard link to what arrived. */
export const link = ({ changes, destination, inventory }: Site, entry: Of<"HardLink">): void => {
  const from = Confinement.split(inventory.leaderOf(entry).path)
  const source = destination.tree.directory(from.parent)
  destination.holding(source, () => {
    const spot = destination.spot(entry.path)
    const target = Confinement.at(source, from.name)
    const stats = fs.lstatSync(target, { bigint: true })
    const inTheWay = Confinement.look(Confinement.pathOf(spot))
    // Renaming one link of a file over another does nothing, and the temporary name would stay.
    if (inTheWay !== undefined && Confinement.isSameFile(inTheWay, stats)) return
    changes.put(spot, inTheWay, (at) => fs.linkSync(target, Confinement.pathOf(at)))
  })
}

/** The last step for a directory: its own metadata, when nothing more is made in it. */
export const closeDirectory = (site: Site, { metadata, path }: Of<"Directory">): void => {
  const { describe, destination } = site
  const { tree } = destination
  const seen = tree.see(path)
  const key = keyOf(path)
  // one that the session did not have to open is as it was
  const before = site.modesBefore.has(key) ? site.modesBefore.get(key) : seen?.mode
  const place = () => Confinement.placeOf(tree.directory(key), tree)
  if (!describe.isDescribed(seen, metadata, before, place))
    describe.directory(tree.directory(key), metadata, before, tree)
}
