/** Where the commands find their keys. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Path from "node:path"
import * as KeyFile from "../seal/KeyFile.ts"
import * as Keys from "../seal/Keys.ts"
import { Machine } from "./Machine.ts"

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
  return Path.join(Path.isAbsolute(configuration) ? configuration : Path.join(homeDirectory, ".config"), "mrsync")
})

/** Reads a key file; `-` is standard input. */
export const read = (path: string): Effect.Effect<Keys.Key, Keys.KeyError, Stdio.Stdio> =>
  path === "-" ? Effect.flatMap(input, (text) => Effect.fromResult(KeyFile.parse(inputName, text))) : KeyFile.read(path)

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
