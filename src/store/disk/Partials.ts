/**
 * What had arrived of a large file whose session ended before it was whole: it is kept beside the file's own name, as `.NAME.mrsync-partial`,
 * or in another directory under that name. The next session takes it for an older version of the file. Nothing says which of its
 * blocks are right, and after a loss of power they may be anything: each is hashed before it is used. [Y-15]
 */

import * as Result from "effect/Result"
import * as fs from "node:fs"
import { hasBlocks } from "../../delta/Blocks.ts"
import { hash } from "../../content/Hash.ts"
import * as Veto from "../../filter/Veto.ts"
import * as Limits from "../../protocol/Limits.ts"
import type { Entry } from "../../tree/Entry.ts"
import { isPartial as isPartialName, keyOf, nameOf, ofKey, parentOf } from "../../tree/Names.ts"
import { refusal, vetoed } from "../Reasons.ts"
import type { Where } from "../Store.ts"
import type { Spot } from "./Confinement.ts"
import * as Confinement from "./Confinement.ts"
import { type Destination, isScarce } from "./Destination.ts"
import type { Guard } from "./Guard.ts"
import { longestNameBytes } from "./Temporaries.ts"

const end = ".mrsync-partial"

/** Is it the name of something that is kept beside a file? */
export const isPartial = (name: Uint8Array): boolean => isPartialName(keyOf(name))

/** Has so much of it arrived that it is kept? */
const isWorth = (stats: fs.BigIntStats): boolean => Number(stats.blocks) * 512 >= Limits.partialBytes

/** Room for everybody on the disk of a directory; Infinity where the system does not say. */
const freeBytes = ({ self }: Confinement.Directory): number => {
  const { bavail, blocks, bsize } = fs.statfsSync(self)
  return blocks > 0 ? bavail * bsize : Infinity
}

/** One name has one such place, also where it is too long for it. */
const besideOf = ({ directory, name }: Spot): Spot => {
  const fits = name.length + end.length < longestNameBytes
  const short = () => Buffer.from(hash(name).subarray(0, 16)).toString("hex")
  return { directory, name: Buffer.from(`.${fits ? name.toString("latin1") : short()}${end}`, "latin1") }
}

interface Options {
  readonly destination: Destination
  readonly user: number
  readonly veto: Veto.Veto
  readonly where: Where
}

interface Session {
  readonly guard: Guard
  /** Does the tree have that path, one character a byte? */
  readonly isTaken: (key: string) => boolean
}

export class Partials {
  private readonly options: Options
  private readonly session: () => Session
  /** The final names of files of which something was kept in this session, by where it is; one character a byte. */
  private keptNow = new Map<string, string>()

  constructor(options: Options, session: () => Session) {
    this.options = options
    this.session = session
  }

  /** A session begins. */
  begin(): void {
    this.keptNow = new Map()
  }

  /** Of entries, the paths of those of which something was kept in this session, and that have become too small to use it. */
  outgrown(entries: ReadonlyArray<Entry>): ReadonlyArray<Uint8Array> {
    if (this.keptNow.size === 0) return []
    const kept = new Set(this.keptNow.values())
    const isOutgrown = (entry: Entry) => entry._tag === "File" && !hasBlocks(entry) && kept.has(keyOf(entry.path))
    return entries.filter(isOutgrown).map(({ path }) => path)
  }

  /** Is something kept of the file that is to have this name? */
  has(spot: Spot): boolean {
    return this.find(spot) !== undefined
  }

  /**
   * Renames a temporary file, if that is worth it and no more is kept already; answers whether it has another name now. `isOld`: an
   * earlier session has kept it. What is new is not kept on a disk that is full.
   */
  keep(temporary: Spot, spot: Spot, isOld = false): boolean {
    const { destination, user, where } = this.options
    const kept = Result.try(() => {
      const now = Confinement.look(Confinement.pathOf(temporary))
      if (where === "Nowhere" || now?.isFile() !== true || !isWorth(now)) return false
      // a disk that is full harms others, and for as long as nobody comes back
      if (!isOld && freeBytes(spot.directory) < Limits.partialBytes) return false
      return destination.holding(spot.directory, () => {
        const place = this.placeOf(spot, true)
        this.mustBeFree(place)
        const before = Confinement.look(Confinement.pathOf(place))
        if (before !== undefined && (!Confinement.isOwn(before, user) || before.blocks > now.blocks)) return false
        fs.renameSync(Confinement.pathOf(temporary), Confinement.pathOf(place))
        this.keptNow.set(
          Confinement.join(place.directory.key, place.name),
          Confinement.join(spot.directory.key, spot.name)
        )
        return true
      })
    })
    return Result.getOrElse(kept, () => false)
  }

