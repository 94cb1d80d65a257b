/** How far a catcher is, a few times a second, and the metrics of what it has done. */
import * as Effect from "effect/Effect"
import * as Metrics from "../report/Metrics.ts"
import { Progress } from "../report/Progress.ts"
import { overflowed, type Stats, Transport } from "../transport/Transport.ts"
import type { Attendance } from "./Attendance.ts"
import { tickMillis } from "./Wakefulness.ts"

/** Tells how far it is, and counts what was done, until interrupted. */
export const ticking = Effect.fnUntraced(function* (attendance: Attendance, now: () => number) {
  const { stats } = yield* Transport
  const count = yield* Metrics.counting("catcher", yield* stats)
  const counted = (read: Stats) => Effect.sync(() => count(totalsOf(attendance), read))
  // read once: the kernel tells what it dropped in a file that lists every socket
  const telling = Effect.gen(function* () {
    yield* Effect.sleep(tickMillis)
    const read = yield* stats
    yield* tick(attendance, now(), read.dropped)
    yield* counted(read)
  })
  return yield* Effect.ensuring(Effect.forever(telling), Effect.flatMap(stats, counted))
})

const totalsOf = ({ files, membership, missingPages, received }: Attendance): Metrics.SessionTotals => ({
  files,
  pages: received.pages,
  pageBytes: received.pages * (membership?.pageBytes ?? 0),
  repairedPages: missingPages
})

const hashedOf = ({ comparison, isComparing }: Attendance) =>
  isComparing && comparison.toHash > 0 ? { hashed: { bytes: comparison.hashed, total: comparison.toHash } } : {}

const tick = Effect.fnUntraced(function* (attendance: Attendance, nowMillis: number, dropped: number) {
  const progress = yield* Progress
  const transport = yield* Transport
  if (dropped > 0 && attendance.dropped === 0) {
    progress.publish({ _tag: "Note", message: overflowed(transport.receiveBufferBytes) })
  }
  attendance.dropped = dropped
  // how far it is nobody knows before the manifest
  if (attendance.entries === undefined) return
  const { total } = attendance
  attendance.reached = Math.max(attendance.reached, attendance.heldBytes())
  progress.publish({
    _tag: "Tick",
    seconds: attendance.seconds(nowMillis),
    bytes: attendance.reached,
    total,
    files: attendance.files,
    sentBytes: totalsOf(attendance).pageBytes,
    ...hashedOf(attendance),
    phase: attendance.isComparing
      ? "Comparing"
      : attendance.done
        ? "Finished"
        : attendance.reached < total
          ? "Sending"
          : "Finishing",
    repairedPages: attendance.missingPages,
    catchers: []
  })
})
