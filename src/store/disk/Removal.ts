/**
 * Removal of a name with all that is below it. Everything is reached through Confinement, so that no
 * link is followed; and no mount point is crossed.
 */

import * as Result from "effect/Result"
import * as fs from "node:fs"
import { enter, type Filter, mayDelete, type ReadHere } from "../../filter/Filter.ts"
import * as RuleFile from "../../source/RuleFile.ts"
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
    const removed = Result.try(() => this.removeNow(parent, name, filter, isDoomed))
    if (Result.isSuccess(removed)) return removed.success
    // another catcher of the destination was faster
    if (Errno.codeOf(removed.failure) === "ENOENT") return true
    throw removed.failure
  }

  private removeNow(parent: string, name: Buffer, filter: Filter | undefined, isDoomed: boolean): boolean {
    const { tree } = this.destination
    const at = () => Confinement.at(tree.directory(parent), name)
    const stats = Confinement.look(at())
    const key = Confinement.join(parent, name)
    if (stats === undefined) return true
    if (filter !== undefined && !mayDelete(filter, key, stats.isDirectory(), isDoomed)) return false
    if (!stats.isDirectory()) return this.take(key, false, () => fs.unlinkSync(at()))
    const mount = mountOf(tree.directory(parent))
    const directory = tree.directory(key)
    if (mountOf(directory) !== mount) throw mounted(Buffer.from(key, "latin1"))
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

/** Of which mount a directory is, as far as it can be told: a part of a file system may be mounted elsewhere in it. */
const mountOf = ({ self }: Confinement.Directory): string => {
  const { dev } = fs.statSync(self, { bigint: true })
  const fd = /^\/proc\/self\/fd\/(\d+)/.exec(self.toString("latin1"))?.[1]
  const told = Result.try(() => (fd === undefined ? "" : fs.readFileSync(`/proc/self/fdinfo/${fd}`, "latin1")))
  return `${dev} ${/^mnt_id:.*$/m.exec(Result.getOrElse(told, () => ""))?.[0]}`
}

/** The filter in a directory of the destination, whose files of rules are its own. */
export const filterIn = (destination: Destination, filter: Filter | undefined, key: string): Filter | undefined => {
  if (filter === undefined) return undefined
  const entered = enter(filter, key, reading(destination, key))
  if (Result.isFailure(entered)) throw refusal("EINVAL", "a file of filter rules there cannot be used")
  return entered.success
}

/** The same of a directory anywhere below. */
const filterAt = (destination: Destination, filter: Filter | undefined, key: string): Filter | undefined =>
  filterIn(destination, key === "" ? filter : filterAt(destination, filter, Confinement.parentOf(key)), key)

const reading =
  (destination: Destination, key: string): ReadHere =>
  (name) => {
    const path = Confinement.at(destination.tree.directory(key), Buffer.from(name, "latin1"))
    return RuleFile.read(path.toString("latin1"), name, Confinement.lookFlags)
  }

/**
 * All of it, because something else is to have its name; answers how many names in it are gone. Where some of it must stay, or
 * more is in it than `most`, nothing goes.
 */
export const removeWhole = (
  destination: Destination,
  parent: string,
  name: Buffer,
  { filter, most }: { readonly filter: Filter | undefined; readonly most: number }
): number => {
  const own = filterAt(destination, filter, parent)
  // its own name is made way for, and does not count
  const removing = (isDry: boolean) => new Removal(destination, { most: most + 1, isDry })
  if (!removing(true).remove(parent, name, own, true))
    throw refusal("ENOTEMPTY", "a directory is in its place in which something must stay")
  const removal = removing(false)
  removal.remove(parent, name, own, true)
  return removal.count - 1
}
