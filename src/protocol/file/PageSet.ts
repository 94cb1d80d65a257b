/**
 * Which pages of a file are held: a copy-on-write bitmap. A batch copies the leaves it touches (2048 pages each) and the two
 * short arrays above them, so its cost does not grow with the file; earlier sets stay as they were.
 *
 * [S-1] held + missing = pages, and `held` is the number of bits that are set.
 */

import type { Runs } from "../Words.ts"

// Powers of two, so that places are found by shifts; pages stay below 2^30 (Limits.maxPages).
const leafShift = 11
const leafPages = 1 << leafShift
const leafMask = leafPages - 1
const leafWords = leafPages / 32
const nodeShift = 7
const nodeLeaves = 1 << nodeShift
const nodePages = leafPages * nodeLeaves

// 32 pages a word, as signed integers: V8 copies a short array of small integers several times faster than a typed one.
type Leaf = Array<number>
type Node = ReadonlyArray<Leaf>

/** Which pages of a file are held. Never changed: each function gives a new set. */
export interface PageSet {
  /** How many there are. */
  readonly pages: number
  /** How many of them are held. */
  readonly held: number
  /** The bits, shared with other sets as far as they agree. */
  readonly nodes: ReadonlyArray<Node>
}

const blank: Leaf = Array.from({ length: leafWords }, () => 0)

/** No page is held. */
export const empty = (pages: number): PageSet => ({
  pages,
  held: 0,
  nodes: Array.from({ length: Math.ceil(pages / nodePages) }, (_, node) =>
    Array.from({ length: Math.min(nodeLeaves, Math.ceil((pages - node * nodePages) / leafPages)) }, () => blank)
  )
})

/** Is that page held? `page` below `pages`. */
export const has = (self: PageSet, page: number): boolean => {
  return (leafIn(self, page)[(page & leafMask) >>> 5] & (1 << (page & 31))) !== 0
}

const leafIn = (self: PageSet, page: number): Leaf => {
  const leafAt = page >>> leafShift
  return self.nodes[leafAt >>> nodeShift][leafAt & (nodeLeaves - 1)]
}

/** Is every page held? */
export const isFull = (self: PageSet): boolean => self.held === self.pages

/** A set being changed inside one call; nobody else sees it before `seal`. */
class Draft {
  held: number
  readonly pages: number
  private nodes: Array<Node>
  private rootCopied = false
  private readonly original: ReadonlyArray<Node>
  private node: Array<Leaf> = []
  private nodeAt = -1
  private leaf: Leaf = blank
  private leafAt = -1

  constructor(set: PageSet) {
    this.held = set.held
    this.pages = set.pages
    this.original = set.nodes
    this.nodes = set.nodes as Array<Node>
  }

  /** The leaf of a page, copied on its first use in this draft. */
  leafOf(page: number): Leaf {
    const leafAt = page >>> leafShift
    if (leafAt === this.leafAt) return this.leaf
    const nodeAt = leafAt >>> nodeShift
    if (nodeAt !== this.nodeAt) {
      if (!this.rootCopied) {
        this.nodes = this.nodes.slice()
        this.rootCopied = true
      }
      // a node that this draft has copied already is its own
      const node = this.nodes[nodeAt]
      this.node = node === this.original[nodeAt] ? node.slice() : (node as Array<Leaf>)
      this.nodes[nodeAt] = this.node
      this.nodeAt = nodeAt
    }
    const within = leafAt & (nodeLeaves - 1)
    const leaf = this.node[within]
    this.leaf = leaf === this.original[nodeAt][within] ? leaf.slice() : leaf
    this.node[within] = this.leaf
    this.leafAt = leafAt
    return this.leaf
  }

  seal(): PageSet {
    return { pages: this.pages, held: this.held, nodes: this.nodes }
  }
}

/**
 * Adds a batch. `fresh` are the positions in the batch of pages that were not held (each page once, in the batch's
 * order); `undefined`: all of them. Indices outside the file are not fresh.
 */
