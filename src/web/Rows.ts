/** Which rows of the table are shown, in which order, and which of them are on the screen. Pure. */
import type { Row } from "../report/Watched.ts"
import * as Format from "../report/Format.ts"

/** By which column, and in which direction. */
export interface Order {
  readonly by: "name" | "state" | "progress" | "rate" | "loss"
  readonly isDown: boolean
}

/** What is shown of all rows. */
export interface Choice {
  readonly order: Order
  /** A part of the name or the address. */
  readonly text: string
  /** A state; empty: all. */
  readonly state: Row["state"] | ""
}

/** Those that need a look come first. */
const urgency: ReadonlyArray<Row["state"]> = [
  "Lost",
  "Unreachable",
  "Absent",
  "Partial",
  "Slow",
  "Receiving",
  "Limited",
  "Complete"
]

/** The state of a catcher that never came: only a report has it. */
export const isNotThere = (state: Row["state"]): state is "Absent" | "Unreachable" =>
  state === "Absent" || state === "Unreachable"

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" })

/** The share of pages that it asked for again, 0 to 1. */
export const lossOf = ({ missingPages = 0 }: Row, pages: number): number =>
  pages > 0 ? Math.min(1, missingPages / pages) : 0

const compare = (one: Row, other: Row, by: Order["by"]): number => {
  switch (by) {
    case "name":
      return collator.compare(one.id, other.id)
    case "state":
      return urgency.indexOf(one.state) - urgency.indexOf(other.state)
    case "progress":
      return one.bytes - other.bytes
    case "rate":
      return one.rate - other.rate
    case "loss":
      return (one.missingPages ?? 0) - (other.missingPages ?? 0)
  }
}

/** The rows that are chosen, in their order; rows that are equal in it are in that of their names. */
export const chosen = (rows: ReadonlyArray<Row>, { order, state, text }: Choice): ReadonlyArray<Row> => {
  const wanted = text.trim().toLocaleLowerCase()
  const isWanted = (row: Row) =>
    (state === "" || row.state === state) &&
    (wanted === "" || `${Format.name(row.id)} ${row.address}`.toLocaleLowerCase().includes(wanted))
  const sign = order.isDown ? -1 : 1
  return rows.filter(isWanted).sort((one, other) => sign * compare(one, other, order.by) || compare(one, other, "name"))
}

/** Rows above and below the screen that are there all the same, so that nothing is empty while one scrolls. */
const spare = 6

/** The part of a list that is on the screen: its first row, and the one after its last. */
export const visible = (view: {
  readonly count: number
  readonly rowPixels: number
  readonly topPixels: number
  readonly heightPixels: number
}): { readonly from: number; readonly to: number } => {
  const { count, heightPixels, rowPixels, topPixels } = view
  const from = Math.max(0, Math.min(count, Math.floor(topPixels / rowPixels)) - spare)
  return { from, to: Math.min(count, Math.ceil((topPixels + heightPixels) / rowPixels) + spare) }
}
