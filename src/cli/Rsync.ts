/**
 * Options of rsync that `send` takes for those that are used to them: those that ask for what is done anyway, and those that are refused
 * with a word on what is done instead. Pure.
 */

/** Letters without an effect: what they ask for is done anyway. */
const idle = "alptgoDHWSshPE"

/** Names without an effect. */
const idleNames: ReadonlySet<string> = new Set([
  ...[
    "archive",
    "links",
    "perms",
    "times",
    "owner",
    "hard-links",
    "whole-file",
    "sparse",
    "secluded-args",
    "protect-args"
  ],
  ...[
    "human-readable",
    "progress",
    "executability",
    "specials",
    "numeric-ids",
    "inc-recursive",
    "delete-after",
    "stats"
  ]
])

const notYet = "is not there yet"

/** Why a letter is refused, and what is done instead. */
const refused = {
  c: `--checksum ${notYet}: sizes and times are compared, and -I sends every file. The number of catchers is --catchers N`,
  z: "pages are not compressed: they go over the network once, however many machines receive them",
  b: `--backup ${notYet}: what is replaced is gone`,
  e: "no remote shell is used: start mrsync catch DEST on each machine that is to receive",
  A: `ACLs are not carried: --acls ${notYet}`,
  X: `extended attributes are not carried: --xattrs ${notYet}`,
  U: "access times are not carried",
  N: "times of creation are not carried",
  R: 'names are relative to SOURCE: "DIR/" is what is in DIR, "DIR" is DIR itself; --files-from lists paths',
  d: "directories are sent with all that is in them; --files-from lists paths without that",
  k: "-L sends what symbolic links lead to, those to directories among them",
  K: "no symbolic link at a catcher is followed",
  O: "times of directories are set",
  J: "times of symbolic links are set",
  y: `--fuzzy ${notYet}`,
  w: "how long to wait for catchers is --wait SECONDS"
}

/** What a letter is to send, where it is no option of its own: "Idle", or why it is refused. */
export const letter = (one: string): "Idle" | { readonly refused: string } | undefined => {
  if (Object.hasOwn(refused, one)) return { refused: refused[one as keyof typeof refused] }
  return idle.includes(one) ? "Idle" : undefined
}

/** Is it a long option without an effect? */
export const isIdle = (word: string): boolean => word.startsWith("--") && idleNames.has(word.slice(2))

/** Long options that are refused, and why. */
export const instead: Readonly<Record<string, string>> = {
  "--checksum": refused.c,
  "--compress": refused.z,
  "--backup": refused.b,
  "--rsh": refused.e,
  "--acls": refused.A,
  "--xattrs": refused.X,
  "--relative": refused.R,
  "--delete-before": "with --delete it is deleted last, when all has arrived",
  "--delete-during": "with --delete it is deleted last, when all has arrived",
  "--remove-source-files": "no file of the source is removed: a catcher that comes later may need it"
}
