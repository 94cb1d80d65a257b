/** The curves of a session: what is sent a second, and how much of all is there everywhere. Pure. */
import type { Sample } from "../report/Watched.ts"

/** Seconds; bytes a second on the air; the share that is held where most is lacked, 0 to 1. */
export type Curves = readonly [seconds: ReadonlyArray<number>, rate: ReadonlyArray<number>, held: ReadonlyArray<number>]

/** A rate is that of about so many seconds. */
const smoothSeconds = 1

/** The curves of samples; a sample's rate is that since the last one that is a second older. */
export const curvesOf = (samples: ReadonlyArray<Sample>, total: number): Curves => {
  let from = 0
  const rate = samples.map((sample, at) => {
    while (from + 1 < at && sample.seconds - samples[from + 1].seconds >= smoothSeconds) from++
    const before = at === 0 ? { seconds: 0, sentBytes: 0 } : samples[from]
    const passed = sample.seconds - before.seconds
    return passed > 0 ? Math.max(0, sample.sentBytes - before.sentBytes) / passed : 0
  })
  return [
    samples.map(({ seconds }) => seconds),
    rate,
    samples.map(({ bytes }) => (total > 0 ? Math.min(1, bytes / total) : 1))
  ]
}

/** What arrives a second where most is lacked, of the last seconds; undefined before there are two samples. */
export const growth = (
  samples: ReadonlyArray<Sample>,
  of: "bytes" | "sentBytes",
  overSeconds = 5
): number | undefined => {
  const last = samples.at(-1)
  const first = samples.find(({ seconds }) => last !== undefined && seconds >= last.seconds - overSeconds)
  return first === undefined || last === undefined || last.seconds <= first.seconds
    ? undefined
    : Math.max(0, last[of] - first[of]) / (last.seconds - first.seconds)
}
