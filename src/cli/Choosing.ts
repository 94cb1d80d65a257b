/** What `mrsync send` sends of its sources: the options of filter rules, sizes and the like become a choice. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs/promises"
import type { Given } from "../filter/Options.ts"
import { rulesOf } from "../filter/Options.ts"
import * as Veto from "../filter/Veto.ts"
import * as Limits from "../protocol/Limits.ts"
import { SourceError } from "../report/Errors.ts"
import { type Choice, errorOf, everything, reading, readRules } from "../source/Choice.ts"
import * as Named from "../source/Named.ts"
import * as Errno from "../system/Errno.ts"
import { keyOf } from "../tree/Names.ts"
import * as Describing from "./Describing.ts"
import { Machine } from "./Machine.ts"
import { RuleOrder } from "./RuleOrder.ts"
import { UsageError } from "./Status.ts"

/** The options, each with its values in their order. */
export interface Chosen {
  readonly exclude: ReadonlyArray<string>
  readonly include: ReadonlyArray<string>
  readonly filter: ReadonlyArray<string>
  readonly excludeFrom: ReadonlyArray<string>
  readonly includeFrom: ReadonlyArray<string>
  readonly rsyncFilter: number
  readonly cvsExclude: boolean
  readonly filesFrom: string | undefined
  readonly recursive: boolean
  readonly from0: boolean
  readonly maxBytes: number | undefined
  readonly minBytes: number | undefined
  readonly oneFileSystem: number
  readonly copyLinks: boolean
  readonly copyUnsafeLinks: boolean
  readonly safeLinks: boolean
  readonly pruneEmptyDirs: boolean
  readonly noLinks: boolean
  readonly noSpecials: boolean
  readonly noDevices: boolean
  readonly noD: boolean
  readonly xattrs: boolean
  readonly acls: boolean
  readonly archiveAll: boolean
  readonly fakeSuper: boolean
  readonly noHardLinks: boolean
}

interface Input extends Chosen, Describing.Described {
  readonly sources: ReadonlyArray<string>
  readonly key?: string | undefined
}

const usage = (reason: string) => new UsageError({ command: "send", reason })

/** Reads all files of rules and names that the options name. */
export const choiceOf = Effect.fn("Choosing.choiceOf")(function* (input: Input) {
  if (input.filesFrom !== undefined && input.sources.length > 1) {
    return yield* usage("--files-from lists paths below one SOURCE, and there are more")
  }
  const given = yield* inOrder(input)
  const files = given.filter(({ option }) => option.endsWith("-from")).map(({ value }) => value)
  const names = input.filesFrom === undefined ? [] : [input.filesFrom]
  const inputs = [...files, ...names, ...(input.key === undefined ? [] : [input.key])].filter((file) => file === "-")
  if (inputs.length > 1) return yield* usage('standard input can be read once, and "-" is given more than once')
  const contents = yield* contentsOf(files)
  const list = input.filesFrom === undefined ? undefined : yield* contentOf(input.filesFrom, Limits.namesFileBytes)
  const choice = yield* ruled(input, given, contents)
  if (list === undefined) return choice
  const { isNulSeparated } = choice
  return {
    ...choice,
    names: { list: Named.linesOf(list, isNulSeparated), isRecursive: input.recursive }
  } satisfies Choice
})

/** What of extended attributes is carried. */
export const carryingOf = ({ acls, archiveAll, xattrs }: Pick<Chosen, "xattrs" | "acls" | "archiveAll">) => ({
  carriesAttributes: xattrs || archiveAll,
  carriesAcls: acls || archiveAll
})

/** What the files of rules say, by their names. */
const contentsOf = Effect.fnUntraced(function* (files: ReadonlyArray<string>) {
  const contents = new Map<string, string>()
  for (const file of files) contents.set(bytesOf(file), yield* contentOf(file, Limits.filterFileBytes))
  return contents as ReadonlyMap<string, string>
})

/** Reads files of rules; `contents` are those of files that have been read. */
const readingFrom = (contents: ReadonlyMap<string, string>) =>
  Effect.map(directoryHere, (directory) => {
    const here = reading(bytesOf(directory))
    return (file: string) => {
      const content = contents.get(file)
      return content === undefined ? here(file) : Result.succeed(content)
    }
  })

/** Where relative paths begin. It may have been removed meanwhile. */
const directoryHere = Effect.try({
  try: () => process.cwd(),
  catch: (cause) => {
    const { code, reason } = Errno.fromCause(cause)
    return new SourceError({ path: ".", code, reason: `${reason}: this directory was removed: change to another` })
  }
})

