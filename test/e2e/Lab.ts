/**
 * Real processes on a network of test hosts (scripts/lab.sh), with real rsync as judge. Where a lab cannot be made the
 * tests are skipped, and say why.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { mostly } from "../seldom.ts"

const script = fileURLToPath(new URL("../../scripts/lab.sh", import.meta.url))
export const program = fileURLToPath(new URL("../../dist/bin.js", import.meta.url))

const works = (command: string, ...args: ReadonlyArray<string>) => spawnSync(command, args).status === 0

const whyNot = (): string | undefined => {
  if (process.platform !== "linux") return "network namespaces are Linux's"
  if (process.getuid?.() !== 0) return "network namespaces need root here"
  for (const tool of ["ip", "nft", "ethtool", "rsync"]) if (!works("which", tool)) return `${tool} is not installed`
  const name = `mrprobe${process.pid}`
  if (!works("ip", "netns", "add", name)) return "network namespaces are not allowed here"
  spawnSync("ip", ["netns", "del", name])
  return undefined
}

/** Why the tests of the lab cannot run here; undefined: they can. */
export const unavailable = whyNot()
if (unavailable !== undefined) console.warn(`tests on real hosts are skipped: ${unavailable}`)

/** How a process of ours ended. */
export interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
  /** What --json said, and its last line. */
  readonly events: ReadonlyArray<any>
  readonly report: any
}

export interface Running {
  readonly process: ChildProcess
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly ended: Effect.Effect<Ended>
  /** What --json has said so far. */
  readonly said: Effect.Effect<ReadonlyArray<any>>
  /** Waits until standard output or error has this text; all that they have then. */
  readonly says: (text: string) => Effect.Effect<string>
  /** Waits until --json has an event like this; a defect when the process ends without one. */
  readonly sees: (isIt: (event: any) => boolean) => Effect.Effect<any>
}

export interface Lab {
  /** A folder of this lab, removed with it. */
  readonly folder: string
  readonly lab: (...args: ReadonlyArray<string>) => void
  /** The processes of a host. */
  readonly pids: (host: string) => ReadonlyArray<number>
  readonly exec: (host: string, ...command: ReadonlyArray<string>) => Running
  /** A command of mrsync (send, catch) on a host, with the lab's transport. */
  readonly mrsync: (host: string, command: string, ...args: ReadonlyArray<string>) => Running
  /** Catchers c1..cN with their destinations in the folder, ready to be announced to. */
  readonly catchers: (count: number, ...args: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Running>>
  readonly destination: (catcher: number) => string
  /** Makes a catcher's destination a file system of its own, so large and no larger. */
  readonly mount: (catcher: number, size: string) => void
}

let labs = 0

export type Transport = "auto" | "offload" | "datagram"

/** A lab of so many catchers, until the scope closes; whatever still runs in it is killed. */
export const make = (count: number, transport: Transport = "auto"): Effect.Effect<Lab, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const prefix = `t${(process.pid % 10_000).toString(36)}${(labs++).toString(36)}`
      const lab = (...args: ReadonlyArray<string>) =>
        void execFileSync(script, args, {
          env: { ...process.env, LAB: prefix },
          stdio: ["ignore", "ignore", "inherit"]
        })
      const folder = mkdtempSync(join(tmpdir(), "mrsync-lab-"))
      const running = new Set<Running>()
      lab("up", String(count))
      const exec = (host: string, ...command: ReadonlyArray<string>) => {
        const started = start(["netns", "exec", `${prefix}-${host}`, ...command])
        running.add(started)
        return started
      }
      const pids = (host: string) =>
        execFileSync("ip", ["netns", "pids", `${prefix}-${host}`], { encoding: "utf8" })
          .split("\n")
          .filter((line) => line !== "")
          .map(Number)
      const mrsync = (host: string, command: string, ...args: ReadonlyArray<string>) =>
        exec(host, process.execPath, program, command, "--transport", transport, ...args)
      const destination = (catcher: number) => join(folder, `c${catcher}`)
      return {
        ...{ folder, lab, pids, exec, mrsync, destination, running },
        mount: (catcher, size) => {
          mkdirSync(destination(catcher))
          execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", destination(catcher)])
        },
        catchers: (count: number, ...args: ReadonlyArray<string>) =>
          Effect.forEach(
            Array.from({ length: count }, (_, i) => i + 1),
            (i) =>
              Effect.suspend(() => {
                mkdirSync(destination(i), { recursive: true })
                const started = mrsync(`c${i}`, "catch", "--json", "--id", `c${i}`, ...args, destination(i))
                return Effect.as(started.says("Waiting"), started)
              }),
            { concurrency: "unbounded" }
          )
      }
    }),
    ({ folder, lab, running }) =>
      Effect.gen(function* () {
        for (const { process } of running) if (process.exitCode === null) process.kill("SIGKILL")
        // what they hold of a mounted folder is free only when they are gone
        const gone = Effect.forEach(running, ({ ended }) => ended, { concurrency: "unbounded", discard: true })
        yield* Effect.timeoutOption(gone, 10_000)
        lab("down")
        spawnSync(
          "umount",
          readdirSync(folder).map((name) => join(folder, name)),
          { stdio: "ignore" }
        )
        rmSync(folder, { recursive: true, force: true })
      })
  )

