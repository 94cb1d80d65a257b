/** The log (`--log-file`) where it leads to a pipe. What a disk does is in test/e2e/Service.test.ts. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync, spawn } from "node:child_process"
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as LogFile from "../../src/cli/LogFile.ts"
import { Screen } from "../../src/cli/Screen.ts"

const directory = mkdtempSync(join(tmpdir(), "mrsync-log-"))
afterAll(() => rmSync(directory, { recursive: true }))

/** A pipe, which somebody reads after 2 s: a log that waits for that fails the test, and does not hang it. */
const pipe = (name: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const path = join(directory, name)
        execFileSync("mkfifo", [path])
        const reader = spawn("sh", ["-c", 'sleep 2; exec timeout 2 cat "$0" > /dev/null', path], { detached: true })
        return { path, reader }
      }),
      ({ reader }) => Effect.sync(() => process.kill(-reader.pid!, "SIGKILL"))
    ),
    ({ path }) => path
  )

const said: Array<string> = []
const sink = { write: (text: string) => said.push(text) }
const screen = Screen.layer({
  ...{ out: sink, err: sink, term: undefined, atExit: () => {} },
  isJournal: { out: false, err: false }
})

describe("a log that is a pipe", () => {
  it.live("is refused where nobody reads it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(LogFile.open(yield* pipe("unread")))
      assert.match(error.message, /--log-file .*unread cannot be opened: .*ENXIO/)
    }).pipe(Effect.scoped, Effect.provide(screen))
  )
  it.live("is not waited for where it is full", () =>
    Effect.gen(function* () {
      const path = yield* pipe("full")
      yield* Effect.acquireRelease(
        Effect.sync(() => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)),
        (fd) => Effect.sync(() => closeSync(fd))
      )
      const { write } = yield* LogFile.open(path)
      for (let line = 0; line < 300; line++) write("x".repeat(1000))
      assert.strictEqual(said.filter((text) => text.includes("cannot be written")).length, 1, said.join(""))
    }).pipe(Effect.scoped, Effect.provide(screen))
  )
})
