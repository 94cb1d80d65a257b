/**
 * The process's edge: what is done before the program is loaded, and what is said where it cannot be. `--version` alone is answered here.
 *
 * What this file imports must also load where Node is too old for the rest, so that it can say so.
 */
import { setFlagsFromString } from "node:v8"
import { exitStatus } from "../report/ExitStatus.ts"
import * as Compiled from "./Compiled.ts"
import * as Output from "./Output.ts"
import type * as Program from "./Program.ts"
import * as Title from "./Title.ts"
import * as Version from "./Version.ts"

/** Where the program's script is from. */
interface Place {
  /** The script, with V8's code of it after that command. */
  readonly read: (command: string) => Compiled.Source
  /** Its package's directory, if it is one's. */
  readonly directory: string | undefined
}

/** The first version that has everything that is used (`Array.prototype.toReversed` came with it). */
const leastNode = 20

/** The commands whose code was made at build time. Of others the first one's does. */
const compiled = ["send", "catch"]

/** Runs the program of this process's command line. */
export const run = (place: Place): void => {
  // Node opens a debugger at this signal, unless somebody listens: it says "go with those here" to a master that waits.
  process.on("SIGUSR1", () => {})

  const args = process.argv.slice(2)
  // On Linux this writes over the arguments themselves.
  const title = Title.withoutPhrase(args)
  if (title !== undefined) process.title = title

  if (Number.parseInt(process.versions.node) < leastNode) {
    const needed = `mrsync needs Node ${leastNode} at least, and Node ${Version.node.replace(">=", "")} or later is supported`
    Output.watch()
    process.stderr.write(`mrsync: Node ${process.versions.node} is too old: ${needed}\n`)
    Output.exit(exitStatus.usage)
  } else if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) {
    Output.watch()
    process.stdout.write(`${Version.text}\n`)
    Output.exit(exitStatus.ok)
  } else loadOrSay(place, args)
}

/** A process that may open too few files cannot load the program itself. */
const loadOrSay = (place: Place, args: ReadonlyArray<string>) => {
  try {
    load(place, args)
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined
    if (code !== "EMFILE" && code !== "ENFILE") throw cause
    const words = `too many open files (${code}); raise the limit, for example with "ulimit -n 1024"`
    process.stderr.write(`mrsync: the program cannot be loaded: ${words}\n`)
    process.exit(exitStatus.file)
  }
}

const load = ({ directory, read }: Place, args: ReadonlyArray<string>) => {
  const [command] = args
  const source = read(compiled.includes(command) ? command : compiled[0])
  const { main } = Compiled.run(source).exports as { readonly main: typeof Program.main }
  // V8's code is of the flags that it was made with, so that these come after it.
  // Node 20 compiles so eagerly that in a session of seconds it never pays, and its threads take cores that others need:
  // small files arrive a sixth faster without (docs/performance.md). Later versions do not have the option, nor the need.
  const isNode20 = process.versions.node.startsWith("20.")
  if (isNode20) setFlagsFromString("--interrupt-budget=600000")
  // What arrives at a catcher is garbage at once, and the faster it comes the more memory V8 would keep for it, up to 48 MiB,
  // also when it is a stranger's. With the 3 MiB of the start it works as fast.
  if (isNode20 && command === "catch") setFlagsFromString("--semi-space-growth-factor=1")
  main(args, directory)
}
