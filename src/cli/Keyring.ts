/**
 * Where the commands find their keys: an option, else the environment, else a key file in its usual place. A master that finds none makes
 * a phrase, and a catcher asks for one. Everything secret stays `Redacted`.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Path from "node:path"
import * as KeyFile from "../seal/KeyFile.ts"
import * as Keys from "../seal/Keys.ts"
import * as Phrase from "../seal/Phrase.ts"
import { Machine } from "./Machine.ts"
import { UsageError } from "./Status.ts"

/** What the command line says of keys. */
export interface Given {
  /** A key file, `-` for standard input. */
  readonly key: string | undefined
  /** `-`: from standard input, or asked for at a terminal. */
  readonly phrase: Redacted.Redacted | undefined
  readonly insecure: boolean
}

/** For `send`; `fresh` is a phrase that was made here, and that its catchers need. */
interface Found {
  readonly protection: Keys.Protection<Keys.MasterKeys>
  readonly fresh?: Redacted.Redacted
}

/** For `send`. */
export const forMaster = Effect.fn("Keyring.forMaster")(function* (given: Given, json: boolean) {
  const found = yield* find("send", given, json)
  if (found?._tag === "Insecure") return { protection: found } satisfies Found
  if (found?._tag === "Phrase") return { protection: { _tag: "Sealed", keys: found.keys } } satisfies Found
  if (found !== undefined) return { protection: yield* sealed(found.path, Keys.masterOf(found.key)) } satisfies Found
  const fresh = yield* Phrase.fresh
  return { protection: { _tag: "Sealed", keys: yield* Phrase.keysOf(fresh, "") }, fresh } satisfies Found
})

/** For `catch`. */
export const forCatcher = Effect.fn("Keyring.forCatcher")(function* (given: Given, json: boolean) {
  const found = (yield* find("catch", given, json)) ?? (yield* asked(json))
  if (found._tag === "Insecure") return found
  if (found._tag === "Phrase") return { _tag: "Sealed", keys: Keys.forCatchers(found.keys) } as const
  return yield* sealed(found.path, Keys.catcherOf(found.key))
})

/** For `catch`, while it serves: the keys that are there now; undefined where they came in a way that comes once. */
export const again = (given: Given) =>
  given.key === fromInput || (given.phrase !== undefined && Redacted.value(given.phrase) === fromInput)
    ? Effect.undefined
    : forCatcher(given, true)

const sealed = <Of>(path: string, keys: Result.Result<Of, string>) =>
  Result.match(keys, {
    onFailure: (reason) => Effect.fail(new Keys.KeyError({ path, reason })),
    onSuccess: (keys) => Effect.succeed({ _tag: "Sealed", keys } as const)
  })

// ---- where they are looked for ----

type Command = "send" | "catch"

const usual = { send: KeyFile.names.master, catch: KeyFile.names.catcher } as const
const program = "mrsync"
const fromInput = "-"

const find = Effect.fnUntraced(function* (command: Command, { insecure, key, phrase }: Given, json: boolean) {
  if ([key !== undefined, phrase !== undefined, insecure].filter(Boolean).length > 1) {
    return yield* new UsageError({
      command,
      reason: "--key, --phrase and --insecure contradict each other: give one of them"
    })
  }
  if (key === "")
    return yield* new UsageError({ command, reason: "--key is empty: expected a file, or - for standard input" })
  if (insecure) return { _tag: "Insecure" } as const
  if (key !== undefined) return yield* ofFile(key)
  if (phrase !== undefined) {
    return yield* Redacted.value(phrase) === fromInput ? phraseFromInput(json) : ofPhrase(phrase, "--phrase")
  }
  const [file, words] = [yield* variable("MRSYNC_KEY"), yield* variable("MRSYNC_PHRASE")]
  if (file !== undefined && words !== undefined) {
    return yield* new UsageError({
      command,
      reason: "MRSYNC_KEY and MRSYNC_PHRASE contradict each other: set one of them"
    })
  }
  if (file !== undefined) return yield* ofFile(file)
  if (words !== undefined) return yield* ofPhrase(Redacted.make(words), "MRSYNC_PHRASE")
  const { settingsDirectory } = yield* Machine
  const own = yield* inPlace(Path.join(yield* directory, usual[command]), isAbsent)
  if (own !== undefined) return own
  return yield* inPlace(Path.join(settingsDirectory, program, usual[command]), isNotOurs)
})

/** A key file in its usual place, unless that is as good as none. */
const inPlace = (path: string, isNone: (error: Keys.KeyError) => boolean) =>
  Effect.catchIf(ofFile(path), isNone, () => Effect.succeed(undefined))