  /**
   * What is kept takes the place of a new temporary file, so that it needs no room twice; answers its descriptor, or undefined where
   * nothing is kept.
   */
  takeBack(spot: Spot, temporary: Spot): number | undefined {
    return this.options.destination.holding(spot.directory, () => {
      const found = this.find(spot)
      if (found === undefined) return undefined
      const [from, to] = [found.place, temporary].map(Confinement.pathOf)
      // without what cannot be opened or moved, the file comes as if nothing were kept
      const opened = Result.try(() => this.opened(from))
      if (Result.isFailure(opened)) {
        if (isScarce(opened.failure)) throw opened.failure
        return undefined
      }
      const fd = opened.success
      if (Result.isFailure(Result.try(() => fs.renameSync(from, to)))) {
        fs.closeSync(fd)
        return undefined
      }
      this.tidy(spot)
      const isIt = (now: fs.BigIntStats | undefined) => now !== undefined && Confinement.isSameFile(now, found.stats)
      if (isIt(fs.fstatSync(fd, { bigint: true })) && isIt(Confinement.look(to))) return fd
      fs.closeSync(fd)
      throw refusal("ESTALE", "what was kept of it was replaced meanwhile")
    })
  }

  private opened(path: Buffer): number {
    const { destination, user } = this.options
    return Confinement.openToWrite(destination.tree, path, (stats) => Confinement.isOwn(stats, user))
  }

  /** What is kept, opened to be read: where the file is written as it stands, it is one more version. [F-11] */
  openToRead(spot: Spot): number | undefined {
    return this.options.destination.holding(spot.directory, () => {
      const found = this.find(spot)
      return found === undefined ? undefined : Confinement.openToLook(found.place)
    })
  }

  /** What is kept goes where it leaves too little room for the file as a whole. */
  makeRoom(spot: Spot, bytes: number): undefined {
    if (bytes < Limits.deltaBytes) return
    if (freeBytes(spot.directory) < bytes) this.clear(spot)
  }

  /** The file is whole now, or there is no room for both. */
  clear(spot: Spot): void {
    Result.try(() =>
      this.options.destination.holding(spot.directory, () => {
        const found = this.find(spot)
        if (found === undefined) return
        fs.unlinkSync(Confinement.pathOf(found.place))
        this.tidy(spot)
      })
    )
  }

  /** The same by the path of the file, whose directory may be gone. */
  clearAt(path: Uint8Array): void {
    Result.try(() => this.clear(this.options.destination.spot(path)))
  }

  /** Is it the name of what is kept in part, or of a directory for that? It is spared where names are deleted. */
  isOwn(name: Uint8Array): boolean {
    const { where } = this.options
    if (isPartial(name)) return true
    return (
      typeof where !== "string" && !isAbsolute(where.directory) && keyOf(name) === keyOf(where.directory).split("/")[0]
    )
  }

  /** May such a place, or a directory on the way to it, have that path, one character a byte? */
  mayHave(key: string): boolean {
    const { where } = this.options
    if (typeof where === "string") return isPartial(nameOf(key))
    if (isAbsolute(where.directory)) return false
    const ends = (path: string, directory: string) => `/${path}`.endsWith(`/${directory}`)
    const own = keyOf(where.directory)
    return ends(parentOf(key), own) || waysTo(own).some((directory) => ends(key, directory))
  }

