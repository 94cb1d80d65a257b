/**
 * The system's calls as `--fake-super` has them: a status, an attribute and an ACL are those that are kept in a file's attributes, where
 * there are any, and what only root may set is kept there. Owners and modes of the disk are the user's own.
 *
 * Symbolic links are files that have the target for their content, as users' attributes of links do not exist; devices, FIFOs and sockets are
 * empty files.
 */

import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Attributes from "../tree/Attributes.ts"
import * as Kept from "../tree/FakeSuper.ts"
import * as Errno from "./Errno.ts"
import type { FileCalls } from "./FileCalls.ts"
import type { AttributeCalls, Calls, Place } from "./Libc.ts"
import * as Status from "./Status.ts"

/** The calls and the looks, as if what is kept were so, and what keeps a file's status. */
export interface FakeSuper extends Status.Looks {
  readonly calls: Calls
  /**
   * Keeps what a file stands for; an owner or a group that is undefined stays. Nothing is kept of what is so on the disk as well. Throws
   * as the calls do.
   */
  readonly keep: (place: Place, wanted: Wanted) => void
}

type Wanted = Omit<Kept.Kept, "uid" | "gid"> & { readonly uid: number | undefined; readonly gid: number | undefined }

/** The longest target of a link: a path with its end. */
const longestTarget = 4096

/**
 * Undefined where the system has no attributes, or its calls cannot be had. A real link or device can keep nothing, and a file is to stand
 * in its place, as rsync has it: so it is seen as something else. `ofOthers`: the status of one, where that is not so.
 */
export const make = (calls: Calls, ofOthers = asSomethingElse): FakeSuper | undefined => {
  const { attributes, files, lstatat } = calls
  if (attributes === undefined || files === undefined || lstatat === undefined) return undefined
  const keptAt = (place: Place): Kept.Kept | undefined => {
    const value = Result.getOrUndefined(Result.try(() => attributes.get(place, Kept.statName)))
    return value === undefined ? undefined : Kept.parse(value)
  }
  const standing = (status: Status.Status, place: Place): Status.Status =>
    Kept.isKept(status.kind) ? Kept.over(status, keptAt(place)) : ofOthers(status)
  const of: FileCalls["status"] = (file) => standing(files.status(file), throughProc(file))
  const from: NonNullable<Calls["lstatat"]> = (directory, path) => {
    const found = lstatat(directory, path)
    return found === undefined ? undefined : standing(found, { path: pathFrom(directory, path), follow: false })
  }
  return {
    at: (path) => from(undefined, path),
    of,
    calls: {
      ...calls,
      files: { ...files, status: of },
      lstatat: from,
      attributes: translated(attributes, (place) => standing(onDisk(place), place).mode)
    },
    keep: (place, wanted) => {
      const own = onDisk(place)
      const before = keptAt(place)
      const { gid = before?.gid ?? own.gid, uid = before?.uid ?? own.uid } = wanted
      const { kind, mode, ownDevice } = wanted
      const isSo = own.kind === kind && own.mode === mode && own.uid === uid && own.gid === gid
      const value = Kept.format({ kind, mode, ownDevice, uid, gid })
      if (!isSo) attributes.set(place, Kept.statName, value)
      else if (before !== undefined) attributes.remove(place, Kept.statName)
    }
  }
}

const asSomethingElse = (status: Status.Status): Status.Status => ({ ...status, kind: "Other" })

/** The calls as they see what is kept, for what only reads; those without attributes stay as they are. */
export const seen = (calls: Calls): Calls => make(calls, (status) => status)?.calls ?? calls

/** The target of a symbolic link, or of what stands for one. Throws as Node's fs does. */
export const targetAt = (path: Buffer): Buffer => {
  const link = Result.try(() => fs.readlinkSync(path, { encoding: "buffer" }))
  if (Result.isSuccess(link)) return link.success
  if (Errno.codeOf(link.failure) !== "EINVAL") throw link.failure
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK)
  try {
    const content = Buffer.alloc(longestTarget)
    const target = content.subarray(0, fs.readSync(fd, content, 0, content.length, 0))
    if (target.length === 0 || target.length === longestTarget || target.includes(0)) throw noTarget()
    return target
  } finally {
    fs.closeSync(fd)
  }
}

const noTarget = () =>
  Object.assign(new Error("it stands for a symbolic link, and has no target in it"), { code: "EINVAL" })

const onDisk = (place: Place): Status.Status => {
  const look = { bigint: true } as const
  if (typeof place === "number") return Status.looks.of(place)
  const path = typeof place.path === "string" ? Buffer.from(place.path, "latin1") : Buffer.from(place.path)
  return Status.ofStats(place.follow ? fs.statSync(path, look) : fs.lstatSync(path, look))
}

/** A descriptor that is for looks alone has no attributes of its own. */
const throughProc = (file: number): Place => ({ path: `/proc/self/fd/${file}`, follow: true })

const pathFrom = (directory: number | undefined, path: Uint8Array | string): string => {
  const text = typeof path === "string" ? path : Buffer.from(path).toString("latin1")
  return directory === undefined || text.startsWith("/") ? text : `/proc/self/fd/${directory}/${text}`
}

/** Attributes by their own names, kept under others. `modeOf`: what a place stands for has it. */
const translated = (calls: AttributeCalls, modeOf: (place: Place) => number): AttributeCalls => ({
  list: (of) => calls.list(of).flatMap((name) => Kept.ownName(name) ?? []),
  get: (of, name) => {
    const value = calls.get(of, Kept.keptName(name))
    return value === undefined || !Attributes.isAcl(name) ? value : Kept.ownAcl(name, value, modeOf(of))
  },
  set: (of, name, value) =>
    calls.set(of, Kept.keptName(name), Attributes.isAcl(name) ? Kept.keptAcl(name, value) : value),
  remove: (of, name) => calls.remove(of, Kept.keptName(name))
})
