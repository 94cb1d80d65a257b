/** Numbers and names as a person reads them, and how many cells of a terminal they take. */
import * as CliOutput from "effect/cli/CliOutput"

export { bytes, clock, count, name, percent, plural, rate, safe, seconds } from "../report/Format.ts"

// To make one takes milliseconds, and most commands need none.
let segmenter: Intl.Segmenter | undefined
const graphemesOf = (text: string) =>
  (segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" })).segment(text)

/** How many terminal cells a text takes. */
export const width = CliOutput.displayWidth

/** Cut to so many cells; what was cut shows as "…". */
export const fit = (text: string, columns: number): string => {
  if (width(text) <= columns) return text
  let out = ""
  let used = 0
  for (const { segment } of graphemesOf(text)) {
    const cells = width(segment)
    if (used + cells > columns - 1) break
    out += segment
    used += cells
  }
  return columns > 0 ? `${out}…` : ""
}

/** Filled up to so many cells. */
export const pad = (text: string, columns: number): string => text + " ".repeat(Math.max(0, columns - width(text)))
