/**
 * How catchers' trees are to become like the source: it travels with the manifest. Without a policy
 * every file is sent to everybody. Pure.
 */

/** What shows that a file is right: its size and its time, its size alone, or nothing. */
export const compares = ["Time", "Size", "Nothing"] as const

/**
 * What a policy may ask for, as `rsync` has it: --update, --existing, --ignore-existing, --dry-run, --delete,
 * --ignore-errors, --force, --itemize-changes.
 */
export const wishes = [
  ...(["keepsNewer", "onlyExisting", "keepsExisting", "isDryRun"] as const),
  ...(["deletes", "ignoresErrors", "forces", "itemizes"] as const)
] as const

type Wish = (typeof wishes)[number]

/** A policy. */
export interface Policy extends Readonly<Record<Wish, boolean>> {
  readonly compare: (typeof compares)[number]
  /** Times that differ by no more are equal; -1: nanoseconds count as well. */
  readonly windowSeconds: number
  /** So many names may be deleted; undefined: any number. */
  readonly mostDeleted: number | undefined
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
  itemizes: false
}

/** As `rsync -a` decides. */
export const defaults: Policy = { ...noWishes, compare: "Time", windowSeconds: 0, mostDeleted: undefined }