/** The choice, but for a list of names; `contents` are those of files that have been read. */
const ruled = Effect.fnUntraced(function* (
  input: Input,
  given: ReadonlyArray<Given>,
  contents: ReadonlyMap<string, string>
) {
  const { homeDirectory } = yield* Machine
  const read = yield* readingFrom(contents)
  const isNulSeparated = input.from0
  const own = Result.getOrElse(readRules(bytesOf(homeDirectory), ".cvsignore"), () => undefined)
  const variable = yield* Effect.orElseSucceed(Config.String("CVSIGNORE"), () => "")
  const cvsWords = `${own ?? ""} ${bytesOf(variable)}`
  const rules = yield* Effect.fromResult(
    Result.mapError(rulesOf(given, input.cvsExclude, { read, isNulSeparated, cvsWords }), errorOf)
  )
  return {
    ...everything,
    rules,
    isNulSeparated,
    cvsWords,
    minBytes: input.minBytes ?? 0,
    maxBytes: input.maxBytes ?? Infinity,
    mounts: input.oneFileSystem === 0 ? "Entered" : input.oneFileSystem === 1 ? "Empty" : "LeftOut",
    followsLinks: input.copyLinks,
    followsUnsafe: input.copyUnsafeLinks,
    leavesOutUnsafe: input.safeLinks,
    prunesEmpty: input.pruneEmptyDirs,
    linksNames: !input.noHardLinks,
    hasLinks: !input.noLinks,
    hasSpecials: !input.noSpecials && !input.noD,
    hasDevices: !input.noDevices && !input.noD,
    ...carryingOf(input),
    fakesSuper: input.fakeSuper,
    wished: yield* Describing.wishedOf(input)
  } satisfies Choice
})

type Rules = Pick<Chosen, "exclude" | "include" | "filter" | "excludeFrom" | "includeFrom" | "rsyncFilter">

/** The options as they were given, one after the other. */
const inOrder = Effect.fnUntraced(function* (input: Rules) {
  const order = yield* RuleOrder
  const left: Record<Given["option"], Array<string>> = {
    exclude: [...input.exclude],
    include: [...input.include],
    filter: [...input.filter],
    "exclude-from": [...input.excludeFrom],
    "include-from": [...input.includeFrom],
    F: Array.from({ length: input.rsyncFilter }, () => "")
  }
  const count = Object.values(left).reduce((sum, values) => sum + values.length, 0)
  const given = order.flatMap((option) => left[option].splice(0, 1).map((value) => ({ option, value: bytesOf(value) })))
  if (given.length === count && given.length === order.length) return given as ReadonlyArray<Given>
  return yield* Effect.die(new Error("the order of filter rules is not known"))
})

/** A catcher's options of what no master may do. */
export interface Vetoing {
  readonly protect: ReadonlyArray<string>
  readonly protectFrom: ReadonlyArray<string>
  readonly noDelete: boolean
  readonly maxDelete: number | undefined
}

/** What no master may do to a catcher's disk. [Y-9] */
export const vetoOf = Effect.fn("Choosing.vetoOf")(function* ({ maxDelete, noDelete, protect, protectFrom }: Vetoing) {
  if (noDelete && maxDelete !== undefined)
    return yield* new UsageError({
      command: "catch",
      reason: "--no-delete and --max-delete contradict each other: give one of them"
    })
  // as of a variable that is not set: nothing would be protected
  if (protect.includes(""))
    return yield* new UsageError({ command: "catch", reason: "--protect: a pattern is missing: / is all of DEST" })
  const none = { include: [], filter: [], includeFrom: [], rsyncFilter: 0 }
  const given = yield* inOrder({ ...none, exclude: protect, excludeFrom: protectFrom })
  const read = yield* readingFrom(yield* contentsOf(protectFrom))
  const rules = yield* Effect.fromResult(
    Result.mapError(rulesOf(given, false, { read, isNulSeparated: false, cvsWords: "" }), errorOf)
  )
  return Veto.make(rules, noDelete ? 0 : maxDelete)
})

/** Text as it is on disk, one character a byte. */
const bytesOf = (text: string): string => keyOf(Buffer.from(text))

const contentOf = (file: string, mostBytes: number) =>
  Effect.gen(function* () {
    const bytes = yield* file === "-" ? standardInput(mostBytes) : named(file)
    if (bytes.length <= mostBytes) return keyOf(bytes)
    return yield* new SourceError({ path: file, ...Errno.refusal("EFBIG", `expected at most ${mostBytes} bytes`) })
  })

const named = (file: string) =>
  Effect.tryPromise({
    try: () => Fs.readFile(file),
    catch: (cause) => new SourceError({ path: file, ...Errno.fromCause(cause) })
  })

const standardInput = (mostBytes: number) =>
  Effect.gen(function* () {
    const { stdin } = yield* Stdio.Stdio
    const pieces: Array<Uint8Array> = []
    let length = 0
    yield* stdin.pipe(
      Stream.takeWhile(() => length <= mostBytes),
      Stream.runForEach((piece) =>
        Effect.sync(() => {
          pieces.push(piece)
          length += piece.length
        })
      ),
      Effect.mapError(({ message }) => new SourceError({ path: "standard input", code: "EIO", reason: message }))
    )
    return Buffer.concat(pieces)
  })
