/**
 * The program's line in the list of processes, which every user of the machine can read: a phrase that was given as an argument must
 * not stand there longer than it takes to start. Imports nothing, because it must come before all else.
 */

const option = "--phrase"

/** The command line without the phrase; undefined: it has none. */
export const withoutPhrase = (args: ReadonlyArray<string>): string | undefined => {
  const isPhrase = (at: number) => args[at - 1] === option && args[at] !== "-"
  const shown = args.map((arg, at) => (isPhrase(at) ? "..." : arg.startsWith(`${option}=`) ? `${option}=...` : arg))
  return shown.every((arg, at) => arg === args[at]) ? undefined : ["mrsync", ...shown].join(" ")
}