/** A lab of so many catchers, and an empty folder in it to be sent. */
export const withSource = (count: number) =>
  Effect.map(make(count), (lab) => {
    const source = join(lab.folder, "source")
    mkdirSync(source)
    return { lab, source }
  })

/** A session with catchers that wait for it, in which all end well; `args`: the master's options, and its source. */
export const session = Effect.fnUntraced(function* (
  { mrsync }: Lab,
  catchers: ReadonlyArray<Running>,
  ...args: ReadonlyArray<string>
) {
  const master = yield* mrsync("m", "send", "--json", "--catchers", String(catchers.length), ...args).ended
  assert.strictEqual(master.status, 0, master.err)
  const received = yield* Effect.forEach(catchers, ({ ended }) => ended)
  for (const { err, status } of received) assert.strictEqual(status, 0, err)
  return { report: master.report, received }
})

const start = (args: ReadonlyArray<string>): Running => {
  const child = spawn("ip", args, { stdio: ["ignore", "pipe", "pipe"] })
  let out = ""
  let err = ""
  const waiting = new Set<() => void>()
  const look = () => {
    for (const check of waiting) check()
  }
  const events: Array<any> = []
  let line = ""
  child.stdout.setEncoding("utf8")
  child.stdout.on("data", (data: string) => {
    const lines = data.split("\n")
    lines[0] = line + lines[0]
    line = lines.pop() ?? ""
    events.push(...lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line)))
    out += data
    look()
  })
  child.stderr.on("data", (data: Buffer) => {
    err += data.toString()
    look()
  })
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (status, signal) => resolve({ status, signal, out, err, events, report: events.at(-1) }))
  })
  return {
    process: child,
    kill: (signal) => Effect.sync(() => void child.kill(signal)),
    ended: Effect.promise(() => ended),
    said: Effect.sync(() => [...events]),
    says: (text) =>
      Effect.callback<string>((resume) => {
        const check = () => {
          if (!(out + err).includes(text) && child.exitCode === null) return
          waiting.delete(check)
          resume(Effect.succeed(out + err))
        }
        waiting.add(check)
        child.on("close", check)
        check()
      }),
    sees: (isIt) =>
      Effect.callback<any>((resume) => {
        let seen = 0
        const check = () => {
          while (seen < events.length) {
            if (!isIt(events[seen++])) continue
            waiting.delete(check)
            return resume(Effect.succeed(events[seen - 1]))
          }
        }
        waiting.add(check)
        child.on("close", () => {
          check()
          resume(Effect.die(new Error(`it ended (${child.exitCode ?? child.signalCode}) before that: ${err}${out}`)))
        })
        check()
      })
  }
}

/** What rsync would still change: nothing, when the copy is whole. */
export const rsyncSays = (source: string, destination: string, ...options: ReadonlyArray<string>): string =>
  execFileSync("rsync", ["-aHn", "--checksum", "--delete", "--itemize-changes", ...options, source, destination], {
    encoding: "latin1",
    maxBuffer: 1 << 26
  })

/** Only the last of several losses, but at night. */
export const losses = <Loss>(...all: ReadonlyArray<Loss>): ReadonlyArray<Loss> =>
  mostly(all.slice(-1), all.slice(0, -1))

/** Temporary files that were left; what is kept in part is none. */
export const litter = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, encoding: "latin1" }).filter(
    (name) => name.includes(".mrsync-") && !name.endsWith(".mrsync-partial")
  )
