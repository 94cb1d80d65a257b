/** Why a catcher is not taken in, in words for people. */
import type { Refusal } from "../protocol/Words.ts"

export const words: Readonly<Record<Refusal, string>> = {
  NotListed: "its name is not on the master's list of hosts",
  NameTaken: "another catcher has the same name; start it with --id and a name of its own",
  Full: "the session has no room for more catchers",
  TooOften: "it has joined this session too often already, or twice without an answer to a question",
  Started: "it was given up in this session",
  Returning:
    "a catcher of its name on its host is in the session: if that was its earlier life, it is taken in as soon as that is given up; if not, start it with --id and a name of its own"
}

/** Is it refused only as long as another one holds its name? */
export const isNameHeld = (refusal: Refusal): boolean => refusal === "NameTaken" || refusal === "Returning"

const heldReasons: ReadonlySet<string> = new Set([words.NameTaken, words.Returning])

/** Are those the words of such a refusal? */
export const isHeldReason = (reason: string): boolean => heldReasons.has(reason)
