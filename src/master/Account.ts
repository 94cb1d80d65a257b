/** What became of everything at one catcher. */
import type { Changes, Runs, SitOutReason } from "../protocol/Words.ts"
import type { CatcherReport } from "../report/Report.ts"

/** Why a catcher fell behind, if it did. */
export type WhyBehind = (slot: number, isLate: boolean, missedPages: number) => CatcherReport["straggled"]

export interface Account {
  readonly committed: Set<number>
  /** Files that this catcher sat out, with the reason. */
  readonly satOut: Map<number, SitOutReason>
  /** Failures of single entries. */
  readonly failed: Map<number, string>
  /** What its owner refused, at entries, and why. [Y-9] */
  readonly vetoed: Map<number, string>
  /** Passes that ended without a file. */
  readonly unfinished: Map<number, number>
  /** What the survey found lacking; undefined: it was not asked, or has not answered. */
  lacks: Runs | undefined
  /** What is changed there: as its survey found it, until it has committed the tree. */
  changes: Changes | undefined
  /** Files that carry nothing which it lacks. */
  readonly passedOver: Set<number>
  missingPages: number
  finished: boolean
  late: boolean
  /** Bytes of the files that were committed or sat out. */
  settledBytes: number
  /** Regular files that stand there, and their bytes. */
  files: number
  bytes: number
  /** The same at the end, hard links included, as the catcher itself has told. */
  stood: { readonly files: number; readonly bytes: number } | undefined
  /** Entries of committed files that are not among these. */
  readonly leftOut: Set<number>
  /** Entries that were revised and stand there, in which size. */
  readonly stands: Map<number, number>
}

export const newAccount = (): Account => ({
  committed: new Set(),
  satOut: new Map(),
  failed: new Map(),
  vetoed: new Map(),
  unfinished: new Map(),
  lacks: undefined,
  changes: undefined,
  passedOver: new Set(),
  missingPages: 0,
  finished: false,
  late: false,
  settledBytes: 0,
  files: 0,
  bytes: 0,
  stood: undefined,
  leftOut: new Set(),
  stands: new Map()
})

/** Two reasons as one. */
export const joined = (before: string | undefined, reason: string): string =>
  before === undefined || before === reason ? reason : `${before}; ${reason}`

/** The reason for a file that did not hold still. */
export const agedReason = "kept changing while it was sent; it arrived as it was at one moment"
