/**
 * The command that runs a command on a host: ssh, or any other that takes a host and then what is to run there. How it is called,
 * and what its end means. Pure.
 */
import * as Result from "effect/Result"
import type { Host } from "./Hosts.ts"

/** A command that runs a command on a host. */
export interface RemoteShell {
  readonly words: ReadonlyArray<string>
  /** Options of OpenSSH are understood. */
  readonly isSsh: boolean
}

/** Reads a command as rsync's `-e` does: words between spaces, quotes of both kinds, and a doubled quote in quotes is one. */
export const parse = (text: string): Result.Result<RemoteShell, string> =>
  Result.flatMap(wordsOf(text), (words) => {
    const [command] = words
    if (command === undefined || command === "") return Result.fail("expected a command, for example ssh -p 2222")
    return Result.succeed({ words, isSsh: /(?:^|\/)ssh$/.test(command) })
  })

/** The words of a command, without their quotes. */
const wordsOf = (text: string): Result.Result<ReadonlyArray<string>, string> => {
  const words: Array<string> = []
  let word: string | undefined
  let quote: string | undefined
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (quote !== undefined) {
      if (character !== quote) word += character
      else if (text[at + 1] === quote) word += text[++at]
      else quote = undefined
    } else if (character === '"' || character === "'") {
      quote = character
      word ??= ""
    } else if (character === " ") {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? "") + character
  }
  if (quote !== undefined) return Result.fail(`expected ${quote} once more: a quote is not closed`)
  return Result.succeed(word === undefined ? words : [...words, word])
}

/** How a catcher is started there. */
export interface Start {
  /** The program, as it was typed: ssh hands it to a shell there, as it is. */
  readonly program: string
  readonly connectMillis: number
  /** Whether ssh may ask a person for a password: only where there is one host, and a terminal. */
  readonly asks: boolean
}

/** What starts a catcher that waits for its handover. It needs no quotes. */
const pushed = ["catch", "--pushed"]

/** The command for one host, and its arguments. What the user says comes first, because to ssh the first word counts. */
export const commandOf = (shell: RemoteShell, host: Host, start: Start): ReadonlyArray<string> => {
  const login = host.user === undefined ? [] : ["-l", host.user]
  if (!shell.isSsh) return [...shell.words, ...login, host.host, ...programOf(start.program), ...pushed]
  return [
    ...shell.words,
    ...(start.asks ? [] : ["-o", "BatchMode=yes"]),
    ...["-o", `ConnectTimeout=${Math.max(1, Math.ceil(start.connectMillis / 1000))}`, "-T"],
    ...(host.port === undefined ? [] : ["-p", String(host.port)]),
    ...login,
    ...[host.host, start.program, ...pushed]
  ]
}

const programOf = (program: string): ReadonlyArray<string> => Result.getOrElse(wordsOf(program), () => [program])

/** Why a host cannot be reached by this command. */
export const whyNot = (shell: RemoteShell, { port }: Host): string | undefined =>
  port === undefined || shell.isSsh ? undefined : `${shell.words[0]} is told no port: only ssh is`

/** How a command has ended. */
interface End {
  /** Undefined: by a signal, or it was not started. */
  readonly status: number | undefined
  /** The end of its standard error; where the catcher has answered, of what came after that. */
  readonly errors: string
  /** The last line of its standard output, where the catcher has not answered. A closed account says so there. */
  readonly output: string | undefined
  /** The catcher was there. */
  readonly hasAnswered: boolean
}

/** ssh's own failures. */
const sshFailed = 255
/** What shells say of a command that there is not, and of one that cannot be run. */
const notFound = 127
const notRun = 126

/** Why there is no catcher, in the command's own words where it has some. */
export const reasonOf = (shell: RemoteShell, program: string, end: End): string => {
  const { errors, hasAnswered, status } = end
  const said = reasonIn(errors)
  const words = said === undefined ? "" : `: ${said}`
  // csh ends with 1
  const isMissing = status === notFound || (said !== undefined && /: command not found$/i.test(said))
  if (!hasAnswered && isMissing) {
    if (/\bnode\b/.test(words)) return `"${program}" finds no Node there${words}; install it, or say --install`
    return `no program "${program}" there${words}; install it there, or say where it is with --remote-program`
  }
  if (!hasAnswered && status === notRun) return `"${program}" cannot be run there${words}`
  if (shell.isSsh && status === sshFailed && hasAnswered) return `its connection ended${words}`
  const output = hasAnswered || status === sshFailed ? undefined : reasonIn(end.output ?? "")
  const all = [said, output].flatMap((one) => one ?? [])
  if (all.length > 0) return all.join("; ")
  const how = status === undefined ? "by a signal" : `with status ${status}`
  return `${shell.words[0]} ended ${how}, and said nothing`
}

/**
 * A server dropped the connection before anybody was asked for, as sshd does with some of many that come at one time (MaxStartups):
 * the next attempt may pass.
 */
export const wasDropped = (shell: RemoteShell, { errors, hasAnswered, status }: Omit<End, "output">): boolean =>
  shell.isSsh && status === sshFailed && !hasAnswered && dropped.test(reasonIn(errors) ?? "")

const dropped = /^(?:kex_exchange_identification: |Connection (?:closed|reset) by )/

/** Says that something failed, and not why. */
const unverified = "Host key verification failed"

/** What programs say at last that have said before what is wrong: ssh, a shell, and a program that was called wrongly. */
const isEpilogue = (line: string): boolean =>
  line === unverified || line.endsWith(pushed.join(" ")) || epilogue.test(line)

const epilogue =
  /^(?:kex_exchange_identification: .*|Connection closed by UNKNOWN port \d+|stdio forwarding failed|Try ['`].*)$/

/** A line that gives a reason: a program's own, behind its name, or ssh's. */
const isReason = (line: string): boolean =>
  /^(?:\S+: \S|Host key for \S+ has changed|Connection (?:closed|reset) by )/.test(line) && !isEpilogue(line)

/** Of what was said on standard error the line that says why: the last one, or one that stands before an epilogue. */
export const reasonIn = (errors: string): string | undefined => {
  const lines = errors
    .split(/\r?\n|\r/)
    .map((line) => line.trim().replace(/\.$/, ""))
    // a line of signs marks another one
    .filter((line) => /\p{L}/u.test(line))
  const last = lines.at(-1)
  if (last === undefined || !isEpilogue(last)) return last
  return lines.findLast(isReason) ?? lines.findLast((line) => line === unverified) ?? last
}
