/**
 * How catchers' trees are to become like the source: it travels with the manifest. Without a policy
 * every file is sent to everybody. Pure.
 */

import type { Backup } from "./Backup.ts"

/**
 * What shows that a file is right: its size and its time, its size alone, nothing, or its content. Where the size is right and the time is
 * not, the content decides.
 */
export const compares = ["Time", "Size", "Nothing", "Content"] as const

/**
 * What a policy may ask for, as `rsync` has it: --update, --existing, --ignore-existing, --dry-run, --delete,
 * --ignore-errors, --force, --itemize-changes, --delete-excluded; and what of the metadata is not carried: --no-owner, --no-group,
 * --no-perms, --no-times, --omit-dir-times, --omit-link-times, --executability; --whole-file, --fuzzy; --preallocate, --inplace; that it is on the disk: --fsync; and what else is carried: --xattrs,
 * --acls.
 */
export const wishes = [
  ...(["keepsNewer", "onlyExisting", "keepsExisting", "isDryRun"] as const),
  ...(["deletes", "ignoresErrors", "forces", "itemizes", "deletesExcluded"] as const),
  ...(["leavesOwner", "leavesGroup", "leavesMode", "leavesTimes"] as const),
  ...(["leavesDirectoryTimes", "leavesLinkTimes", "carriesExecutability"] as const),
  ...(["syncs", "sendsWhole", "carriesAttributes", "carriesAcls", "isFuzzy", "preallocates", "isInPlace"] as const)
] as const

type Wish = (typeof wishes)[number]

/** A policy. */
export interface Policy extends Readonly<Record<Wish, boolean>> {
  readonly compare: (typeof compares)[number]
  /** Times that differ by no more are equal; -1: nanoseconds count as well. */
  readonly windowSeconds: number
  /** So many names may be deleted; undefined: any number. */
  readonly mostDeleted: number | undefined
  /** What is replaced or deleted is kept; undefined: it is not. */
  readonly backup: Backup | undefined
  /** Filter rules, as `filter/Text` writes them: what they exclude at a catcher is not deleted. */
  readonly rules: Uint8Array
  /** Paths that have no entry and stay all the same, and directories in which all stays: the source has them. */
  readonly spared: ReadonlyArray<Uint8Array>
}

/** No wish. */
export const noWishes: Readonly<Record<Wish, boolean>> = {
  keepsNewer: false,
  onlyExisting: false,
  keepsExisting: false,
  isDryRun: false,
  deletes: false,
  ignoresErrors: false,
  forces: false,
  itemizes: false,
  deletesExcluded: false,
  leavesOwner: false,
  leavesGroup: false,
  leavesMode: false,
  leavesTimes: false,
  leavesDirectoryTimes: false,
  leavesLinkTimes: false,
  carriesExecutability: false,
  syncs: false,
  sendsWhole: false,
  carriesAttributes: false,
  carriesAcls: false,
  isFuzzy: false,
  preallocates: false,
  isInPlace: false
}

/** May it leave alone what is not as the source has it? Then a catcher lacks what its survey has found, and no more. [Y-5] */
export const keeps = (policy: Policy | undefined): boolean =>
  policy !== undefined && (policy.keepsNewer || policy.onlyExisting || policy.keepsExisting)

/** Are files that travel alone written where they stand? What is kept of the old one needs its room anyway. [F-11] */
export const writesInPlace = (policy: Policy | undefined): boolean =>
  policy?.isInPlace === true && policy.backup === undefined

/** As `rsync -a` decides. */
export const defaults: Policy = {
  ...noWishes,
  compare: "Time",
  windowSeconds: 0,
  mostDeleted: undefined,
  backup: undefined,
  rules: new Uint8Array(0),
  spared: []
}
