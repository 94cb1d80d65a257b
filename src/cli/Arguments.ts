/**
 * The command line before it is parsed: `help COMMAND`, and words with one dash as people type them: `-c2`, `-vq`. The parser
 * would take every letter of `-catchers` for an option of its own, the `h` among them for --help; and a rule "- *.o" for options.
 * To `send` letters mean what they mean to rsync. Pure.
 */
import type * as Completions from "effect/cli/Completions"
import * as Result from "effect/Result"
import * as Filters from "../filter/Options.ts"
import * as Rsync from "./Rsync.ts"

interface Misused {
  /** The command whose --help says more; empty: the program's does. */
  readonly command: string
  readonly reason: string
}

const isHelp = (word: string): boolean => word === "--help" || word === "-h"

export const normal = (
  words: ReadonlyArray<string>,
  root: Completions.CommandDescriptor
): Result.Result<ReadonlyArray<string>, Misused> => {
  const [first, ...others] = words
  if (first === "help") return normal([...others.filter((word) => !isHelp(word)), "--help"], root)
  const command = words.find((word) => !word.startsWith("-"))
  const known = root.subcommands.find(({ name }) => name === command)
  const flags = known?.flags ?? root.subcommands.flatMap(({ flags }) => flags)
  const end = words.indexOf("--")
  const options = end < 0 ? words : words.slice(0, end)
  const isSend = known !== undefined && masters.has(known.name)
  let out: Array<string> = []
  for (let at = 0; at < options.length; at++) {
    const word = known?.name === "catch" ? protecting(options[at]) : withoutValue(options[at])
    const off = isSend ? turnedOff(word, flags) : undefined
    if (off !== undefined) {
      out = out.filter((one) => !off.includes(one))
      continue
    }
    const name = word.split("=")[0]
    if (known?.name === "catch" && isMasters(word, flags, root))
      return Result.fail({ command: "catch", reason: `there is no option ${name}: ${masterSays}` })
    if (known?.name === "send" && isCatchers(name, flags, root))
      return Result.fail({ command: "send", reason: `there is no option ${name}: ${catcherSays}` })
    if (known?.name === "push" && Object.hasOwn(needless, name))
      return Result.fail({ command: "push", reason: `there is no option ${name}: ${needless[name]}` })
    if (isTornPhrase(options, at)) return Result.fail({ command: known?.name ?? "", reason: tornPhrase })
    const isLetters =
      /^-(?:[^-\d.].|0(?=$|[a-z]))/i.test(word) || (isSend && /^-[a-z468]$/i.test(word) && word !== "-h")
    const split = isLetters ? letters(word, flags, isSend) : long(word, flags, isSend)
    if (Result.isFailure(split)) return Result.fail({ command: known?.name ?? "", reason: split.failure })
    const last = split.success.at(-1)
    if (last === undefined) continue
    // What follows is its value, also where it begins with a dash.
    const isValued = takesAnything(last, flags) && at + 1 < options.length
    out.push(...split.success.slice(0, -1), isValued ? `${last}=${options[++at]}` : last)
  }
  out.push(...words.slice(options.length))
  // Help of a command that there is not would be the program's, and no mistake.
  return Result.succeed(command !== undefined && known === undefined ? out.filter((word) => !isHelp(word)) : out)
}

/** Commands that take rsync's letters. */
const masters: ReadonlySet<string> = new Set(["send", "push"])

const masterSays = "it is for the master: say it to mrsync send on the machine that has the files"

const catcherSays = "it is for a catcher: say it to mrsync catch on the machine that receives"

const ownKey = "push makes a key for each session, and hands it to each catcher"

/** Options of `send` of which `push` has no need, and why. */
const needless: Readonly<Record<string, string>> = {
  ...{ "--key": ownKey, "--phrase": ownKey, "--insecure": ownKey },
  "--catchers": "push waits for the hosts of its list; --at-least N says how many are enough"
}

const flagsOf = (command: string, root: Completions.CommandDescriptor): ReadonlyArray<Completions.FlagDescriptor> =>
  root.subcommands.find(({ name }) => name === command)?.flags ?? []

/** Does a word ask a catcher for what the master's command line says, in rsync's letters or in full? */
const isMasters = (
  word: string,
  flags: ReadonlyArray<Completions.FlagDescriptor>,
  root: Completions.CommandDescriptor
): boolean => {
  const [, name = ""] = /^--?([^=]+)/.exec(word) ?? []
  const isLong = word.startsWith("--")
  if (name === "" || (!isLong && [...flags.flatMap(({ aliases }) => aliases), ...others].includes(name[0])))
    return false
  if (flags.some((flag) => flag.name === name)) return false
  if (flagsOf("send", root).some((flag) => (isLong ? flag.name === name : flag.aliases.includes(name[0])))) return true
  return (isLong ? Rsync.long(word) : Rsync.letter(name[0])) !== undefined
}

/** Is it an option of `catch` alone, in full? */
const isCatchers = (
  name: string,
  flags: ReadonlyArray<Completions.FlagDescriptor>,
  root: Completions.CommandDescriptor
): boolean => {
  const has = (all: ReadonlyArray<Completions.FlagDescriptor>) => all.some((flag) => `--${flag.name}` === name)
  return has(flagsOf("catch", root)) && !has(flags) && Rsync.long(name) === undefined
}

