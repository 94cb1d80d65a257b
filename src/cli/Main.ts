/**
 * The process around a program: signals, the last words and the exit status.
 *
 * SIGINT, SIGTERM and SIGHUP interrupt the program and let it clean up; a second one ends the process at once. SIGHUP does
 * so only with a terminal that can be closed: Node forgets that it was told to ignore the signal (nohup), but then none of
 * its standard streams is a terminal.
 */
import * as Effect from "effect/Effect"
import type { Exit } from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { exitStatus } from "../report/ExitStatus.ts"
import * as Journal from "./Journal.ts"
import * as Output from "./Output.ts"
import * as Start from "./Start.ts"
import * as Status from "./Status.ts"

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const

/**
 * A terminal's Ctrl-C reaches the whole process group, and npm and the like send it on: a signal this soon after the
 * first is the same one.
 */
const sameSignalMillis = 300

/** Runs the program as the process's only one. */
export const main = <E extends Status.Failure>(program: Effect.Effect<void, E>): void => {
  const fiber = Effect.runFork(program)
  // A program that only waits for a promise must not find its process gone.
  const awake = setInterval(() => {}, 2 ** 30)

  // when its signal comes, the terminal is gone
  const hasTerminal = Start.hasTerminal()
  let armed = false
  let interrupted = false
  const onSignal = (signal: NodeJS.Signals) => {
    if (signal === "SIGHUP" && !hasTerminal) return
    if (armed) process.exit(exitStatus.interrupted)
    if (interrupted) return
    interrupted = true
    setTimeout(() => (armed = true), sameSignalMillis).unref()
    // A program that listens for it itself ends by itself.
    if (signal === "SIGTERM" && process.listenerCount(signal) > 1) return
    Effect.runFork(Fiber.interrupt(fiber))
  }
  for (const signal of signals) process.on(signal, onSignal)

  fiber.addObserver((exit: Exit<void, E>) => {
    clearInterval(awake)
    const words = Status.message(exit)
    const isJournal = Journal.isJournal(process.stderr.fd, process.env["JOURNAL_STREAM"])
    if (words !== undefined) process.stderr.write(`${isJournal ? Journal.lead("Error", words) : words}\n`)
    Output.exit(Status.of(exit))
  })
}
