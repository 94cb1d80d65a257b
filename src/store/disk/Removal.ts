/**
 * Removal of a name with all that is below it, a step at a time, so that others run in between. Everything is reached through
 * Confinement, so that no link is followed; and no mount point is crossed.
 */

import * as Result from "effect/Result"
import * as fs from "node:fs"
import { enter, type Filter, mayDelete, type ReadHere } from "../../filter/Filter.ts"
import * as Veto from "../../filter/Veto.ts"
import * as Limits from "../../protocol/Limits.ts"
import * as RuleFile from "../../source/RuleFile.ts"
import * as Errno from "../../system/Errno.ts"
import { display, ofKey, parentOf } from "../../tree/Names.ts"
import { mounted, refusal } from "../Reasons.ts"
import type { Deleting } from "../Store.ts"
import { type Backups, removeKept } from "./Backups.ts"
import * as Confinement from "./Confinement.ts"
import { openUp, shut } from "./Describe.ts"
import type { Destination, Steps } from "./Destination.ts"

/** A directory that is emptied. */
interface Emptying {
  /** One character a byte. */
  readonly key: string
  readonly names: ReadonlyArray<Buffer>
  /** Which of the names comes next. */
  next: number
  readonly filter: Filter | undefined
  /** It goes itself, and so do perishable paths in it. */
  readonly isDoomed: boolean
  /** Something in it stays. */
  stays: boolean
  /** How many names were left when it was entered. */
  readonly leftBefore: number
  /** Its mode before it was opened up; undefined: it was not. */
  readonly modeBefore?: number | undefined
}

/** A directory that was found under a name that is to go. */
interface Found {
  readonly key: string
  readonly reading: fs.Dir
  readonly filter: Filter | undefined
  readonly modeBefore: number | undefined
}

interface Options extends Pick<Deleting, "most" | "isDry" | "told"> {
  readonly veto: Veto.Veto
  /** What goes is kept there; undefined: it is gone. [Y-11] */
  readonly backups: Backups | undefined
}

/** How a removal is done, and how far it is. */
export class Removal {
  /** Names that are gone. */
  count = 0
  /** What stays because there are too many. */
  left = 0
  /** How many names stay because the owner protects them, and the first of these. */
  protectedCount = 0
  readonly protectedNames: Array<string> = []
  /** Why something could not be removed, as it was met first. */
  refused: unknown
  private readonly destination: Destination
  private readonly options: Options

  constructor(destination: Destination, options: Options) {
    this.destination = destination
    this.options = options
  }

  /** Removes names in the directory of that key, with all below them that may go; answers whether all are gone. */
  *remove(key: string, names: ReadonlyArray<Buffer>, filter: Filter | undefined, isDoomed: boolean): Steps<boolean> {
    const stack = [this.emptying({ key, names, filter, isDoomed })]
    for (let top = stack[0]; ; top = stack[stack.length - 1]) {
      yield
      if (top.next < top.names.length) {
        const found = this.trying(() => this.removeName(top, top.names[top.next++]))
        if (typeof found === "boolean") top.stays ||= !found
        else {
          const names = yield* this.namesOf(found.reading)
          stack.push(this.emptying({ ...found, names, isDoomed: true }))
        }
      } else {
        stack.pop()
        const above = stack.at(-1)
        if (above === undefined) return !top.stays
        if (this.trying(() => this.leave(top)) === false) above.stays = true
      }
    }
  }

  private emptying(of: Pick<Emptying, "key" | "names" | "filter" | "isDoomed" | "modeBefore">): Emptying {
    return { ...of, next: 0, stays: false, leftBefore: this.left }
  }

  /** False where it is refused; true where another catcher of the destination was faster. */
  trying<A>(body: () => A): A | boolean {
    const done = Result.try(body)
    if (Result.isSuccess(done)) return done.success
    if (Errno.codeOf(done.failure) === "ENOENT") return true
    this.refused ??= done.failure
    return false
  }

