/**
 * How much of an entry's metadata a policy carries: what is not carried is neither compared nor set. Pure. [Y-10]
 */

import type { Entry } from "./Entry.ts"
import type { Policy } from "./Policy.ts"

/** Is the time of such an entry set? */
export const hasTime = (policy: Policy, tag: Entry["_tag"]): boolean => {
  if (policy.leavesTimes) return false
  if (tag === "Directory") return !policy.leavesDirectoryTimes
  return tag !== "Symlink" || !policy.leavesLinkTimes
}

/** A mode, and where it is wished. */
interface Wanted {
  readonly tag: Entry["_tag"]
  /** The source's. */
  readonly mode: number
  /** That of what has the name already; undefined: it is new. */
  readonly own: number | undefined
}

const executable = 0o111

/** The mode that an entry gets. */
export const modeOf = (policy: Policy, { mode, own, tag }: Wanted, umask: number): number => {
  // a link's own mode is not to be set
  if (!policy.leavesMode || tag === "Symlink") return mode
  if (own === undefined) return mode & 0o777 & ~umask
  if (!policy.carriesExecutability || tag !== "File") return own
  if ((mode & executable) === 0) return own & ~executable
  // all that may read it may execute it
  return (own & executable) === 0 ? own | ((own & 0o444) >> 2) : own
}

/** Is the mode of something that stands there another than it is to be? */
export const isOtherMode = (policy: Policy, tag: Entry["_tag"], mode: number, own: number): boolean => {
  // a link's own mode is not to be set
  if (tag === "Symlink") return false
  if (!policy.leavesMode) return mode !== own
  const isOther = (mode & executable) === 0 ? (own & executable) !== 0 : (own & executable) === 0
  return policy.carriesExecutability && tag === "File" && isOther
}
