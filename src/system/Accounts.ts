/**
 * Users and groups of this machine, by their names. Node knows none of them: the program getent asks wherever the system would, and
 * without it the system's own files are read.
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { Programs } from "./Programs.ts"

/** The system's tables. */
export type Table = "passwd" | "group"

/** A directory service that does not answer is not waited for longer. */
const patienceMillis = 10_000

/** Finds the number of a name; undefined: there is no such name. */
export const numbers = Effect.map(Programs, (path) => (table: Table, name: string): number | undefined => {
  if (name.startsWith("-")) return undefined
  // none of our variables: one of them may be a phrase
  const run = spawnSync("getent", [table, name], {
    env: { PATH: path },
    encoding: "utf8",
    timeout: patienceMillis
  })
  const isThere = run.error === undefined && run.status !== null
  const listed = isThere
    ? run.stdout
    : Result.getOrElse(
        Result.try(() => fs.readFileSync(`/etc/${table}`, "utf8")),
        () => ""
      )
  const [, , number] =
    listed
      .split("\n")
      .map((line) => line.split(":"))
      .find(([own]) => own === name) ?? []
  return number !== undefined && /^\d+$/.test(number) ? Number(number) : undefined
})
