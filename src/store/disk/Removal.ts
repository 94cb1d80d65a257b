/**
 * Removal of a name with all that is below it. Everything is reached through Confinement, so that no
 * link is followed; and no mount point is crossed.
 */

import * as Result from "effect/Result"
import * as fs from "node:fs"
import { enter, type Filter, mayDelete, type ReadHere } from "../../filter/Filter.ts"
import * as Limits from "../../protocol/Limits.ts"
import * as Errno from "../../system/Errno.ts"
import { mounted, refusal } from "../Reasons.ts"
import type { Deleting } from "../Store.ts"
import * as Confinement from "./Confinement.ts"
import { openUp } from "./Describe.ts"
import type { Destination } from "./Destination.ts"

/** How a removal is done, and how far it is. */
export class Removal {
  /** Names that are gone. */
  count = 0
  /** What stays because there are too many. */
  left = 0
  private readonly destination: Destination
  private readonly options: Pick<Deleting, "most" | "isDry" | "told">

  constructor(destination: Destination, options: Removal["options"]) {
    this.destination = destination
    this.options = options
  }

  /** Removes a name in the directory of that key, with all below it that may go; answers whether it is gone. */
  remove(parent: string, name: Buffer, filter: Filter | undefined, isDoomed: boolean): boolean {
    const { tree } = this.destination
    const at = () => Confinement.at(tree.directory(parent), name)
    const stats = Confinement.look(at())
    const key = Confinement.join(parent, name)
    if (stats === undefined) return true
    if (filter !== undefined && !mayDelete(filter, key, stats.isDirectory(), isDoomed)) return false
    if (!stats.isDirectory()) return this.take(key, false, () => fs.unlinkSync(at()))
    const device = fs.statSync(tree.directory(parent).self, { bigint: true }).dev
    const directory = tree.directory(key)
    if (fs.statSync(directory.self, { bigint: true }).dev !== device) throw mounted(Buffer.from(key, "latin1"))
    if (!this.options.isDry) openUp(directory)
    const own = filterIn(this.destination, filter, key)
    const leftBefore = this.left
    const inside = fs.readdirSync(directory.self, { encoding: "buffer" })
    const isEmpty = inside.map((one) => this.remove(key, one, own, true)).every((isGone) => isGone)
    if (isEmpty) return this.take(key, true, () => fs.rmdirSync(at()))
    // it stays, too, because of what is left in it
    if (this.left > leftBefore) this.left++
    return false
  }

  private take(key: string, isDirectory: boolean, go: () => void): boolean {
    const { isDry, most, told } = this.options
    if (this.count >= most) {
      this.left++
      return false
    }
    if (!isDry) go()
    this.count++
    told?.(Buffer.from(key, "latin1"), isDirectory)
    return true
  }
}

/** The filter in a directory of the destination, whose files of rules are its own. */
export const filterIn = (destination: Destination, filter: Filter | undefined, key: string): Filter | undefined => {
  if (filter === undefined) return undefined
  const entered = enter(filter, key, reading(destination, key))
  if (Result.isFailure(entered)) throw refusal("EINVAL", "a file of filter rules there cannot be used")
  return entered.success
}

const reading =
  (destination: Destination, key: string): ReadHere =>
  (name) => {
    const read = Result.try(() =>
      contentOf(Confinement.at(destination.tree.directory(key), Buffer.from(name, "latin1")))
    )
    if (Result.isSuccess(read)) return Result.succeed(read.success)
    const { code, reason } = Errno.fromCause(read.failure)
    return absent.has(code) ? Result.succeed(undefined) : Result.fail({ _tag: "Unread", file: name, code, reason })
  }

const absent: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "EISDIR", "ELOOP"])

const contentOf = (path: Buffer): string | undefined => {
  const fd = fs.openSync(path, Confinement.lookFlags)
  try {
    const stats = fs.fstatSync(fd)
    if (!stats.isFile() || stats.size > Limits.filterFileBytes) return undefined
    return fs.readFileSync(fd, "latin1")
  } finally {
    fs.closeSync(fd)
  }
}

/** All of it, because something else is to have its name. */
export const removeWhole = (destination: Destination, parent: string, name: Buffer): void =>
  void new Removal(destination, { most: Infinity, isDry: false }).remove(parent, name, undefined, true)