/** To a catcher --exclude is --protect, as it is to rsync's daemon. */
const protecting = (word: string): string => word.replace(/^--exclude(?=$|=|-from(?:$|=))/, "--protect")

/** Its value is said with "=" alone: what follows `--web` is a SOURCE. */
const withoutValue = (word: string): string => (word === "--web" ? "--web=localhost" : word)

/** Options of which any word may be the value. */
const anything: ReadonlySet<string> = new Set([
  ...Filters.optionNames.filter((name) => name !== "F"),
  ...["files-from", "protect", "protect-from"]
])

/** Is it such an option, without a value of its own? */
const takesAnything = (word: string, flags: ReadonlyArray<Completions.FlagDescriptor>): boolean =>
  flags.some(
    ({ aliases, name }) => anything.has(name) && [`--${name}`, ...aliases.map((alias) => `-${alias}`)].includes(word)
  )

/** The options of filter rules in their order: rules count in that order, and the parser keeps it within one option only. */
export const rulesIn = (normal: ReadonlyArray<string>): ReadonlyArray<Filters.Given["option"]> => {
  const end = normal.indexOf("--")
  return normal.slice(0, end < 0 ? undefined : end).flatMap((word) => {
    const name = /^--?([^=]*)/.exec(word)?.[1]
    const long = name === undefined ? undefined : (sameRules[name] ?? name)
    return Filters.optionNames.filter((option) => option === long)
  })
}

/** Other names of options of filter rules. */
const sameRules: Readonly<Record<string, Filters.Given["option"]>> = {
  f: "filter",
  "rsync-filter": "F",
  protect: "exclude",
  "protect-from": "exclude-from"
}

const tornPhrase =
  "a phrase of several words is one argument: put it in quotes, or hyphens between its words (or say --phrase - and be asked)"

/** One word is no phrase: the others would be taken for arguments, and shown in what is said of them. */
const isTornPhrase = (options: ReadonlyArray<string>, at: number): boolean => {
  const value = options[at] === "--phrase" ? options[at + 1] : /^--phrase=(.*)/s.exec(options[at])?.[1]
  return value !== undefined && value !== "-" && /^[^\s\p{Pd}]*$/u.test(value)
}

/** The words that give an option which a word with "no-" takes back; the last word counts. */
const turnedOff = (
  word: string,
  flags: ReadonlyArray<Completions.FlagDescriptor>
): ReadonlyArray<string> | undefined => {
  const name = /^--no-(.+)/.exec(word)?.[1]
  const isOurs = flags.some((flag) => `--${flag.name}` === word)
  const flag = flags.find(
    (flag) => flag.type._tag === "Boolean" && (flag.name === name || flag.aliases.includes(name ?? ""))
  )
  return isOurs || flag === undefined ? undefined : [flag.name, ...flag.aliases].map(wordOf)
}

const wordOf = (name: string): string => `${name.length === 1 ? "-" : "--"}${name}`

/** A long option of rsync's may have no effect, another name, or none. */
const long = (
  word: string,
  flags: ReadonlyArray<Completions.FlagDescriptor>,
  isSend: boolean
): Result.Result<ReadonlyArray<string>, string> => {
  const [name] = word.split("=")
  const isOurs = flags.some((flag) => `--${flag.name}` === name)
  const meaning = isSend && !isOurs ? Rsync.long(word) : undefined
  if (meaning === "Idle") return Result.succeed([])
  if (meaning === undefined) return Result.succeed([word])
  return "is" in meaning ? Result.succeed([meaning.is]) : Result.fail(`there is no option ${name}: ${meaning.refused}`)
}

const others = new Set(["h", "V"])

/** One dash and several letters: options without a value, and one with its value at last. */
const letters = (
  word: string,
  flags: ReadonlyArray<Completions.FlagDescriptor>,
  isSend: boolean
): Result.Result<ReadonlyArray<string>, string> => {
  const [name] = word.slice(1).split("=")
  const long = [...flags.map((flag) => flag.name), "help", "version", "completions"].find((long) => long === name)
  if (long !== undefined) return Result.fail(`there is no option -${long}; did you mean --${long}?`)
  const out: Array<string> = []
  for (let at = 1; at < word.length; at++) {
    const letter = word[at]
    const flag = flags.find(({ aliases }) => aliases.includes(letter))
    const meaning = isSend && flag === undefined ? Rsync.letter(letter) : undefined
    if (meaning === "Idle") continue
    if (meaning !== undefined && "refused" in meaning) return Result.fail(`-${letter}: ${meaning.refused}`)
    if (flag === undefined && !others.has(letter)) {
      return Result.fail(`there is no option ${word}: one dash is for options of one letter, and -${letter} is none`)
    }
    // The parser takes -0 for a number.
    out.push(letter === "0" ? `--${flag?.name}` : `-${letter}`)
    if (flag === undefined || flag.type._tag === "Boolean") continue
    const value = word.slice(at + 1).replace(/^=/, "")
    if (value !== "" && anything.has(flag.name)) return Result.succeed([...out.slice(0, -1), `-${letter}=${value}`])
    return Result.succeed(value === "" ? out : [...out, value])
  }
  return Result.succeed(out)
}
