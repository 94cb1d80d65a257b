/** The main job on real hosts: what arrives is what rsync -aH would leave, whatever the network loses. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import { mostly } from "../seldom.ts"
import * as Lab from "./Lab.ts"
import * as Trees from "./Trees.ts"

/** Sends a source to some catchers and asks rsync what it would still change at each. */
const copies = Effect.fnUntraced(function* (
  lab: Lab.Lab,
  count: number,
  source: string,
  ...args: ReadonlyArray<string>
) {
  const { received, report } = yield* Lab.session(lab, yield* lab.catchers(count), ...args, source)
  assert.deepStrictEqual(
    report.catchers.map((catcher: any) => [catcher.state, catcher.failures.length]),
    Array.from({ length: count }, () => ["Complete", 0])
  )
  for (let i = 1; i <= count; i++) {
    assert.strictEqual(received[i - 1].report._tag, "Report")
    assert.strictEqual(Lab.rsyncSays(source, `${lab.destination(i)}/`), "")
    assert.deepStrictEqual(Lab.litter(lab.destination(i)), [])
  }
  return report
})

const hasAcls = /\bACLs\b/.test(spawnSync("rsync", ["--version"], { encoding: "utf8" }).stdout)

describe.skipIf(Lab.unavailable !== undefined || !hasAcls || process.geteuid?.() !== 0)("a system", () => {
  it.live(
    "is installed at three catchers, and again over older ones, as rsync -aHAXS --devices --specials has it",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const lab = yield* Lab.make(3)
          const source = Trees.system(join(lab.folder, "source"))
          const hosts = [1, 2, 3].map((i) => lab.destination(i))
          const session = Effect.fnUntraced(function* (...options: ReadonlyArray<string>) {
            const catchers = yield* lab.catchers(3)
            const args = ["--json", "--catchers", "3", "--delete", ...options, `${source}/`]
            const master = yield* lab.mrsync("m", "send", ...args).ended
            assert.strictEqual(master.status, 0, master.err)
            for (const catcher of catchers) assert.strictEqual((yield* catcher.ended).status, 0)
            return master
          })
          const rsyncSays = (at: string) => Lab.rsyncSays(`${source}/`, `${at}/`, "-AXS", "--devices", "--specials")
          const first = yield* session("--archive-all")
          assert.notInclude(first.out, "capabilities")
          for (const at of hosts) assert.strictEqual(rsyncSays(at), "", at)
          const [one, other] = hosts
          Trees.attribute(`${one}/usr/bin/sudo`, "user.more", Buffer.from("more"))
          Trees.attribute(`${one}/tmp`, "trusted.more", Buffer.from("more"))
          execFileSync("chown", ["7:8", `${one}/usr/bin/ping`])
          fs.rmSync(`${one}/dev/tty`)
          execFileSync("mknod", [`${one}/dev/tty`, "c", "5", "1"])
          fs.rmSync(`${other}/run`, { recursive: true })
          fs.rmSync(`${other}/etc/ssl/key`)
          // the key that is sent, and the list that says so
          assert.strictEqual((yield* session("-AX")).report.pages.needed, 2)
          for (const at of hosts) assert.strictEqual(rsyncSays(at), "", at)
        })
      )
  )
})

