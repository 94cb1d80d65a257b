/**
 * The signs on which a waiting master goes with those here: Enter on the program's terminal, or the signal SIGUSR1; and SIGHUP, on
 * which a catcher reads its settings anew. The terminal is read only while it is waited for, and only in the foreground: a read from the background would stop the
 * process.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Tty from "node:tty"
import type { Start } from "./Machine.ts"

/** Is standard input a terminal? */
export const hasKeys = (): boolean => Tty.isatty(0)

/** Has the process a terminal, which can be closed? */
export const hasTerminal = (): boolean => [0, 1, 2].some(Tty.isatty)

/** What is heard from the moment of running on; of what nobody has taken yet, the last. */
const heard = <Sign>(listen: (say: (sign: Sign) => void) => () => void): Stream.Stream<Sign> =>
  Stream.callback<Sign>(
    (queue) =>
      Effect.acquireRelease(
        Effect.sync(() => listen((sign) => void Queue.offerUnsafe(queue, sign))),
        (stop) => Effect.sync(stop)
      ),
    { bufferSize: 1, strategy: "sliding" }
  )

/** Every Enter and every signal from the moment of running on. */
export const starts: Stream.Stream<Start> = heard((say) => {
  const stops = [hearSignal("SIGUSR1", () => say("Signal")), ...(hasKeys() ? [hearEnter(say)] : [])]
  return () => stops.forEach((stop) => stop())
})

/** Every SIGHUP from the moment of running on; where a terminal can be closed, that is what it means. */
export const reloads: Stream.Stream<void> = Stream.suspend(() =>
  hasTerminal() ? Stream.never : heard<void>((say) => hearSignal("SIGHUP", say))
)

/** Hears a signal until the function that it gives is called. */
export const hearSignal = (signal: NodeJS.Signals, say: () => void): (() => void) => {
  // a signal's listener is told which it was
  const onSignal = () => say()
  process.on(signal, onSignal)
  return () => void process.off(signal, onSignal)
}

const hearEnter = (say: (start: Start) => void): (() => void) => {
  const { stdin } = process
  const onData = (typed: Buffer) => typed.includes("\n") && say("Enter")
  // A terminal that is gone is not typed on any more, and that is all.
  const onError = () => {}
  // The shell moves a program between background and foreground while it is stopped.
  const look = () => void (isForeground() ? stdin.resume() : stdin.pause())
  stdin.on("data", onData).on("error", onError)
  process.on("SIGCONT", look)
  look()
  return () => {
    process.off("SIGCONT", look)
    stdin.pause().off("data", onData)
  }
}

/** May this process read the terminal on its standard input? Where it is not the one that controls our jobs, any process may. */
const isForeground = (): boolean => {
  try {
    const stat = Fs.readFileSync("/proc/self/stat", "latin1")
    // After the program's name, which may hold anything: state, parent, group, session, terminal, group in the foreground.
    const [, , group, , controlling, foreground] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return group === foreground || Number(controlling) !== Fs.fstatSync(0).rdev
  } catch {
    return true
  }
}
