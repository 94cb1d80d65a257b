/**
 * Large files of which catchers have older versions: those that a list has the signature of, and
 * how much of them has to be sent. [Y-13]
 */
import * as Blocks from "../delta/Blocks.ts"
import { bytesOf, coarseBytesOf, type Signature } from "../delta/Signature.ts"
import type { Signed } from "../protocol/file/Layout.ts"
import * as Limits from "../protocol/Limits.ts"
import { countOf, union } from "../protocol/Runs.ts"
import type { Runs } from "../protocol/Words.ts"
import * as Lacks from "../tree/Lacks.ts"
import type { CarriedFile } from "../tree/Plan.ts"
import type { Policy } from "../tree/Policy.ts"

/** A signature that checks a file's content, and the list that has it. */
interface Listed {
  readonly list: number
  readonly blocks: Blocks.Blocks
}

/** How a file is opened whose content its signature checks. [Y-17] */
export interface Checked {
  readonly blocks: Blocks.Blocks
  readonly signed: Signed
}

/** Data pages of a file that every catcher has held from the beginning, as far as that is known. */
interface Held {
  /** Of the pass that was the first to ask. */
  pageBytes: number
  pages: number
  /** By the first page of each span, which pages some catcher lacked. */
  readonly lacked: Map<number, Runs>
}

export class Deltas {
  /** Entries of which some catcher has an older version. */
  private olds: Runs = []
  private readonly signed = new Map<number, Listed>()
  /** Bytes of signatures for which the lists of the session have room. */
  private leftBytes = Limits.signatureBytes
  /** Signatures of files that were hashed, until a list has them. */
  private readonly hashed = new Map<number, Signature>()
  private hashedBytes = 0
  /** Of each file that is sent so what was asked of it. */
  private readonly held = new Map<number, Held>()

  /** A catcher has older versions of these. */
  add(olds: Runs): void {
    this.olds = union([this.olds, olds])
  }

  /** [Y-15] A file goes on the air: a catcher that has to give it up keeps what has arrived. */
  begin({ kind, members, size }: CarriedFile, policy: Policy | undefined): void {
    const isKept = kind === "Single" && size >= Limits.partialBytes
    if (isKept && policy?.sendsWhole === false) this.add([members[0].entry, 1])
  }

  isOld(entry: number): boolean {
    return Lacks.has(this.olds, entry)
  }

  /** These files are taken anew, and no signature of theirs holds any more. */
  revise(entries: ReadonlyArray<number>): void {
    for (const entry of entries) {
      this.signed.delete(entry)
      this.hashed.delete(entry)
    }
  }

  /**
   * The file may be wanted as a delta: this is its signature. As many are kept as a list has room
   * for.
   */
  keep(signature: Signature): void {
    this.hashedBytes += bytesOf(signature)
    if (this.hashedBytes <= Limits.signatureBytes) this.hashed.set(signature.entry, signature)
  }

  kept(entry: number): Signature | undefined {
    return this.hashed.get(entry)
  }

  /** Those of them that pass a test, and have no signature yet. */
  toSign(test: (entry: number) => boolean): Runs {
    return Lacks.only(this.olds, (entry) => !this.signed.has(entry) && test(entry))
  }

  /**
   * Takes room in the lists of the session for a signature without its sub-blocks; false: they have
   * too little left.
   */
  takeRoom(signature: Signature): boolean {
    const bytes = coarseBytesOf(signature)
    const fits = bytes <= this.leftBytes
    if (fits) this.leftBytes -= bytes
    return fits
  }

  /**
   * [Y-19] Is there room for so many bytes of sub-blocks? They take no more than half of what is
   * left: other files need it more.
   */
  hasRoomForSubs(bytes: number): boolean {
    return bytes <= this.leftBytes / 2
  }

  takeRoomForSubs(bytes: number): void {
    this.leftBytes -= bytes
  }

  /** A list has these signatures. */
  sign(list: number, signatures: Iterable<readonly [entry: number, blocks: Blocks.Blocks]>): void {
    for (const [entry, blocks] of signatures) this.signed.set(entry, { list, blocks })
    this.hashed.clear()
    this.hashedBytes = 0
  }

  /** These files follow the list of their signatures. */
  select(plan: ReadonlyArray<CarriedFile>): void {
    for (const { file, kind, members } of plan)
      if (kind === "Single" && this.signed.has(members[0].entry))
        this.held.set(file, { pageBytes: 0, pages: 0, lacked: new Map() })
  }

  /** Is it asked first which of its pages are missing? */
  has(file: number): boolean {
    return this.held.has(file)
  }

  /**
   * [Y-17] How a file is opened in pages of that size, where its signature can stand for a trailer;
   * `areHeld`: every catcher that it is opened for holds that list.
   */
  checkedBy(
    { kind, members }: CarriedFile,
    pageBytes: number,
    areHeld: (list: number) => boolean
  ): Checked | undefined {
    const listed = kind === "Single" ? this.signed.get(members[0].entry) : undefined
    if (listed === undefined || !areHeld(listed.list)) return undefined
    const { blocks } = listed
    const blockPages = Blocks.blockPagesOf(blocks, pageBytes)
    const isTooMuch = blockPages === undefined || blocks.size > Limits.maxBlocks * blockPages * pageBytes
    return isTooMuch ? undefined : { blocks, signed: { blockPages, hash: Blocks.hashOf(blocks) } }
  }

  /**
   * Of a span's data pages those were missing from the beginning, at catchers of this pass. Pages
   * of another size than in the first pass are not counted.
   */
  ask(file: number, pageBytes: number, pages: Runs, missing: Runs): void {
    const held = this.held.get(file)
    if (held === undefined || pages.length === 0) return
    held.pageBytes ||= pageBytes
    if (held.pageBytes !== pageBytes) return
    const before = held.lacked.get(pages[0])
    const lacked = before === undefined ? missing : union([before, missing])
    held.lacked.set(pages[0], lacked)
    held.pages += before === undefined ? countOf(pages) - countOf(missing) : countOf(before) - countOf(lacked)
  }

  /** The data pages of a file that every catcher has held from the beginning. */
  heldOf(file: number): number {
    return this.held.get(file)?.pages ?? 0
  }
}