describe.skipIf(Lab.unavailable !== undefined || !hasAcls || process.geteuid?.() !== 0)("--fake-super", () => {
  /** As rsync would leave it there, which keeps it in attributes as well. */
  const rsyncSays = (from: string, at: string, ...options: ReadonlyArray<string>) =>
    Lab.rsyncSays(`${from}/`, `${at}/`, "-AXS", "--devices", "--specials", ...options)

  it.live("a system is kept by a catcher that may give nothing away, and comes back from there", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const lab = yield* Lab.make(1)
        const source = Trees.system(join(lab.folder, "source"))
        const [kept, back] = ["kept", "back"].map((name) => join(lab.folder, name))
        const session = Effect.fnUntraced(function* (to: Lab.Running, ...args: ReadonlyArray<string>) {
          yield* to.says("Waiting")
          const options = ["--json", "--catchers", "1", "--delete", "--archive-all"]
          const master = yield* lab.mrsync("m", "send", ...options, ...args).ended
          assert.strictEqual(master.status, 0, master.err)
          assert.strictEqual((yield* to.ended).status, 0)
          return master.report
        })
        const powerless = ["setpriv", "--bounding-set", "-all", process.execPath, Lab.program]
        const keeping = () => lab.exec("c1", ...powerless, "catch", "--json", "--id", "c1", "--fake-super", kept)
        yield* session(keeping(), `${source}/`)
        assert.strictEqual(rsyncSays(source, kept, "-M--fake-super"), "")
        assert.notStrictEqual(rsyncSays(source, kept), "")
        assert.isTrue(fs.lstatSync(join(kept, "dev/null")).isFile())
        assert.strictEqual(fs.statSync(join(kept, "home/user")).uid, 0)
        // what differs is seen through what is kept
        execFileSync("chown", ["7:8", join(source, "usr/bin/sudo")])
        fs.chmodSync(join(source, "usr/bin/sudo"), 0o2711)
        fs.rmSync(join(source, "dev/tty"))
        execFileSync("mknod", [join(source, "dev/tty"), "c", "5", "1"])
        fs.rmSync(join(source, "etc/mtab"))
        fs.writeFileSync(join(source, "etc/mtab"), "no link any more")
        Trees.attribute(join(source, "etc/passwd"), "trusted.origin", Buffer.from("only root"))
        const again = yield* session(keeping(), `${source}/`)
        assert.strictEqual(rsyncSays(source, kept, "-M--fake-super"), "")
        assert.strictEqual(again.catchers[0].changes.created, 0)
        assert.strictEqual((yield* session(keeping(), `${source}/`)).pages.needed, 0)
        const restoring = lab.mrsync("c1", "catch", "--json", "--id", "c1", back)
        yield* session(restoring, "--fake-super", `${kept}/`)
        assert.strictEqual(rsyncSays(source, back), "")
        assert.deepStrictEqual(Lab.litter(kept), [])
      })
    )
  )
})

// that all works without the binding: test/regressions/program-without-binding
describe.skipIf(Lab.unavailable !== undefined).each(mostly<"auto" | "datagram">(["auto"], ["datagram"]))(
  "on real hosts, transport %s",
  (transport) => {
    for (const loss of Lab.losses(0, 5, 20)) {
      it.live(`a tree of awkward names arrives at ${loss} % loss`, () =>
        Effect.scoped(
          Effect.gen(function* () {
            const lab = yield* Lab.make(2, transport)
            if (loss > 0) lab.lab("loss", String(loss))
            const source = Trees.awkward(join(lab.folder, "source"))
            yield* copies(lab, 2, source)
            yield* Effect.sync(() => lab.lab("clear"))
            // and once more, over what is there now
            yield* copies(lab, 2, source)
          })
        )
      )
    }

    it.live("a trailing slash means what is in the directory", () =>
      Effect.scoped(
        Effect.gen(function* () {
          const lab = yield* Lab.make(1, transport)
          yield* copies(lab, 1, `${Trees.awkward(join(lab.folder, "source"))}/`)
        })
      )
    )

    // many once: how they travel is the same for both
    const files = transport === "auto" ? 2500 : 700
    it.live(`${files} small files arrive at 1 % loss`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const lab = yield* Lab.make(3, transport)
          lab.lab("loss", "1")
          yield* copies(lab, 3, Trees.small(join(lab.folder, "source"), files))
        })
      )
    )

    it.live("a large file arrives at 1 % loss, repaired while it streams", () =>
      Effect.scoped(
        Effect.gen(function* () {
          const lab = yield* Lab.make(4, transport)
          lab.lab("loss", "1")
          const report = yield* copies(lab, 4, Trees.random(join(lab.folder, "large"), 25_000_000))
          // of a block of 128 pages one catcher loses 1.3, and the unluckiest of four twice that: parity costs 2.1 %
          assert.isAbove(report.pages.repaired, report.pages.needed * 0.017)
          assert.strictEqual(report.pages.sent >= report.pages.needed + report.pages.repaired, true)
        })
      )
    )

    it.live("jumbo and tiny pages", () =>
      Effect.scoped(
        Effect.gen(function* () {
          const lab = yield* Lab.make(1, transport)
          const source = Trees.random(join(lab.folder, "file"), 3_000_000)
          yield* copies(lab, 1, source, "--page-size", "512")
          const wrong = yield* lab.mrsync("m", "send", "--page-size", "9000", source).ended
          assert.strictEqual(wrong.status, 1)
          assert.include(wrong.err, "1432")
        })
      )
    )

    it.live("--bwlimit holds the rate", () =>
      Effect.scoped(
        Effect.gen(function* () {
          const lab = yield* Lab.make(1, transport)
          const source = Trees.random(join(lab.folder, "file"), 8_000_000)
          const report = yield* copies(lab, 1, source, "--bwlimit", "4MB")
          assert.isAbove(report.seconds, 1.9)
        })
      )
    )
  }
)
