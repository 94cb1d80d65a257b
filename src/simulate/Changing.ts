/**
 * A tree whose files change while they are sent, in each of the ways in which files do. What they have been is remembered:
 * a catcher may end with any of it, but with nothing else.
 */
import * as Effect from "effect/Effect"
import { rewrite } from "../source/Memory.ts"
import type { Given } from "../store/Memory.ts"
import { display } from "../tree/Names.ts"
import type { Dice } from "./Dice.ts"
import * as Tree from "./Tree.ts"

const kinds = ["replaced", "rewritten", "mapped", "appended", "cut", "touched", "gone", "leased"] as const

type Kind = (typeof kinds)[number]

/** Something that befalls a file at a time. */
export interface Change {
  readonly index: number
  readonly kind: Kind
  readonly atMillis: number
  /** How long it stays away, or a lease is kept; undefined: it does not come back. */
  readonly lastsMillis: number | undefined
  readonly seed: number
}

/** Blocks of every size of page are whole multiples of it. */
const blockBytes = 512

export class Changing {
  /** As it is now; the source looks here. */
  readonly tree: Array<Given>
  private readonly past = new Map<string, Array<Given>>()
  /** Paths that may end without a file. */
  readonly gone = new Set<string>()
  /** Paths that are written to through mmap: what is read meanwhile may be of several moments. */
  private readonly mixed = new Set<string>()

  constructor(tree: ReadonlyArray<Given>) {
    this.tree = tree.map((given) => ({ ...given }))
  }

  private pathOf(index: number): string {
    return display(this.tree[index].entry.path)
  }
  /** All that a file has been and is; one version for what never changes. */
  versions(path: string): ReadonlyArray<Given> {
    return this.past.get(path) ?? this.tree.filter(({ entry }) => display(entry.path) === path)
  }
  changes(path: string): boolean {
    return this.past.has(path)
  }
  /** Has a file been this? Of one that is written to through mmap every block was at some moment. */
  hasBeen(path: string, content: Uint8Array): boolean {
    const contents = this.versions(path).map(({ content }) => content ?? new Uint8Array(0))
    if (contents.some((version) => Buffer.compare(version, content) === 0)) return true
    if (!this.mixed.has(path)) return false
    for (let at = 0; at < content.length; at += blockBytes) {
      const block = content.subarray(at, at + blockBytes)
      if (!contents.some((version) => Buffer.compare(version.subarray(at, at + block.length), block) === 0))
        return false
    }
    return contents.some((version) => version.length === content.length)
  }

  /** Before the session: what is going to change, so that nothing counts as unchangeable. */
  foretell({ index, kind, lastsMillis }: Change): void {
    const path = this.pathOf(index)
    this.past.set(
      path,
      [...this.versions(path)].map((given) => ({ ...given }))
    )
    if (kind === "gone" && lastsMillis === undefined) this.gone.add(path)
    if (kind === "mapped") this.mixed.add(path)
  }

  /** It befalls the file. */
  begin({ index, kind, seed }: Change): void {
    const now = this.tree[index]
    const { content = new Uint8Array(0) } = now
    switch (kind) {
      case "replaced":
        this.tree[index] = this.written(index, Tree.bytes(sizeFor(content.length, seed), seed))
        break
      case "rewritten":
        rewrite(now, this.written(index, Tree.bytes(sizeFor(content.length, seed), seed)))
        break
      case "mapped":
        rewrite(now, { content: flipped(content, seed) })
        break
      case "appended": {
        const longer = new Uint8Array(content.length + 1 + (seed % 2000))
        longer.set(content)
        rewrite(now, this.written(index, longer))
        break
      }
      case "cut":
        rewrite(now, this.written(index, content.slice(0, content.length >> 1)))
        break
      case "touched":
        rewrite(now, this.written(index, content))
        break
      case "gone":
        // one that comes back after the second look for it is missed as one that does not
        this.tree[index] = { ...now, fault: "changed", sought: () => void this.gone.add(this.pathOf(index)) }
        return
      case "leased":
        rewrite(now, { fault: "leased" })
        return
    }
    this.past.get(this.pathOf(index))?.push({ ...this.tree[index] })
  }

  /** And ends, for what does. */
  end({ index, kind }: Change): void {
    const { content, entry } = this.tree[index]
    const free = { entry, ...(content === undefined ? {} : { content }) }
    if (kind === "gone") this.tree[index] = free
    if (kind === "leased") rewrite(this.tree[index], { fault: undefined } as unknown as Given)
  }

  // With a time that no version of it had.
  private written(index: number, content: Uint8Array): Given {
    const { entry } = this.tree[index]
    if (entry._tag !== "File") return this.tree[index]
    const mtimeSeconds = entry.metadata.mtimeSeconds + 1
    const { data: _, ...dense } = entry
    return { entry: { ...dense, size: content.length, metadata: { ...entry.metadata, mtimeSeconds } }, content }
  }
}

/** The same size, another one, or beyond what travels in a bundle. */
const sizeFor = (size: number, seed: number): number => [size, seed % 5000, 530_000 + (seed % 5000)][seed % 3]

const flipped = (content: Uint8Array, seed: number): Uint8Array => {
  const out = content.slice()
  if (out.length > 0) out[seed % out.length] ^= 0xff
  return out
}

/** Files that change while the master waits or sends. */
export const changesOf = (dice: Dice, tree: ReadonlyArray<Given>): ReadonlyArray<Change> => {
  const files = tree.flatMap(({ entry }, index) => (entry._tag === "File" ? [index] : []))
  if (files.length === 0 || !dice.hits(0.25)) return []
  return Array.from({ length: dice.whole(1, 4) }, () => {
    const kind = dice.pick(...kinds)
    const lasts = kind === "leased" || dice.hits(0.5)
    return {
      kind,
      // large ones, which come last, as often as all others
      index: dice.hits(0.5) ? files[files.length - 1] : dice.pick(...files),
      atMillis: dice.scaled(20, 5000),
      lastsMillis: lasts ? dice.scaled(5, 3000) : undefined,
      seed: dice.whole(0, 0xffff)
    }
  })
}

/** It befalls the file at its time, and ends. */
export const changeFile = (change: Change, source: Changing): Effect.Effect<void> => {
  const { atMillis, lastsMillis } = change
  const begun = Effect.andThen(Effect.sleep(atMillis), writes(change, source))
  if (lastsMillis === undefined) return begun
  return begun.pipe(Effect.andThen(Effect.sleep(lastsMillis)), Effect.andThen(Effect.sync(() => source.end(change))))
}

/** A log and a data base are written to again and again. */
const writes = (change: Change, source: Changing): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { kind, seed } = change
    const times = kind === "mapped" || kind === "appended" ? 30 : 1
    for (let nth = 0; nth < times; nth++) {
      if (nth > 0) yield* Effect.sleep(1 + (seed % 40))
      source.begin({ ...change, seed: seed + nth * 7919 })
    }
  })
