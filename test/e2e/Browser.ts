/** Debian's Chromium, which playwright-core drives; and what a page has asked for and complained of. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"

const executablePath = "/usr/bin/chromium"

/** Why there is no browser, if there is none. */
export const unavailable = existsSync(executablePath) ? undefined : `there is no ${executablePath}`

const args = [
  ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"],
  ...["--disable-background-networking", "--disable-component-update"]
]

const browser: Effect.Effect<Browser, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() => chromium.launch({ executablePath, args })),
  (browser) => Effect.promise(() => browser.close())
)

/** A page that is open, and what it has done. */
export interface Open {
  readonly page: Page
  /** Addresses that it has asked for. */
  readonly asked: ReadonlyArray<string>
  /** What its console has, and errors that nobody caught. */
  readonly complaints: ReadonlyArray<string>
}

/** Opens addresses, each in a window of its own kind. */
export const opener = Effect.map(browser, (browser) =>
  Effect.fnUntraced(function* (url: string, options: BrowserContextOptions = {}) {
    const context = yield* Effect.acquireRelease(
      Effect.promise(() => browser.newContext({ viewport: { width: 1200, height: 1250 }, ...options })),
      (context) => Effect.promise(() => context.close())
    )
    const page = yield* Effect.promise(() => context.newPage())
    const [asked, complaints]: [Array<string>, Array<string>] = [[], []]
    page.on("request", (request) => asked.push(request.url()))
    page.on("console", (message) => complaints.push(message.text()))
    page.on("pageerror", (error) => complaints.push(error.message))
    yield* Effect.promise(() => page.goto(url))
    return { page, asked, complaints } as Open
  })
)

/** Keeps a picture where somebody wants to look at it: MRSYNC_SCREENSHOTS is a directory. */
export const picture = ({ page }: Open, name: string): Effect.Effect<void> => {
  const directory = process.env["MRSYNC_SCREENSHOTS"]
  return directory === undefined
    ? Effect.void
    : Effect.asVoid(Effect.promise(() => page.screenshot({ path: join(directory, `${name}.png`) })))
}
