#!/usr/bin/env node
/**
 * The program's edge: provides the layers. `--version` alone is answered before anything is loaded.
 *
 * What this file imports itself must also load where Node is too old for the rest, so that it can say so.
 */
import { fileURLToPath } from "node:url"
import { setFlagsFromString } from "node:v8"
import * as Compiled from "./cli/Compiled.ts"
import * as Output from "./cli/Output.ts"
import * as Title from "./cli/Title.ts"
import * as Version from "./cli/Version.ts"
import type * as Program from "./cli/Program.ts"
import { exitStatus } from "./report/ExitStatus.ts"

/** The first version that has everything that is used (`Array.prototype.toReversed` came with it). */
const leastNode = 20

// Node opens a debugger at this signal, unless somebody listens: it says "go with those here" to a master that waits.
process.on("SIGUSR1", () => {})

// On Linux this writes over the arguments themselves.
const title = Title.withoutPhrase(process.argv.slice(2))
if (title !== undefined) process.title = title

const [argument, ...others] = process.argv.slice(2)

/** Its commands whose code was made at build time. Of others the first one's does. */
const compiled = ["send", "catch"]

const load = () => {
  const file = fileURLToPath(new URL("bin/program.cjs", import.meta.url))
  const command = compiled.includes(argument) ? argument : compiled[0]
  const { main } = Compiled.run(file, Compiled.codeOf(file, command)).exports as { readonly main: typeof Program.main }
  // V8's code is of the flags that it was made with, so that these come after it.
  // Node 20 compiles so eagerly that in a session of seconds it never pays, and its threads take cores that others need:
  // small files arrive a sixth faster without (docs/performance.md). Later versions do not have the option, nor the need.
  if (process.versions.node.startsWith("20.")) setFlagsFromString("--interrupt-budget=600000")
  // What arrives at a catcher is garbage at once, and the faster it comes the more memory V8 would keep for it, up to 48 MiB,
  // also when it is a stranger's. With the 3 MiB of the start it works as fast.
  if (process.versions.node.startsWith("20.") && argument === "catch")
    setFlagsFromString("--semi-space-growth-factor=1")
  // The package's directory: this file is in its dist.
  main(process.argv.slice(2), fileURLToPath(new URL("..", import.meta.url)))
}

/** A process that may open too few files cannot load the program itself. */
const loadOrSay = () => {
  try {
    load()
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined
    if (code !== "EMFILE" && code !== "ENFILE") throw cause
    const words = `too many open files (${code}); raise the limit, for example with "ulimit -n 1024"`
    process.stderr.write(`mrsync: the program cannot be loaded: ${words}\n`)
    process.exit(exitStatus.file)
  }
}

if (Number.parseInt(process.versions.node) < leastNode) {
  const needed = `mrsync needs Node ${leastNode} at least, and Node ${Version.node.replace(">=", "")} or later is supported`
  Output.watch()
  process.stderr.write(`mrsync: Node ${process.versions.node} is too old: ${needed}\n`)
  Output.exit(exitStatus.usage)
} else if (others.length === 0 && (argument === "--version" || argument === "-V")) {
  Output.watch()
  process.stdout.write(`${Version.text}\n`)
  Output.exit(exitStatus.ok)
} else loadOrSay()