  /** The bytes that they take in a directory. */
  bytesIn(directory: Buffer): number {
    const { user, where } = this.options
    if (typeof where !== "string" && isAbsolute(where.directory)) return 0
    const within = typeof where === "string" ? directory : Buffer.concat([directory, slash, where.directory])
    const names = Result.try(() => fs.readdirSync(within, { encoding: "buffer" }))
    return Result.getOrElse(names, () => []).reduce((sum, name) => {
      if (typeof where === "string" && !isPartial(name)) return sum
      const stats = Result.getOrUndefined(Result.try(() => Confinement.look(Buffer.concat([within, slash, name]))))
      return Confinement.isOwn(stats, user) ? sum + Number(stats.blocks) * 512 : sum
    }, 0)
  }

  private find(spot: Spot) {
    return Result.getOrUndefined(
      Result.try(() => {
        const place = this.placeOf(spot, false)
        const stats = Confinement.look(Confinement.pathOf(place))
        if (!Confinement.isOwn(stats, this.options.user)) return undefined
        this.mustBeFree(place)
        return { place, stats }
      })
    )
  }

  /** Throws where a directory on the way is missing and is not to be made. */
  private placeOf(spot: Spot, makes: boolean): Spot {
    const { destination, where } = this.options
    if (typeof where === "string") return besideOf(spot)
    const { name } = spot
    const path = Buffer.from(where.directory)
    if (isAbsolute(path)) {
      const prefix = Buffer.concat([path, slash])
      return { directory: { key: outside, self: path, prefix }, name }
    }
    let { key } = spot.directory
    const parts = partsOf(path)
    // no directory is made for what is not kept
    if (makes) this.mustBeFreeAt([...parts, name].reduce(Confinement.join, key))
    for (const part of parts) {
      const within = destination.tree.directory(key)
      key = Confinement.join(key, part)
      // what the tree has is made as the tree has it, and may be no directory
      if (makes && !this.session().isTaken(key)) {
        Result.try(() => fs.mkdirSync(Confinement.at(within, part), 0o700))
      }
    }
    return { directory: destination.tree.directory(key), name }
  }

  /** Is that name neither the tree's nor protected? */
  isFree(place: Spot): boolean {
    return Result.isSuccess(Result.try(() => this.mustBeFree(place)))
  }

  /** Throws where the tree has that name, or no master may touch it. */
  private mustBeFree({ directory, name }: Spot): void {
    if (directory.key !== outside) this.mustBeFreeAt(Confinement.join(directory.key, name))
  }

  private mustBeFreeAt(key: string): void {
    const { guard, isTaken } = this.session()
    guard.check(key)
    if (Veto.names(this.options.veto, key, false)) throw vetoed()
    if (isTaken(key)) throw refusal("EEXIST", "the tree has that name")
  }

  /** A directory in which nothing is kept any more goes, unless the tree has it. */
  private tidy(spot: Spot): void {
    const { destination, where } = this.options
    if (typeof where === "string" || isAbsolute(where.directory)) return
    const parts = partsOf(where.directory)
    const above = (depth: number) => parts.slice(0, depth).reduce(Confinement.join, spot.directory.key)
    for (let depth = parts.length - 1; depth >= 0; depth--) {
      if (this.session().isTaken(above(depth + 1))) return
      const path = Confinement.at(destination.tree.directory(above(depth)), parts[depth])
      if (Result.isFailure(Result.try(() => fs.rmdirSync(path)))) return
    }
  }
}

/** No path below the destination. */
const outside = "/"
const slash = Buffer.from("/")

/** The directories of a relative path, one below the other. */
const partsOf = (path: Uint8Array): ReadonlyArray<Buffer> => keyOf(path).split("/").map(ofKey)

/** A relative path, and those of the directories on the way to it. */
const waysTo = (path: string): ReadonlyArray<string> =>
  path.split("/").map((_, depth, parts) => parts.slice(0, depth + 1).join("/"))

/** The one directory in which the parts of all files are, if there is one. */
export const oneFor = (where: Where): Buffer | undefined =>
  typeof where !== "string" && isAbsolute(where.directory) ? Buffer.from(where.directory) : undefined

const isAbsolute = (path: Uint8Array): boolean => path[0] === 0x2f
