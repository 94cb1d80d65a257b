/** `mrsync keygen`: makes a pair of key files, or says whose a key file is. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "node:path"
import * as KeyFile from "../seal/KeyFile.ts"
import * as Keys from "../seal/Keys.ts"
import * as Format from "./Format.ts"
import * as Keyring from "./Keyring.ts"
import { Screen } from "./Screen.ts"
import { UsageError } from "./Status.ts"

export interface Input {
  readonly directory: Option.Option<string>
  /** A key file, `-` for standard input. */
  readonly show: string | undefined
}

const usage = (reason: string) => new UsageError({ command: "keygen", reason })

export const keygen = Effect.fn("cli.keygen")(function* ({ directory, show }: Input) {
  const screen = yield* Screen
  const say = (line: string) => screen.print("out", Format.safe(line))
  if (show !== undefined) {
    if (Option.isSome(directory)) return yield* usage("--show makes no keys: give it without DIR")
    const { _tag, keys } = yield* Keyring.read(show)
    say(`kind: ${_tag === "Master" ? "master.key, for the master alone" : "catcher.key, for every catcher"}`)
    return say(`fingerprint: ${Keys.fingerprint(keys.publicKey)}`)
  }
  if (Option.contains(directory, "")) return yield* usage('DIR is empty: for the directory you are in, say "."')
  const usual = yield* Keyring.directory
  const place = Option.getOrElse(directory, () => usual)
  const keys = yield* Keys.generate
  const { catcher, master } = yield* KeyFile.write(place, keys)
  const key = Path.resolve(place) === Path.resolve(usual) ? "" : ` (send --key ${master})`
  say(`wrote ${master} and ${catcher}`)
  say(`fingerprint: ${Keys.fingerprint(keys.publicKey)}`)
  say(`Copy ${catcher} to each machine that is to receive, as ~/.config/mrsync/catcher.key or /etc/mrsync/catcher.key.`)
  say(`Keep ${master} on the machine that sends${key}, and show it to nobody: it is what the others obey.`)
})
