/**
 * Real processes on a network of test hosts (scripts/lab.sh), with real rsync as judge. Where a lab cannot be made the
 * tests are skipped, and say why.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

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
  /** The last line of --json. */
  readonly report: any
}

export interface Running {
  readonly process: ChildProcess
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly ended: Effect.Effect<Ended>
  /** Waits until standard output or error has this text. */
  readonly says: (text: string) => Effect.Effect<void>
}

export interface Lab {
  /** A folder of this lab, removed with it. */
  readonly folder: string
  readonly lab: (...args: ReadonlyArray<string>) => void
  readonly exec: (host: string, ...command: ReadonlyArray<string>) => Running
  /** A command of mrsync (send, catch) on a host, with the lab's transport. */
  readonly mrsync: (host: string, command: string, ...args: ReadonlyArray<string>) => Running
  /** Catchers c1..cN with their destinations in the folder, ready to be announced to. */
  readonly catchers: (count: number, ...args: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Running>>
  readonly destination: (catcher: number) => string
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
      const mrsync = (host: string, command: string, ...args: ReadonlyArray<string>) =>
        exec(host, process.execPath, program, command, "--transport", transport, ...args)
      const destination = (catcher: number) => join(folder, `c${catcher}`)
      return {
        ...{ folder, lab, exec, mrsync, destination, running },
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
      Effect.sync(() => {
        for (const { process } of running) if (process.exitCode === null) process.kill("SIGKILL")
        lab("down")
        spawnSync(
          "umount",
          readdirSync(folder).map((name) => join(folder, name)),
          { stdio: "ignore" }
        )
        rmSync(folder, { recursive: true, force: true })
      })
  )

const start = (args: ReadonlyArray<string>): Running => {
  const child = spawn("ip", args, { stdio: ["ignore", "pipe", "pipe"] })
  let out = ""
  let err = ""
  const waiting = new Set<() => void>()
  const look = () => {
    for (const check of waiting) check()
  }
  child.stdout.on("data", (data: Buffer) => {
    out += data.toString()
    look()
  })
  child.stderr.on("data", (data: Buffer) => {
    err += data.toString()
    look()
  })
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (status, signal) => resolve({ status, signal, out, err, report: reportOf(out) }))
  })
  return {
    process: child,
    kill: (signal) => Effect.sync(() => void child.kill(signal)),
    ended: Effect.promise(() => ended),
    says: (text) =>
      Effect.callback<void>((resume) => {
        const check = () => {
          if (!(out + err).includes(text) && child.exitCode === null) return
          waiting.delete(check)
          resume(Effect.void)
        }
        waiting.add(check)
        child.on("close", check)
        check()
      })
  }
}

const reportOf = (out: string): any => {
  const last = out.trimEnd().split("\n").at(-1) ?? ""
  return last.startsWith("{") ? JSON.parse(last) : undefined
}

/** What rsync would still change: nothing, when the copy is whole. */
export const rsyncSays = (source: string, destination: string): string =>
  execFileSync("rsync", ["-aHn", "--checksum", "--delete", "--itemize-changes", source, destination], {
    encoding: "latin1",
    maxBuffer: 1 << 26
  })

/** Temporary files that were left. */
export const litter = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, encoding: "latin1" }).filter((name) => name.includes(".mrsync-"))
