/** Many real catchers at once, each with its own bad luck. With every fault in one session: test/nightly. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import * as Lab from "./Lab.ts"
import * as Trees from "./Trees.ts"

/** Pages sent over pages needed, at most: parity mends what each lost elsewhere; sending again would cost 1.28. */
const mostSent = 1.12
/** Content sent to the sixteen; 256 is what the aim says, and takes minutes (`.ci/nightly`). */
const largeBytes = Number(process.env.MRSYNC_TEST_MIB ?? 14) * 1024 * 1024

describe.skipIf(Lab.unavailable !== undefined)("many real hosts", () => {
  it.live("16 catchers that lose 2 % each are all Complete, and little is sent twice", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const lab = yield* Lab.make(16)
        lab.lab("loss", "2")
        const source = Trees.random(join(lab.folder, "large"), largeBytes)
        const catchers = yield* lab.catchers(16)
        const { err, report, status } = yield* lab.mrsync("m", "send", "--json", "--catchers", "16", source).ended
        const ratio = report.pages.sent / report.pages.needed
        console.log(`16 catchers, 2 %: ${ratio.toFixed(3)} x the pages needed, ${report.seconds.toFixed(1)} s`)
        assert.strictEqual(status, 0, err)
        assert.isTrue(report.catchers.every((catcher: any) => catcher.state === "Complete"))
        assert.isAtMost(ratio, mostSent)
        for (const [i, catcher] of catchers.entries()) {
          assert.strictEqual((yield* catcher.ended).status, 0)
          assert.strictEqual(Lab.rsyncSays(source, `${lab.destination(i + 1)}/`), "")
        }
      })
    )
  )
})
