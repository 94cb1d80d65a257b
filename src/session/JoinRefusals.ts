/** Why a catcher is not taken in, in words for people. */
import type { Address } from "../protocol/Address.ts"
import type { Refusal } from "../protocol/Words.ts"

export const words: Readonly<Record<Refusal, string>> = {
  NotListed: "its name is not on the master's list of hosts",
  NameTaken: "another catcher has the same name; start it with --id and a name of its own",
  Full: "the session takes in no more catchers: all its slots are taken, or too many have joined and answered no question",
  TooOften: "it has joined this session too often already, or twice without an answer to a question",
  Started: "it was given up in this session",
  Returning:
    "a catcher of its name on its host is in the session: if that was its earlier life, it is taken in as soon as that is given up; if not, start it with --id and a name of its own"
}

/** Is it refused only as long as another one holds its name? */
export const isNameHeld = (refusal: Refusal): boolean => refusal === "NameTaken" || refusal === "Returning"

/** The same words, with the address of the catcher that has the name, where there is one. */
export const reasonOf = (refusal: Refusal, holder: Address | undefined): string =>
  isNameHeld(refusal) && holder !== undefined ? `${words[refusal]} (${holder} has it)` : words[refusal]

/** Are those the words of such a refusal? */
export const isHeldReason = (reason: string): boolean =>
  [words.NameTaken, words.Returning].some((held) => reason.startsWith(held))
