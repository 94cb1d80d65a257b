/** What a catcher takes, from what arrived of it at one rate after the other. Pure. */
import type { Step } from "../report/Diagnosis.ts"

/** What the steps show of a catcher. */
interface Taken {
  /** The part that is lost at any rate, from 0 to 1: of the slowest step. */
  readonly lost: number
  /** The rate that it takes, in bytes per second. */
  readonly bytesPerSecond: number
  /** False: it took all that was tried, and may take more. */
  readonly isAll: boolean
}

/** More than this is lost above the rate that a catcher takes, beside what is lost at any rate. */
const overloaded = 0.05

const lostOf = ({ arrived = 0, sent }: Step): number => (sent === 0 ? 0 : 1 - arrived / sent)

/** Undefined: it has answered at no rate. */
export const taken = (steps: ReadonlyArray<Step>): Taken | undefined => {
  const [first, ...faster] = steps.filter(({ arrived }) => arrived !== undefined)
  if (first === undefined) return undefined
  const lost = lostOf(first)
  let bytesPerSecond = first.bytesPerSecond
  for (const step of faster) {
    const more = lostOf(step) - lost
    if (more > overloaded) {
      // what came through is the narrowest place's own rate, but for what waited before it
      const through = Math.round(step.bytesPerSecond * (1 - lostOf(step)))
      return { lost, bytesPerSecond: Math.max(bytesPerSecond, through), isAll: true }
    }
    bytesPerSecond = step.bytesPerSecond
  }
  return { lost, bytesPerSecond, isAll: false }
}

/** The rates that are tried, in bytes per second, each for a kind of network: 3, 10, 30, 100, 300 and 1000 Mbit/s. */
const ladder: ReadonlyArray<number> = [3, 10, 30, 100, 300, 1000].map((megabits) => (megabits * 1e6) / 8)

/** Those of them that are allowed; one at least. */
export const rates = (mostBytesPerSecond: number): ReadonlyArray<number> => {
  const allowed = ladder.filter((rate) => rate <= mostBytesPerSecond)
  return allowed.length > 0 ? allowed : [mostBytesPerSecond]
}

/** How long a rate is tried, in seconds, and how many datagrams that is at least and at most. */
const trySeconds = 0.2
const least = 50
/** The first step shows what is lost at any rate: 1 % of so many is seen. */
const leastOfFirst = 250
const most = 40_000

/** How many datagrams of that length are sent at a rate. */
export const countAt = (bytesPerSecond: number, datagramBytes: number, isFirst: boolean): number => {
  const wanted = Math.round((bytesPerSecond * trySeconds) / datagramBytes)
  return Math.min(most, Math.max(isFirst ? leastOfFirst : least, wanted))
}

/** Is a higher rate of no use? All that answer lose this much. */
export const isTooMuch = (steps: ReadonlyArray<Step | undefined>): boolean =>
  steps.every((step) => step === undefined || lostOf(step) > 0.5)
