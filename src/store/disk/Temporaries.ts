/**
 * Temporary files: their names, and the removal of those that a killed process left. A file is written under
 * `.NAME.mrsync-XXXXXX` beside its final name. The first four of the six characters mark the owner, so that a later process
 * of the same owner knows which files it may remove; without an owner they stay.
 */

import type * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { hash } from "../../content/Hash.ts"
import * as Errno from "../../system/Errno.ts"
import * as Names from "../../tree/Names.ts"
import type { Directory, Spot } from "./Confinement.ts"
import * as Confinement from "./Confinement.ts"

/** Longest name on nearly every file system. */
export const longestNameBytes = 255
/** Temporary names tried when others exist already; six random characters do not collide this often by chance. */
const nameAttempts = 100
/** Characters at the end of a temporary name, and how many of them are the owner's mark. */
const endChars = 6
const markChars = 4
/** Bytes of a UTF-8 character. */
const longestChar = 4

/** Makes something at a spot. */
export type Create<A> = (at: Spot) => A

export class Temporaries {
  private readonly mark: string
  private readonly user: number
  private readonly random: typeof Random.Random.Service
  /** Temporary files that are open now. */
  private readonly open = new Set<string>()
  /** Directories where those of an earlier process were looked for. */
  private cleared = new Set<string>()

  /** Keeps what had arrived of a file for another session; answers whether it did. */
  private readonly keepPart: (temporary: Spot, spot: Spot) => boolean

  constructor(
    owner: string | undefined,
    user: number,
    random: typeof Random.Random.Service,
    keepPart: (temporary: Spot, spot: Spot) => boolean
  ) {
    this.keepPart = keepPart
    this.mark = owner === undefined ? "" : markOf(owner)
    this.user = user
    this.random = random
  }

  /** A session begins: each directory is cleared once in it. */
  begin(): void {
    this.cleared = new Set()
  }

  /** Makes something under a temporary name beside a final one. */
  make<A>({ directory, name }: Spot, create: Create<A>): { readonly at: Spot; readonly made: A } {
    let base = name
    for (let attempts = 1; ; attempts++) {
      const at = { directory, name: this.nameFor(base) }
      const made = Result.try(() => create(at))
      if (Result.isSuccess(made)) return { at, made: made.success }
      const code = Errno.codeOf(made.failure)
      if (attempts === nameAttempts || (code !== "EEXIST" && code !== "ENAMETOOLONG")) throw made.failure
      if (code === "ENAMETOOLONG") {
        if (base.length === 0) throw made.failure
        base = Buffer.alloc(0)
      }
    }
  }

  /** While a file is open, `clear` leaves it. */
  keep(at: Spot): void {
    this.open.add(keyOf(at))
  }

  letGo(at: Spot): void {
    this.open.delete(keyOf(at))
  }

  /**
   * Removes the files that an earlier process of this owner left in a directory, or keeps what had arrived of a large one. Only
   * files carried alone leave much: members of a bundle are made and named at once, and new ones have no temporary name. Answers
   * whether it was not cleared before.
   */
  clear(directory: Directory): boolean {
    if (this.cleared.has(directory.key)) return false
    this.cleared.add(directory.key)
    for (const { name, path } of this.leftovers(directory.self)) {
      // A file that cannot be removed stays; nothing of this session needs its name.
      if (this.open.has(keyOf({ directory, name }))) continue
      const final = finalOf(name)
      const isKept = final !== undefined && this.keepPart({ directory, name }, { directory, name: final })
      if (!isKept) Result.try(() => fs.unlinkSync(path))
    }
    return true
  }

  /** The bytes that temporary files of this owner take in a directory. */
  leftoverBytes(directory: Buffer): number {
    return this.leftovers(directory).reduce((sum, { bytes }) => sum + bytes, 0)
  }

  private leftovers(directory: Buffer) {
    if (this.mark === "") return []
    const names = Result.try(() => fs.readdirSync(directory, { encoding: "buffer" }))
    return Result.getOrElse(names, () => []).flatMap((name) => {
      const isMarked = name.subarray(-endChars, markChars - endChars).toString("latin1") === this.mark
      if (!isMarked || !isTemporary(name)) return []
      const path = Buffer.concat([directory, slash, name])
      const stats = Result.getOrUndefined(Result.try(() => Confinement.look(path)))
      return Confinement.isOwn(stats, this.user) ? [{ name, path, bytes: Number(stats.blocks) * 512 }] : []
    })
  }

  private nameFor(name: Buffer): Buffer {
    let end = `${suffix}${this.mark}`
    for (let i = this.mark.length; i < endChars; i++) {
      end += alphabet[Math.floor(this.random.nextDoubleUnsafe() * alphabet.length)]
    }
    let length = Math.min(name.length, longestNameBytes - 1 - end.length)
    // Not within a UTF-8 character: some file systems refuse half of one.
    while (length < name.length && length > 0 && (name[length] & 0xc0) === 0x80) length--
    return Buffer.from(`.${name.toString("latin1", 0, length)}${end}`, "latin1")
  }
}

/** Is it the name of a temporary file, of whatever owner? */
export const isTemporary = (name: Buffer): boolean => Names.isTemporary(Names.keyOf(name))

/** The final name; undefined where it may have been longer. */
const finalOf = (name: Buffer): Buffer | undefined =>
  name.length < longestNameBytes - longestChar ? name.subarray(1, -endChars - suffix.length) : undefined

const keyOf = ({ directory, name }: Spot): string => Confinement.join(directory.key, name)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
const slash = Buffer.from("/")
const suffix = ".mrsync-"

/** Four of the six characters that end a temporary name: one in fifteen million owners has the same. */
const markOf = (owner: string): string =>
  Array.from(hash(Buffer.from(owner)).subarray(0, markChars), (byte) => alphabet[byte % alphabet.length]).join("")
