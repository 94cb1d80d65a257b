/** Lists of hosts of the command line, with the files that they name. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Fs from "node:fs/promises"
import * as Hosts from "../ops/Hosts.ts"
import { SourceError } from "../report/Errors.ts"
import * as Errno from "../system/Errno.ts"
import { UsageError } from "./Status.ts"

/** The names of a list's catchers: a file that says how hosts are reached is as good as one that does not. */
export const names = Effect.fnUntraced(function* (command: string, text: string) {
  const plain = (yield* listed(command, text)).map(({ host }) => ({ host, user: undefined, port: undefined }))
  return (yield* refusing(command, labelOf(text), Hosts.distinct(plain))).map(({ host }) => host)
})

/** The hosts of the list of --hosts. */
export const listed = Effect.fnUntraced(function* (command: string, text: string) {
  const items = yield* refusing(command, labelOf(text), Hosts.parse(text))
  return yield* gathered(command, labelOf(text), items)
})

const labelOf = (text: string): string => `--hosts "${text}"`

/** What is wrong with a list ends the command, under the list's label. */
export const refusing = <A>(command: string, label: string, parsed: Result.Result<A, string>) =>
  Effect.fromResult(Result.mapError(parsed, (reason) => new UsageError({ command, reason: `${label}: ${reason}` })))

/** The hosts of a list's items; those of files stand where their file was named. */
export const gathered = Effect.fnUntraced(function* (command: string, label: string, items: ReadonlyArray<Hosts.Item>) {
  const out: Array<Hosts.Host> = []
  for (const item of items) {
    const hosts = item._tag === "Hosts" ? item.hosts : yield* inFile(command, label, item.file)
    for (const host of hosts) out.push(host)
  }
  return out
})

const inFile = Effect.fnUntraced(function* (command: string, label: string, file: string) {
  const content = yield* Effect.tryPromise({
    try: () => Fs.readFile(file, "utf8"),
    catch: (cause) => new SourceError({ path: `@${file}`, ...Errno.fromCause(cause) })
  })
  return yield* refusing(command, label, Hosts.ofFile(content))
})
