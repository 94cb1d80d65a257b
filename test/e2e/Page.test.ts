/** The page to watch, in a real browser: a session of real processes, a planned one of hundreds, and names that mean harm. */
import { assert, describe, it } from "@effect/vitest"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as HttpLayer from "../../src/cli/Http.ts"
import * as LivePage from "../../src/ops/LivePage.ts"
import { type CatcherView, type Event, Progress } from "../../src/report/Progress.ts"
import { compressed, makePage } from "../../scripts/page.ts"
import { isAll } from "../seldom.ts"
import * as Browser from "./Browser.ts"

const program = fileURLToPath(new URL("../../dist/bin.js", import.meta.url))

/** The program, until the scope closes. */
const mrsync = (...args: ReadonlyArray<string>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, [program, ...args], { env: { ...process.env, NO_COLOR: "1" } })),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    ),
    (child) => {
      let said = ""
      child.stdout.on("data", (text: Buffer) => (said += text.toString()))
      child.stderr.on("data", (text: Buffer) => (said += text.toString()))
      const ended = endOf(child)
      return { ended, said: () => said }
    }
  )

const endOf = (child: ChildProcess) => {
  const status = new Promise<number | null>((resolve) => child.on("close", resolve))
  return Effect.promise(() => status)
}

const until = (isThere: () => boolean, why: () => string): Effect.Effect<void> =>
  Effect.suspend(() => (isThere() ? Effect.void : Effect.andThen(Effect.sleep(20), until(isThere, why)))).pipe(
    Effect.timeoutOrElse({ duration: 20_000, orElse: () => Effect.die(new Error(why())) })
  )

const addressIn = (said: () => string) =>
  Effect.map(
    until(() => /watch it at \S+/.test(said()), said),
    () => /watch it at (\S+)/.exec(said())![1]
  )

const textOf = ({ page }: Browser.Open, selector: string) =>
  Effect.promise(() => page.locator(selector).first().innerText())

const shows = ({ page }: Browser.Open, selector: string, text: string | RegExp) =>
  Effect.promise(() => page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout: 20_000 }))

const press = ({ page }: Browser.Open, ...keys: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    for (const key of keys) await page.keyboard.press(key)
  })

/** It has asked the program alone, and for nothing but itself and the events. */
const isQuiet = ({ asked, complaints }: Browser.Open, url: string) => {
  assert.deepStrictEqual(
    asked.filter((one) => ![url, `${url}events`].includes(one) && !/^(data|blob):/.test(one)),
    []
  )
  assert.deepStrictEqual(complaints, [])
}

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mrsync-page-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

const hostile = "<img/src=x/onerror=document.title='harm'>"

/** Its catchers begin when told, so that the pages are open before anything is sent, however slow the browser is. */
const session = Effect.gen(function* () {
  const directory = yield* folder
  const source = join(directory, "source")
  mkdirSync(source)
  writeFileSync(join(source, "large"), Buffer.alloc(6_000_000, "large"))
  writeFileSync(join(source, "<b>small"), "small")
  const port = 20_000 + (process.pid % 30_000)
  const place = ["--group", `239.255.67.77:${port}`, "--interface", "lo", "--insecure", "--wait", "60"]
  const names = ["anna", hostile, "שרת-א"]
  const rate = ["--bwlimit", "1MB", "--catchers", "3"]
  const master = yield* mrsync("send", ...place, "--ttl", "0", ...rate, "--web", `${source}/`)
  const catchers = Effect.forEach(names, (id, at) => mrsync("catch", ...place, "--id", id, join(directory, `${at}`)))
  return { begin: catchers, master, url: yield* addressIn(master.said) }
})

