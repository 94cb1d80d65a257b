/**
 * The contents of files that stand there, of which only the content can tell whether they are right: they are hashed after the
 * survey, and looked at again before the tree is committed.
 *
 * A file counts as the one that was hashed as long as its inode and the time of its last change are the same. Another time is
 * no failure: to delete another name of the file changes that, too. Then it is hashed once more.
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { hash, hashPieces } from "../../content/Hash.ts"
import * as Blocks from "../../delta/Blocks.ts"
import * as Limits from "../../protocol/Limits.ts"
import { countOf } from "../../protocol/Runs.ts"
import type { Runs } from "../../protocol/Words.ts"
import * as Descriptor from "../../system/Descriptor.ts"
import * as Status from "../../system/Status.ts"
import type { Entry } from "../../tree/Entry.ts"
import { Hashes } from "../../tree/Hashes.ts"
import * as Lacks from "../../tree/Lacks.ts"
import { carriedBytes } from "../../tree/Holes.ts"
import * as Confinement from "./Confinement.ts"
import { entriesPerTurn } from "./Destination.ts"
import type { Site } from "./Site.ts"
import { throughHoles, whole } from "./Through.ts"
import * as Zeros from "./Zeros.ts"

/** What was hashed, and by what each of the files is known. */
export class Contents {
  readonly hashes: Hashes
  readonly pageBytes: number
  /** Of large files the blocks, as many as a signature's list has room for. */
  private readonly blocks = new Map<number, Blocks.Blocks>()
  private blocksBytes = 0
  /** The entries as they were then: a file that a revision lists comes anew. */
  private readonly entries: ReadonlyArray<Entry>
  private readonly inodesHigh: Uint32Array
  private readonly inodesLow: Uint32Array
  private readonly seconds: Float64Array
  private readonly nanos: Uint32Array

  constructor(files: Runs, entries: ReadonlyArray<Entry>, pageBytes: number) {
    const count = countOf(files)
    this.pageBytes = pageBytes
    this.hashes = new Hashes(files)
    this.entries = entries
    this.inodesHigh = new Uint32Array(count)
    this.inodesLow = new Uint32Array(count)
    this.seconds = new Float64Array(count)
    this.nanos = new Uint32Array(count)
  }

  /** Has that entry's file been hashed? */
  covers(index: number, entry: Entry): boolean {
    return this.entries[index] === entry && this.hashes.get(index) !== undefined
  }

  /** Is it the file as it was when it was hashed, or described after that? */
  isKnown(index: number, status: Status.Status | undefined): boolean {
    const position = this.hashes.positionOf(index)
    if (position < 0 || status?.kind !== "File") return false
    const isSame = this.seconds[position] === status.changedSeconds && this.nanos[position] === status.changedNanos
    return isSame && this.inodesHigh[position] === status.inodeHigh && this.inodesLow[position] === status.inodeLow
  }

  /** The blocks of that entry's file, if it is the one that was hashed. */
  blocksOf(index: number, entry: Entry, status: Status.Status | undefined): Blocks.Blocks | undefined {
    return this.covers(index, entry) && this.isKnown(index, status) ? this.blocks.get(index) : undefined
  }

  keep(index: number, blocks: Blocks.Blocks): void {
    this.blocksBytes += blocks.strong.length
    if (this.blocksBytes <= Limits.signatureBytes) this.blocks.set(index, blocks)
  }

  know(index: number, { changedNanos, changedSeconds, inodeHigh, inodeLow }: Status.Status): void {
    const position = this.hashes.positionOf(index)
    if (position < 0) return
    this.inodesHigh[position] = inodeHigh
    this.inodesLow[position] = inodeLow
    this.seconds[position] = changedSeconds
    this.nanos[position] = changedNanos
  }
}

/** Hashes files; of one that cannot be read, or changes meanwhile, there is no hash. */
export const hashAll = Effect.fn("Disk.hash")(function* (
  site: Site,
  files: Runs,
  { pageBytes, told = () => {} }: Blocks.Hashing
) {
  const contents = new Contents(files, site.inventory.entries, pageBytes)
  site.contents = contents
  yield* eachOf(site, [...Lacks.each(files)], told, (index, hashed) => {
    if (hashed === undefined) return
    contents.hashes.put(index, hashed.hash)
    contents.know(index, hashed.status)
    if (hashed.blocks !== undefined) contents.keep(index, hashed.blocks)
  })
  return contents.hashes
})

