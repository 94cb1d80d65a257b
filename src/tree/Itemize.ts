/**
 * A change as a line, in the letters of `rsync --itemize-changes`. Pure. [Y-7]
 */
import type { Item } from "../protocol/Words.ts"
import * as Carried from "./Carried.ts"
import { change, isKept } from "./Compare.ts"
import { type Entry, isSpecial } from "./Entry.ts"
import { display, pathAt } from "./Names.ts"
import type { Policy } from "./Policy.ts"

/** The letter of an entry's type. */
const types = {
  ...({ Directory: "d", File: "f", Symlink: "L", Fifo: "S", Socket: "S" } as const),
  ...({ CharacterDevice: "D", BlockDevice: "D", HardLink: "f" } as const)
} as const

/** A line's parts. */
interface Line {
  readonly changes: string
  readonly path: string
  readonly pathBytes?: string
  /** Where a link leads. */
  readonly to?: string
}

/** The letters, and the path that they are about; undefined: there is nothing to tell, or no such entry. */
export const lineOf = (item: Item, entries: ReadonlyArray<Entry>, policy: Policy): Line | undefined => {
  if (item._tag === "Deletion") {
    const at = pathAt(display(item.path))
    return { changes: "*deleting", ...at, path: item.isDirectory ? `${at.path}/` : at.path }
  }
  const entry = entries[item.entry]
  if (entry === undefined || isKept(item.change)) return undefined
  const to = linkedTo(entry, entries)
  return {
    changes: lettersOf(entry, item.change, policy, entries),
    ...pathAt(shown(entry)),
    ...(to === undefined ? {} : { to: display(to) })
  }
}

/** Where a link leads. */
const linkedTo = (entry: Entry, entries: ReadonlyArray<Entry>): Uint8Array | undefined => {
  if (entry._tag === "Symlink") return entry.target
  return entry._tag === "HardLink" ? entries[entry.leader]?.path : undefined
}

const shown = ({ _tag, path }: Entry): string => {
  const at = display(path)
  return _tag !== "Directory" ? at : at === "." ? "./" : `${at}/`
}

const lettersOf = (entry: Entry, word: number, policy: Policy, entries: ReadonlyArray<Entry>): string => {
  const has = (bit: number) => (word & bit) !== 0
  const isNew = has(change.New) || has(change.Kind)
  const kind = types[(entry._tag === "HardLink" ? entries[entry.leader] : entry)?._tag ?? "File"]
  const head = `${headOf(entry, has(change.Content))}${kind}`
  if (isNew) return `${head}+++++++++`
  // a time that is not carried is another where something is made anew
  const isOtherTime = has(change.Time) || (has(change.Content) && !Carried.hasTime(policy, entry._tag))
  const time = !isOtherTime ? "." : policy.leavesTimes ? "T" : "t"
  if (entry._tag === "HardLink" && word === change.Content && !isOtherTime) return `${head}         `
  const letter = (bit: number, sign: string) => (has(bit) ? sign : ".")
  const isHashed = entry._tag === "File" && policy.compare === "Content"
  const tellsContent = entry._tag === "Symlink" || isSpecial(entry) || isHashed
  const isOther = tellsContent && has(change.Content) ? "c" : "."
  return `${head}${isOther}${letter(change.Size, "s")}${time}${letter(change.Mode, "p")}${letter(change.Owner, "o")}${letter(change.Group, "g")}.${letter(change.Acl, "a")}${letter(change.Attribute, "x")}`
}

const headOf = ({ _tag }: Entry, isMade: boolean): string => {
  if (_tag === "HardLink") return "h"
  if (!isMade) return "."
  return _tag === "File" ? ">" : "c"
}