describe.skipIf(Browser.unavailable !== undefined)("the page in a browser", () => {
  it.live("a session of three real catchers, one with a name that means harm", () =>
    Effect.gen(function* () {
      const open = yield* Browser.opener
      const { begin, master, url } = yield* session
      const watching = yield* open(url)
      const dark = yield* open(url, { colorScheme: "dark" })
      const phone = yield* open(url, { viewport: { width: 390, height: 1400 }, hasTouch: true, isMobile: true })
      const catchers = yield* begin
      yield* shows(watching, ".pill", "sending")
      yield* shows(watching, ".pace", "--bwlimit sets the pace")
      yield* shows(watching, ".row .name", hostile)
      yield* shows(watching, ".files", "large")
      yield* Effect.sleep(1000)
      for (const [name, one] of [
        ["3", watching],
        ["3-dark", dark],
        ["3-phone", phone]
      ] as const)
        yield* Browser.picture(one, name)
      const backgroundOf = (one: Browser.Open) =>
        Effect.promise(() => one.page.evaluate("getComputedStyle(document.body).backgroundColor"))
      assert.notStrictEqual(yield* backgroundOf(dark), yield* backgroundOf(watching))
      const isWider = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
      assert.isFalse(yield* Effect.promise(() => phone.page.evaluate(isWider)), "a phone does not scroll sideways")

      assert.strictEqual(yield* master.ended, 0, master.said())
      for (const { ended, said } of catchers) assert.strictEqual(yield* ended, 0, said())
      yield* shows(watching, ".pill", "complete")
      yield* shows(watching, ".report", "sent 2 files")
      assert.strictEqual(yield* textOf(watching, ".percent"), "100 %")
      yield* shows(watching, ".chip", "3 complete")
      yield* Browser.picture(watching, "3-end")
      const [download] = yield* Effect.promise(() =>
        Promise.all([watching.page.waitForEvent("download"), watching.page.locator(".download").click()])
      )
      const report = JSON.parse(readFileSync(yield* Effect.promise(() => download.path()), "utf8")) as {
        readonly catchers: ReadonlyArray<{ readonly id: string }>
      }
      assert.match(download.suggestedFilename(), /^mrsync-[0-9a-f]{16}\.json$/)
      assert.sameMembers(
        report.catchers.map(({ id }) => id),
        ["anna", hostile, "שרת-א"]
      )
      assert.strictEqual(yield* Effect.promise(() => watching.page.title()), "100 % · mrsync")
      assert.strictEqual(yield* Effect.promise(() => watching.page.locator("img").count()), 0)
      for (const one of [watching, dark, phone]) isQuiet(one, url)
    }).pipe(Effect.scoped)
  )

  /** More than are shown at one time. */
  const crowd = isAll ? 300 : 100
  it.live(`a planned roll-out to ${crowd} catchers, by keyboard`, () =>
    Effect.gen(function* () {
      const open = yield* Browser.opener
      const plan = ["--catchers", String(crowd), "--size", "1MiB", "--rate", "10mbit", "--speed", "0.5"]
      const { ended, said } = yield* mrsync("simulate", "--web", ...plan)
      const url = yield* addressIn(said)
      const watching = yield* open(url)
      yield* shows(watching, ".catchers h2", `${crowd} catchers`)
      yield* shows(watching, ".pill", /sending|repairing/)
      yield* Browser.picture(watching, "roll-out")
      const rows = watching.page.locator(".row:not(.head)")
      assert.isBelow(yield* Effect.promise(() => rows.count()), 60)

      yield* press(watching, "/", ...`c${crowd - 1}`)
      yield* shows(watching, ".shown", `1 of ${crowd}`)
      yield* shows(watching, ".row:not(.head) .name", `c${crowd - 1}`)
      yield* press(watching, "Escape")
      yield* Effect.promise(() => rows.nth(20).waitFor())
      // the column's name is a button, and the one after the field and the states
      yield* Effect.promise(() => watching.page.getByRole("button", { name: "Catcher" }).focus())
      yield* press(watching, "Enter", "Enter")
      yield* shows(watching, ".row:not(.head) .name", `c${crowd}`)
      assert.strictEqual(
        yield* Effect.promise(() =>
          watching.page.getByRole("columnheader", { name: "Catcher" }).getAttribute("aria-sort")
        ),
        "descending"
      )
      yield* Effect.promise(() => watching.page.getByRole("rowgroup").focus())
      yield* press(watching, "End")
      yield* shows(watching, ".row:not(.head) .name", /^c1$/)

      assert.strictEqual(yield* ended, 0, said())
      yield* shows(watching, ".pill", "complete")
      yield* Browser.picture(watching, "roll-out-end")
      isQuiet(watching, url)
    }).pipe(Effect.scoped)
  )

  it.live("a thousand catchers, names of any script, and a program that goes away", () =>
    Effect.gen(function* () {
      const open = yield* Browser.opener
      const progress = yield* Progress
      let url = ""
      yield* progress.add({ name: "test", take: (event) => void (event._tag === "Served" && (url = event.page ?? "")) })
      const page = compressed(yield* Effect.promise(() => makePage()))
      const server = Scope.makeUnsafe()
      yield* Layer.build(
        LivePage.layer({ role: "Send", where: "<i>here</i>", page, hostName: "anna" }).pipe(
          Layer.provide(HttpLayer.layer("--web", { host: "127.0.0.1", port: 0 })),
          Layer.provide(SecureRandom.layerWebCrypto)
        )
      ).pipe(Scope.provide(server))
      const watching = yield* open(url)
      yield* shows(watching, ".pill", "waiting for catchers")
      const names = [
        "日本語-01",
        "خادم-٢",
        "a\u202egnp.exe",
        "a\u0000b",
        "__proto__",
        "</script><script>alert(1)</script>",
        "x".repeat(300)
      ]
      const catchers = Array.from({ length: 1000 }, (_, i): CatcherView => ({
        ...{ id: names[i] ?? `node${i}`, address: `10.0.${i >> 8}.${i & 255}:5000`, files: 1 },
        ...{ state: i === 3 ? "Lost" : i % 50 === 7 ? "Slow" : "Receiving", bytes: 1000 * (1 + (i % 90)) },
        ...(i % 50 === 7 ? { straggled: "slow link" as const } : {}),
        missingPages: i
      }))
      const tick = (seconds: number): Event => ({
        _tag: "Tick",
        ...{ seconds, bytes: seconds * 1000, total: 100_000, files: 1, sentBytes: seconds * 1500, phase: "Sending" },
        ...{ repairedPages: 3, pages: 5000, catchers },
        limit: { by: "Network", share: 0.8, catchers: ["</script>"], more: 2, why: "slow link" },
        underWay: [{ path: "<img src=x>", files: 1, bytes: 5, state: "Streaming" }]
      })
      for (let i = 1; i <= 8; i++) {
        progress.publish(tick(i))
        yield* Effect.sleep(100)
      }
      progress.publish({ _tag: "Note", message: "<script>alert(1)</script> a\u001b[2Jb" })
      yield* shows(watching, ".catchers h2", "1,000 catchers")
      yield* shows(watching, ".pace", "the way to </script>, 2 more sets the pace: slow link (80 % of the time)")
      yield* shows(watching, ".log", "note: <script>alert(1)</script> a\\x1b[2Jb")
      yield* Browser.picture(watching, "1000")
      yield* Effect.promise(() => watching.page.getByRole("button", { name: "Catcher" }).click())
      const find = watching.page.locator("#find")
      for (const [text, shown] of [
        ["日本", "日本語-01"],
        ["خادم", "خادم-٢"],
        ["gnp", "a\\u202egnp.exe"],
        ["a\\x00b", "a\\x00b"]
      ] as const) {
        yield* Effect.promise(() => find.fill(text))
        yield* shows(watching, ".row:not(.head) .name", shown)
        yield* shows(watching, ".shown", "1 of 1,000")
      }
      yield* Effect.promise(() => find.fill(""))
      yield* Effect.promise(() => watching.page.getByRole("button", { name: "behind" }).click())
      yield* shows(watching, ".shown", "20 of 1,000")
      assert.strictEqual(yield* Effect.promise(() => watching.page.locator("img, main script").count()), 0)
      yield* Scope.close(server, yield* Effect.exit(Effect.void))
      yield* shows(watching, ".pill", "ended")
      yield* shows(watching, ".notice", "ended without a report")
      isQuiet(watching, url)
    }).pipe(Effect.scoped, Effect.provide(Progress.layer))
  )
})