const isAbsent = ({ code }: Keys.KeyError): boolean => code === "ENOENT" || code === "ENOTDIR"
/** One for all users that only others may read is not ours; in our own directory that is a mistake. */
const isNotOurs = (error: Keys.KeyError): boolean => isAbsent(error) || error.code === "EACCES"

const ofFile = (path: string) =>
  Effect.map(read(path), (key) => ({ _tag: "File", path: path === fromInput ? inputName : path, key }) as const)

const ofPhrase = (phrase: Redacted.Redacted, path: string) =>
  Effect.map(Phrase.keysOf(phrase, path), (keys) => ({ _tag: "Phrase", keys }) as const)

/** Of the environment; what is set to nothing is not set. */
const variable = (name: string) =>
  Effect.map(
    Effect.orElseSucceed(Config.String(name), () => ""),
    (text) => (text === "" ? undefined : text)
  )

/** This user's directory of keys. A path that is not absolute counts for nothing there, as the XDG rules have it. */
export const directory = Effect.gen(function* () {
  const { homeDirectory } = yield* Machine
  const configuration = (yield* variable("XDG_CONFIG_HOME")) ?? ""
  return Path.join(Path.isAbsolute(configuration) ? configuration : Path.join(homeDirectory, ".config"), program)
})

/** Reads a key file; `-` is standard input. */
export const read = (path: string): Effect.Effect<Keys.Key, Keys.KeyError, Stdio.Stdio> =>
  path === fromInput
    ? Effect.flatMap(input, (text) => Effect.fromResult(KeyFile.parse(inputName, text)))
    : KeyFile.read(path)

// ---- standard input, and the terminal ----

const inputName = "standard input"

/** Standard input, which must not be longer than a key file. */
const input = Effect.gen(function* () {
  const { stdin } = yield* Stdio.Stdio
  const pieces = yield* stdin.pipe(
    Stream.mapAccum(
      () => 0,
      (before: number, piece: Uint8Array) =>
        [before + piece.length, [{ piece, length: before + piece.length }]] as const
    ),
    Stream.takeUntil(({ length }) => length > KeyFile.mostBytes),
    Stream.runCollect,
    Effect.mapError(({ message }) => new Keys.KeyError({ path: inputName, reason: message }))
  )
  const bytes = Buffer.concat(pieces.map(({ piece }) => piece))
  if (bytes.length > KeyFile.mostBytes) return yield* new Keys.KeyError({ path: inputName, reason: KeyFile.tooLong })
  return bytes.toString("utf8")
})

const phraseFromInput = Effect.fnUntraced(function* (json: boolean) {
  const { stdinIsTerminal } = yield* Stdio.Stdio
  if (!(yield* stdinIsTerminal)) return yield* ofPhrase(Redacted.make(yield* input), inputName)
  if (yield* canAsk(json)) return yield* ask
  return yield* new Keys.KeyError({
    path: inputName,
    reason: "the phrase cannot be asked for while standard output is not for a person: write it into a pipe"
  })
})

/** The last way to a phrase, or what a person can do. */
const asked = Effect.fnUntraced(function* (json: boolean) {
  return (yield* canAsk(json)) ? yield* ask : yield* new Keys.KeyError({ path: "", reason: noKey })
})

const noKey = `there is no key: take the phrase that "mrsync send" shows, with --phrase WORDS or as MRSYNC_PHRASE;
or copy catcher.key, which "mrsync keygen" makes on the master, to ~/.config/mrsync or /etc/mrsync, or say --key FILE;
or, on a network whose machines you trust, say --insecure on both sides`

const canAsk = Effect.fnUntraced(function* (json: boolean) {
  const { stdinIsTerminal, stdoutIsTerminal } = yield* Stdio.Stdio
  return !json && (yield* stdinIsTerminal) && (yield* stdoutIsTerminal)
})

// Loaded where it is asked: most keys are in files.
const prompt = Effect.promise(() => import("effect/cli/Prompt"))

/** Asks without an echo, and again while the phrase is too weak. Ctrl-C interrupts. */
const ask = Effect.gen(function* () {
  const { Hidden, run } = yield* prompt
  const validate = (phrase: string) => {
    const reason = Phrase.weaknessOf(Phrase.normal(phrase))
    return reason === undefined ? Effect.succeed(phrase) : Effect.fail(reason)
  }
  const phrase = yield* Effect.catchTag(
    run(Hidden({ message: 'The phrase that "mrsync send" shows', validate })),
    "QuitError",
    () => Effect.interrupt
  )
  return yield* ofPhrase(phrase, "")
})