  /** Removes a name, if it is no directory; answers whether it is gone, or the directory. */
  private removeName({ filter, isDoomed, key: parent }: Emptying, name: Buffer): boolean | Found {
    const { tree } = this.destination
    const at = () => Confinement.at(tree.directory(parent), name)
    const stats = Confinement.look(at())
    const key = Confinement.join(parent, name)
    if (stats === undefined) return true
    const isDirectory = stats.isDirectory()
    if (filter !== undefined && !mayDelete(filter, key, isDirectory, isDoomed)) return false
    if (Veto.names(this.options.veto, key, isDirectory)) return this.protect(key)
    if (!isDirectory) return this.takeFile(key, { directory: tree.directory(parent), name })
    if (this.options.backups?.areIn(key) === true) return false
    const mount = mountOf(tree.directory(parent))
    const directory = tree.directory(key)
    if (mountOf(directory) !== mount) throw mounted(ofKey(key))
    const modeBefore = this.options.isDry ? undefined : openUp(directory)
    const opened = Result.try(() => {
      const own = filterIn(this.destination, filter, key)
      return { key, filter: own, modeBefore, reading: openDirectory(directory) }
    })
    if (Result.isSuccess(opened)) return opened.success
    if (modeBefore !== undefined) shut(directory, modeBefore)
    throw opened.failure
  }

  /** All names in a directory that was opened, and is closed then. */
  *namesOf(reading: fs.Dir): Steps<ReadonlyArray<Buffer>> {
    const names: Array<Buffer> = []
    try {
      while (this.trying(() => readInto(names, reading)) === true) yield
    } finally {
      reading.closeSync()
    }
    return names
  }

  /** Removes a directory in which nothing is left; answers whether it is gone. */
  private leave({ key, leftBefore, modeBefore, stays }: Emptying): boolean {
    const { name, parent } = Confinement.split(ofKey(key))
    const { tree } = this.destination
    if (!stays) return this.take(key, true, () => fs.rmdirSync(Confinement.at(tree.directory(parent), name)))
    if (modeBefore !== undefined) shut(tree.directory(key), modeBefore)
    // it stays, too, because of what is left in it
    if (this.left > leftBefore) this.left++
    return false
  }

  private protect(key: string): false {
    this.protectedCount++
    if (this.protectedNames.length < Limits.vetoedNames) this.protectedNames.push(display(ofKey(key)))
    return false
  }

  /** Removes what is no directory; answers whether nothing of it stays where it was. */
  private takeFile(key: string, spot: Confinement.Spot): boolean {
    const { backups } = this.options
    if (backups?.isMade(key) === true) return false
    const isKept = backups !== undefined && !backups.isOne(key)
    const keepAndRemove = () => {
      backups?.keep(spot)
      removeKept(spot)
    }
    const go = isKept
      ? () => this.destination.holding(spot.directory, keepAndRemove)
      : () => fs.unlinkSync(Confinement.pathOf(spot))
    const isTaken = this.take(key, false, go)
    return isTaken && !(isKept && backups.areBeside)
  }

  private take(key: string, isDirectory: boolean, go: () => void): boolean {
    const { isDry, most, told } = this.options
    if (this.count >= most) {
      this.left++
      return false
    }
    if (!isDry) go()
    this.count++
    told?.(ofKey(key), isDirectory)
    return true
  }
}

/** Names that are read in one step. */
const namesAtOnce = 512

/** Opens a directory to read its names. */
export const openDirectory = ({ self }: Confinement.Directory): fs.Dir =>
  fs.opendirSync(self, { encoding: bytes, bufferSize: namesAtOnce })

// Node's types know no names as bytes here.
const bytes = "buffer" as BufferEncoding

/** Reads the next names of a directory; answers whether there may be more. */
const readInto = (names: Array<Buffer>, reading: fs.Dir): boolean => {
  for (let count = 0; count < namesAtOnce; count++) {
    const entry = reading.readSync()
    if (entry === null) return false
    names.push(entry.name as unknown as Buffer)
  }
  return true
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
export const filterAt = (destination: Destination, filter: Filter | undefined, key: string): Filter | undefined =>
  filterIn(destination, key === "" ? filter : filterAt(destination, filter, parentOf(key)), key)

const reading =
  (destination: Destination, key: string): ReadHere =>
  (name) => {
    const path = Confinement.at(destination.tree.directory(key), ofKey(name))
    return RuleFile.read(path.toString("latin1"), name, Confinement.lookFlags)
  }
