/** Programs that print the firewall's rules, played by scripts. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Programs } from "../../src/system/Programs.ts"
import * as Ruleset from "../../src/system/Ruleset.ts"

/** Reads where the programs are these scripts. */
const read = (scripts: Readonly<Record<"nft" | "iptables-save", string>>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "mrsync-rules-"))),
    (directory) => {
      for (const [name, script] of Object.entries(scripts)) {
        writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`)
        chmodSync(join(directory, name), 0o755)
      }
      return Effect.provideService(Ruleset.read, Programs, `${directory}:/usr/bin:/bin`)
    },
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
  )

const refuses = "echo 'Operation not permitted (you must be root)' >&2; exit 1"

describe.skipIf(process.platform === "win32")("the rules of a firewall", () => {
  it.effect("are what both programs print, asked for what they are asked for", () =>
    Effect.gen(function* () {
      const { iptables, nft, unread } = yield* read({ nft: 'echo "nft $*"', "iptables-save": 'echo "save $*"' })
      assert.deepStrictEqual([nft, iptables, unread], ["nft -j list ruleset\n", "save -t filter\n", undefined])
    })
  )

  it.effect("of one that refuses the other's are there", () =>
    Effect.gen(function* () {
      const { iptables, nft, unread } = yield* read({ nft: refuses, "iptables-save": "echo rules" })
      assert.deepStrictEqual([nft, iptables, unread], [undefined, "rules\n", undefined])
    })
  )

  it.effect("of both: why", () =>
    Effect.gen(function* () {
      const { unread } = yield* read({ nft: refuses, "iptables-save": "exit 3" })
      assert.strictEqual(unread, "nft: Operation not permitted (you must be root)")
      assert.strictEqual((yield* read({ nft: "exit 3", "iptables-save": refuses })).unread, "nft: it ended with 3")
    })
  )

  it.effect("and none of our variables reaches them: one may be a phrase", () =>
    Effect.gen(function* () {
      process.env["MRSYNC_PHRASE"] = "secret"
      const { nft } = yield* read({ nft: 'echo "$MRSYNC_PHRASE"', "iptables-save": "exit 1" })
      delete process.env["MRSYNC_PHRASE"]
      assert.strictEqual(nft, "\n")
    })
  )
})
