/** Metadata that `mrsync send` is asked to change on the way: --chmod, --chown, --usermap and --groupmap. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Accounts from "../system/Accounts.ts"
import * as Chmod from "../tree/Chmod.ts"
import * as Owners from "../tree/Owners.ts"
import type { Wished } from "../tree/Wished.ts"
import { UsageError } from "./Status.ts"

/** The options as they are given. */
export interface Described {
  readonly chmod: ReadonlyArray<string>
  readonly chown: string | undefined
  readonly usermap: string | undefined
  readonly groupmap: string | undefined
  readonly noPerms: boolean
  readonly executability: boolean
  readonly noOwner: boolean
  readonly noGroup: boolean
  readonly noTimes: boolean
  readonly omitDirTimes: boolean
  readonly omitLinkTimes: boolean
}

/** What they ask for; names are those of this machine. */
export const wishedOf = Effect.fn("Describing.wishedOf")(function* (input: Described) {
  const numbers = yield* Accounts.numbers
  const numberOf =
    (table: Accounts.Table): Owners.NumberOf =>
    (name) => {
      const number = /^\d+$/.test(name) ? Number(name) : numbers(table, name)
      if (number !== undefined && number <= Owners.mostOwner) return Result.succeed(number)
      if (number !== undefined)
        return Result.fail(`${name} is no number of a user or group: ${Owners.mostOwner} at most`)
      const kind = table === "passwd" ? "user" : "group"
      return Result.fail(
        `there is no ${kind} "${name}" on this machine, where names are looked up; a number does as well`
      )
    }
  return yield* Effect.fromResult(wished(input, numberOf("passwd"), numberOf("group")))
})

/** What of the metadata catchers leave as it is. */
export const leftOf = (input: Described) => ({
  leavesMode: input.noPerms,
  leavesOwner: input.noOwner,
  leavesGroup: input.noGroup,
  leavesTimes: input.noTimes,
  leavesDirectoryTimes: input.omitDirTimes,
  leavesLinkTimes: input.omitLinkTimes,
  carriesExecutability: input.executability
})

const wished = (
  { chmod, chown, groupmap, noGroup, noOwner, usermap }: Described,
  userOf: Owners.NumberOf,
  groupOf: Owners.NumberOf
): Result.Result<Wished, UsageError> =>
  Result.gen(function* () {
    const modes: Array<Chmod.Change> = []
    for (const text of chmod) modes.push(...(yield* named("chmod", text, Chmod.parse(text, process.umask()))))
    const [user, group = "", ...rest] = (chown ?? "").split(":")
    if (chown !== undefined && (user + group === "" || rest.length > 0))
      return yield* named("chown", chown, Result.fail("expected USER:GROUP, USER or :GROUP, each a name or a number"))
    if (noOwner && (user !== "" || usermap !== undefined)) return yield* contrary("--no-owner", "--chown and --usermap")
    if (noGroup && (group !== "" || groupmap !== undefined))
      return yield* contrary("--no-group", "--chown and --groupmap")
    const one = (text: string, map: string | undefined, of: Owners.NumberOf) =>
      map !== undefined && text !== ""
        ? Result.fail("--usermap and --groupmap say it already: give one of them")
        : text === ""
          ? Result.succeed<Owners.Owners>([])
          : Result.map(of(text), Owners.all)
    const users = yield* named("chown", chown ?? "", one(user, usermap, userOf))
    const groups = yield* named("chown", chown ?? "", one(group, groupmap, groupOf))
    return {
      modes,
      users: usermap === undefined ? users : yield* named("usermap", usermap, Owners.parse(usermap, userOf)),
      groups: groupmap === undefined ? groups : yield* named("groupmap", groupmap, Owners.parse(groupmap, groupOf))
    }
  })

const contrary = (one: string, others: string) =>
  Result.fail(new UsageError({ command: "send", reason: `${one} contradicts ${others}: give one of them` }))

const named = <A>(option: string, text: string, parsed: Result.Result<A, string>): Result.Result<A, UsageError> =>
  Result.mapError(parsed, (reason) => new UsageError({ command: "send", reason: `--${option} "${text}": ${reason}` }))
