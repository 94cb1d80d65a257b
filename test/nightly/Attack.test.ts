/**
 * A million hostile datagrams during a sealed session: random ones, mutated and truncated copies, replayed ones, right headers with
 * wrong tags and pages with other content, from the master's address, the catchers' and others. It is done all the same, soon
 * enough, and takes no memory for them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import * as Attacker from "../e2e/Attacker.ts"
import * as Lab from "../e2e/Lab.ts"
import * as Trees from "../e2e/Trees.ts"

const datagrams = 1_000_000
const perSecond = 50_000
/** The young generation of a busy master may grow to three times 16 MiB, which V8 does for any work: it is no memory kept. */
const youngKib = 48 * 1024

describe.skipIf(Lab.unavailable !== undefined)("a flood on real hosts", () => {
  it.live(
    "10^6 hostile datagrams, 50,000 a second: all complete, in twice the time at most, and memory stays flat",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const lab = yield* Lab.make(3)
          // so long that all of them fall into the session, on a machine that cannot send so many a second as well
          const source = Trees.random(join(lab.folder, "large"), 160_000_000)
          const sending = ["--bwlimit", "2MB"]
          const quiet = yield* Attacker.session(lab, "quiet", 2, source, sending)
          const acts = ["control", "control", "again", "page", "noise"]
          const flooded = yield* Attacker.session(lab, "flooded", 2, source, sending, acts, perSecond, datagrams)
          console.log(`quiet ${JSON.stringify(quiet)}; flooded ${JSON.stringify(flooded)}`)
          assert.strictEqual(flooded.sent, datagrams)
          assert.isAtMost(flooded.seconds, 2 * quiet.seconds)
          const [master, ...catchers] = flooded.peakKib
          const [quietMaster, ...quietCatchers] = quiet.peakKib
          for (const [i, kib] of catchers.entries()) assert.isAtMost(kib, 1.3 * quietCatchers[i])
          assert.isAtMost(master, quietMaster + youngKib)
        })
      ),
    600_000
  )
})