export const add = (
  self: PageSet,
  batch: ArrayLike<number>
): { readonly set: PageSet; readonly fresh: ReadonlyArray<number> | undefined } => {
  const draft = new Draft(self)
  const { pages } = self
  let fresh: Array<number> | undefined
  let held = 0
  for (let i = 0, length = 1; i < batch.length; i += length) {
    const page = batch[i]
    length = 1
    if (page < pages) {
      // consecutive pages of one word are one step
      const most = Math.min(batch.length - i, 32 - (page & 31), pages - page)
      while (length < most && batch[i + length] === page + length) length++
      const leaf = draft.leafOf(page)
      const word = (page & leafMask) >>> 5
      const run = (length === 32 ? -1 : (1 << length) - 1) << (page & 31)
      if ((leaf[word] & run) === 0) {
        leaf[word] |= run
        held += length
        if (fresh !== undefined) for (let k = 0; k < length; k++) fresh.push(i + k)
        continue
      }
      // some are held: this one alone
      length = 1
      const bit = 1 << (page & 31)
      if ((leaf[word] & bit) === 0) {
        leaf[word] |= bit
        held++
        fresh?.push(i)
        continue
      }
    }
    fresh ??= Array.from({ length: i }, (_, k) => k)
  }
  draft.held += held
  return fresh?.length === 0 ? { set: self, fresh } : { set: draft.seal(), fresh }
}

/** Pages [first, first + count) are missing again. */
export const remove = (self: PageSet, first: number, count: number): PageSet => put(self, first, count, false)

/** All of [first, first + count) are held. */
export const fill = (self: PageSet, first: number, count: number): PageSet => put(self, first, count, true)

const put = (self: PageSet, first: number, count: number, isHeld: boolean): PageSet => {
  const draft = new Draft(self)
  const end = Math.min(first + count, self.pages)
  for (let page = first; page < end; page++) {
    const leaf = draft.leafOf(page)
    const word = (page & leafMask) >>> 5
    const bit = 1 << (page & 31)
    if (((leaf[word] & bit) !== 0) === isHeld) continue
    leaf[word] ^= bit
    draft.held += isHeld ? 1 : -1
  }
  return draft.seal()
}

/** How many of [first, first + count) are missing. */
export const lacking = (self: PageSet, first: number, count: number): number => {
  const end = Math.min(first + count, self.pages)
  let held = 0
  for (let page = first; page < end;) {
    const length = Math.min(end - page, 32 - (page & 31))
    const run = (length === 32 ? -1 : (1 << length) - 1) << (page & 31)
    held += bitsOf(leafIn(self, page)[(page & leafMask) >>> 5] & run)
    page += length
  }
  return Math.max(0, end - first) - held
}

// The usual sums of neighbouring bits (Warren, Hacker's Delight, 5-1).
const bitsOf = (word: number): number => {
  const pairs = word - ((word >>> 1) & 0x5555_5555)
  const fours = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24
}

/** The missing runs of [first, first + count). */
export const missing = (self: PageSet, first: number, count: number): Runs => runsOf(self, first, count, false)

const runsOf = (self: PageSet, first: number, count: number, held: boolean): Runs => {
  const out: Array<number> = []
  const end = Math.min(first + count, self.pages)
  let page = first
  while (page < end) {
    page = next(self, page, end, held)
    if (page >= end) break
    const stop = next(self, page, end, !held)
    out.push(page, stop - page)
    page = stop
  }
  return out
}

/** The runs of [first, first + count) that are held. */
export const heldIn = (self: PageSet, first: number, count: number): Runs => runsOf(self, first, count, true)

/** The first missing page, or undefined. */
export const firstMissing = (self: PageSet): number | undefined => {
  const page = isFull(self) ? self.pages : next(self, 0, self.pages, false)
  return page < self.pages ? page : undefined
}

// The first page in [from, end) whose bit is `held`, or `end`; whole words are skipped at once.
const next = (self: PageSet, from: number, end: number, held: boolean): number => {
  const same = held ? 0 : -1
  let page = from
  while (page < end) {
    const word = leafIn(self, page)[(page & leafMask) >>> 5]
    if ((page & 31) === 0 && word === same) page += 32
    else if (((word >>> (page & 31)) & 1) === (held ? 1 : 0)) return page
    else page++
  }
  return end
}

/** The broken invariants of a set, for tests: [S-1]. */
export const invariants = (self: PageSet): ReadonlyArray<string> => {
  let bits = 0
  for (const node of self.nodes) {
    for (const leaf of node) for (let word of leaf) for (; word !== 0; word &= word - 1) bits++
  }
  const out: Array<string> = []
  if (bits !== self.held) out.push(`S-1: ${bits} bits are set, held says ${self.held}`)
  const runs = missing(self, 0, self.pages)
  let gaps = 0
  for (let i = 1; i < runs.length; i += 2) gaps += runs[i]
  if (self.held + gaps !== self.pages) out.push(`S-1: ${self.held} held and ${gaps} missing are not ${self.pages}`)
  return out
}
