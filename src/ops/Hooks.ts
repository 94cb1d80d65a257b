/**
 * A catcher's hooks as commands of the shell [F-12]: what they find in their environment, what becomes of what they say, and that
 * nothing of them is left running.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Hooks } from "../catcher/Hooks.ts"
import { HookFailed } from "../report/Errors.ts"
import * as Line from "../report/Line.ts"
import { Progress } from "../report/Progress.ts"
import { exitStatusOf, type Report } from "../report/Report.ts"
import * as Nameless from "../system/Nameless.ts"

/** Commands of a catcher, and what they are told of it. */
export interface Commands {
  readonly onStart: string | undefined
  readonly onComplete: string | undefined
  readonly destination: string
  readonly id: string
}

/** What the log takes of one hook. */
const most = { lines: 100, columns: 500 }

/** So much of its last line is in the reason of a failure, which has little room. */
const lastColumns = 120

/** How long the output of a command is waited for that has ended: what it has started may keep it open. */
const lastOutputMillis = 500

/** How long its processes have to end by themselves when they are told to. */
const endMillis = 2000

/** The hooks of a catcher. Their services are those of where they are made. */
export const make = Effect.fnUntraced(function* (commands: Commands) {
  const services = yield* Effect.context<ChildProcessSpawner | FileSystem.FileSystem | Path.Path>()
  const hookOf = (hook: HookFailed["hook"], command: string | undefined) =>
    command === undefined
      ? undefined
      : (report: Report) => Effect.provideContext(run({ hook, command, commands, report }), services)
  const onStart = hookOf("on-start", commands.onStart)
  const onComplete = hookOf("on-complete", commands.onComplete)
  return {
    ...(onStart === undefined ? {} : { onStart }),
    ...(onComplete === undefined ? {} : { onComplete })
  } satisfies Hooks
})

interface Run {
  readonly hook: HookFailed["hook"]
  readonly command: string
  readonly commands: Commands
  readonly report: Report
}

const run = Effect.fn("Hooks.run")(
  function* ({ hook, command, commands, report }: Run) {
    const progress = yield* Progress
    const failed = (reason: string) => new HookFailed({ hook, reason })
    const started = Effect.gen(function* () {
      return yield* ChildProcess.make("sh", ["-c", command], {
        env: yield* environment(hook, commands, report),
        extendEnv: true,
        stdin: "ignore",
        forceKillAfter: endMillis
      })
    })
    const handle = yield* Effect.mapError(started, ({ message }) => failed(message))
    yield* endingWithUs(handle.pid)
    const said = new Said((line) => progress.publish({ _tag: "Note", message: `${hook}: ${line}` }))
    const reading = handle.all.pipe(
      Stream.decodeText(),
      Stream.runForEach((text) => Effect.sync(() => said.take(text)))
    )
    const reader = yield* Effect.forkScoped(Effect.ignore(reading))
    const code = yield* Effect.mapError(handle.exitCode, () => failed("a signal ended it"))
    yield* Effect.timeoutOption(Fiber.await(reader), lastOutputMillis)
    said.end()
    if (code !== 0) return yield* failed(`exit status ${code}${said.last === "" ? "" : `: ${said.last}`}`)
  },
  (effect) => Effect.scoped(effect)
)

/** What a command is told. What is ours alone, it is not. */
const environment = Effect.fnUntraced(function* (hook: HookFailed["hook"], commands: Commands, report: Report) {
  const path = yield* Path.Path
  const [catcher] = report.catchers
  return {
    MRSYNC_SESSION: report.session,
    MRSYNC_STATE: hook === "on-start" ? "Started" : catcher.state,
    MRSYNC_REPORT: yield* written(report),
    MRSYNC_DEST: path.resolve(commands.destination),
    MRSYNC_ID: commands.id,
    MRSYNC_PHRASE: undefined,
    NOTIFY_SOCKET: undefined
  }
})

/**
 * The report as --json ends with it, in a file for us alone while the command runs. Where it can be, it has no name of its own, so
 * that nothing is left of it when we are killed.
 */
const written = Effect.fnUntraced(function* (report: Report) {
  const line = `${Line.encode({ ...report, time: yield* DateTime.now, status: exitStatusOf(report) })}\n`
  const nameless = yield* Nameless.temporary
  const path = Nameless.pathOf(nameless)
  if (path !== undefined) return yield* Effect.as(nameless.write(0, Buffer.from(line)), path)
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.makeTempFileScoped({ prefix: "mrsync-report-", suffix: ".json" })
  yield* fs.writeFileString(file, line)
  return file
})

/** A process that is ended at once (a second Ctrl-C) takes the command with it. */
const endingWithUs = (pid: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      // it may have ended
      const end = () => void Result.try(() => process.kill(-pid, "SIGKILL"))
      process.once("exit", end)
      return end
    }),
    (end) => Effect.sync(() => process.off("exit", end))
  )

/** What a command says, line by line, as far as the log takes it. */
export class Said {
  /** The last line that was not empty, shortened. */
  last = ""
  private rest = ""
  private lines = 0
  private readonly tell: (line: string) => void

  constructor(tell: (line: string) => void) {
    this.tell = tell
  }

  take(text: string): void {
    const [first, ...more] = text.split("\n")
    this.put(first)
    for (const line of more) {
      this.end()
      this.put(line)
    }
  }

  /** There is no more of this line. */
  end(): void {
    const line = this.rest.trimEnd()
    this.rest = ""
    if (line === "") return
    this.last = line.slice(0, lastColumns)
    this.lines++
    if (this.lines <= most.lines) this.tell(line)
    else if (this.lines === most.lines + 1) this.tell("... and more")
  }

  private put(text: string): void {
    this.rest += text.slice(0, most.columns - this.rest.length)
  }
}