/** Hashes files once more: one that has the content that it had is known again. */
export const hashAgain = (site: Site, indices: ReadonlyArray<number>) =>
  eachOf(
    site,
    indices,
    () => {},
    (index, hashed) => {
      const before = site.contents?.hashes.get(index)
      if (before === undefined || hashed === undefined || Buffer.compare(hashed.hash, before) !== 0) return
      site.contents?.know(index, hashed.status)
    }
  )

interface Hashed {
  readonly hash: Uint8Array
  readonly status: Status.Status
  /** Of a large file. */
  readonly blocks?: Blocks.Blocks
}

type Take = (index: number, hashed: Hashed | undefined) => void

/** Bytes that are read and hashed between two turns of the event loop: a millisecond. */
const turnBytes = 2 * 1024 * 1024

/** Small files many in a turn, large ones piece by piece. */
const eachOf = Effect.fnUntraced(function* (
  site: Site,
  indices: ReadonlyArray<number>,
  told: (bytes: number) => void,
  take: Take
) {
  const { destination, inventory } = site
  const piece = new Uint8Array(Limits.hashedBytes)
  let done = 0
  const count = (bytes: number) => told((done += bytes))
  const sizeOf = (at: number) => inventory.file(indices[at]).size
  const isSmall = (at: number) => sizeOf(at) <= piece.length && inventory.file(indices[at]).data === undefined
  let at = 0
  let turnsBytes = 0
  const step = () => {
    const bytes = sizeOf(at)
    take(indices[at], small(site, indices[at], piece))
    count(bytes)
    turnsBytes += bytes
    at++
    return at < indices.length && turnsBytes < turnBytes && isSmall(at)
  }
  while (at < indices.length) {
    turnsBytes = 0
    if (isSmall(at)) yield* destination.turn(step, entriesPerTurn)
    else {
      take(indices[at], yield* large(site, indices[at], piece, count))
      at++
    }
  }
})

const opened = ({ destination, inventory }: Site, index: number): number =>
  Confinement.openToLook(destination.spot(inventory.file(index).path))

/** The status of an open file that may be its entry's. */
const statsOf = ({ inventory }: Site, index: number, fd: number): fs.BigIntStats | undefined => {
  const stats = fs.fstatSync(fd, { bigint: true })
  return stats.isFile() && stats.size === BigInt(inventory.file(index).size) ? stats : undefined
}

/** It is known by what was found before it was read, if it is still the same. */
const hashedOf = (hash: Uint8Array, before: fs.BigIntStats, now: fs.BigIntStats | undefined): Hashed | undefined =>
  now?.ctimeNs === before.ctimeNs ? { hash, status: Status.ofStats(before) } : undefined

const small = (site: Site, index: number, piece: Uint8Array): Hashed | undefined =>
  Result.getOrUndefined(
    Result.try(() => {
      const fd = opened(site, index)
      try {
        const before = statsOf(site, index, fd)
        if (before === undefined) return undefined
        const content = piece.subarray(0, Number(before.size))
        if (Descriptor.readAll(fd, content) < content.length) return undefined
        return hashedOf(hash(content), before, statsOf(site, index, fd))
      } finally {
        fs.closeSync(fd)
      }
    })
  )

const large = (site: Site, index: number, piece: Uint8Array, count: (bytes: number) => void) =>
  Effect.acquireUseRelease(
    Effect.try({ try: () => Descriptor.make(opened(site, index)), catch: () => undefined }),
    (descriptor) =>
      Effect.gen(function* () {
        const { fd } = descriptor
        const extent = site.inventory.file(index)
        const before = statsOf(site, index, fd)
        if (before === undefined) return undefined
        // what is no zero there is no content of the source's
        if (!(yield* Zeros.between(site.libc, descriptor, extent, piece))) return undefined
        const readPart = whole(throughHoles(descriptor, { extent }).read)
        const { contents } = site
        if (contents !== undefined && Blocks.hasBlocks(extent)) {
          const bytes = carriedBytes(extent)
          const own = Blocks.make(bytes, Blocks.bytesOf(bytes, contents.pageBytes))
          const blocks = yield* Blocks.hashed(own, readPart, count)
          const hashed = hashedOf(Blocks.hashOf(blocks), before, statsOf(site, index, fd))
          return hashed && { ...hashed, blocks }
        }
        const hash = yield* hashPieces(carriedBytes(extent), piece, readPart, count)
        return hashedOf(hash, before, statsOf(site, index, fd))
      }),
    ({ close }) => close
  ).pipe(Effect.orElseSucceed((): Hashed | undefined => undefined))
