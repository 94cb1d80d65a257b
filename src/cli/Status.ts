/**
 * How a run ends: the one place that decides the exit status, and the errors that only the command line knows.
 */
import * as Cause from "effect/Cause"
import type * as CliError from "effect/cli/CliError"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Catcher from "../catcher/Catcher.ts"
import type * as Master from "../master/Master.ts"
import type { ServerError } from "../report/Errors.ts"
import { isWell } from "../report/ExitStatus.ts"
import type { CatcherReport, Report } from "../report/Report.ts"
import { exitStatus } from "../report/Report.ts"
import type { KeyError } from "../seal/Keys.ts"
import type { InterfaceError } from "../system/Interfaces.ts"
import * as Format from "./Format.ts"
import * as Usage from "./Usage.ts"

/** What was asked for cannot be done as it was asked. */
export class UsageError extends Schema.TaggedError<UsageError>()("UsageError", {
  /** The command whose --help says more; empty: the program's does. */
  command: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
  /** Where there is more. */
  get hint() {
    return `Try "${`mrsync ${this.command}`.trim()} --help".`
  }
}

/** The session came to its end, and something did not arrive somewhere. `status` is the report's. */
export class Incomplete extends Schema.TaggedError<Incomplete>()("Incomplete", {
  status: Schema.Number,
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

/** Names in a one-line message. */
const namedCatchers = 5

/** Cells that a path may take in a message. */
const pathColumns = 120

/** Why a session that came to its end was no success. */
export const reportReason = (report: Report, role: "Send" | "Catch"): string => {
  const unsent = report.failures.filter(({ arrived }) => arrived !== true)
  const aged = report.failures.length - unsent.length
  const [first] = role === "Catch" ? (report.catchers[0]?.failures ?? []) : report.failures
  const where =
    first === undefined || first.path === "" ? ": " : `, the first: ${Format.fit(first.path, pathColumns)}: `
  const example = first === undefined ? "" : `${where}${first.reason}`
  if (role === "Catch") {
    // of the tree as a whole the reason says all
    if (first?.path === "") return first.reason
    const count = report.catchers[0]?.failures.length ?? 0
    return `${Format.plural(count, "entry", "entries")} of the tree ${count === 1 ? "is" : "are"} not as at the source${example}`
  }
  const parts = [
    incompleteReason(report.catchers, unsent.length),
    ...(aged > 0 ? [`${Format.plural(aged, "file")} arrived, but not as ${aged === 1 ? "it is" : "they are"}`] : [])
  ].filter((part) => part !== "")
  return `${parts.join("; ")}${example}`
}

export const incompleteReason = (catchers: ReadonlyArray<CatcherReport>, failures: number): string => {
  const incomplete = catchers.filter(({ state }) => !isWell(state))
  const names = incomplete.slice(0, namedCatchers).map((one) => `${Format.name(one.id)} (${one.state.toLowerCase()})`)
  if (incomplete.length > namedCatchers) names.push("...")
  const parts: Array<string> = []
  if (incomplete.length > 0) {
    parts.push(`${incomplete.length} of ${Format.plural(catchers.length, "catcher")} incomplete: ${names.join(", ")}`)
  }
  if (failures > 0) parts.push(`${Format.plural(failures, "entry", "entries")} could not be sent`)
  return parts.join("; ")
}

/** The demo's file system said no, its trees differ, or somebody else changed the one that it sent. */
export class DemoError extends Schema.TaggedError<DemoError>()("DemoError", {
  kind: Schema.Literals(["File", "Different", "Changed"]),
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

export type Failure =
  | Master.Error
  | Catcher.Error
  | InterfaceError
  | KeyError
  | CliError.CliError
  | UsageError
  | ServerError
  | Incomplete
  | DemoError

const usage = () => exitStatus.usage

const statuses: { readonly [E in Failure as E["_tag"]]: (error: E) => number } = {
  TransportError: () => exitStatus.socket,
  InterfaceError: () => exitStatus.socket,
  ServerError: () => exitStatus.socket,
  StoreError: () => exitStatus.file,
  SourceError: () => exitStatus.file,
  KeyError: ({ code }) => (code === undefined ? exitStatus.key : exitStatus.file),
  GroupBusy: () => exitStatus.protocol,
  JoinRefused: () => exitStatus.protocol,
  BadManifest: () => exitStatus.protocol,
  HookFailed: () => exitStatus.file,
  SessionAborted: () => exitStatus.interrupted,
  AnnounceTimeout: () => exitStatus.timeout,
  HostsUnreachable: () => exitStatus.partial,
  MasterTimeout: () => exitStatus.timeout,
  Incomplete: (error) => error.status,
  DemoError: (error) =>
    error.kind === "File" ? exitStatus.file : error.kind === "Changed" ? exitStatus.changed : exitStatus.partial,
  UsageError: usage,
  FilterError: usage,
  UnrecognizedOption: usage,
  DuplicateOption: usage,
  MissingOption: usage,
  MissingArgument: usage,
  UnexpectedArgument: usage,
  InvalidValue: usage,
  UnknownSubcommand: usage,
  ValidationError: usage,
  ShowHelp: usage,
  UserError: usage
}

/** rsync's "errors with program diagnostics": a fault of ours. */
const defect = 13

const ofError = <E extends Failure>(error: E): number =>
  (statuses[error._tag] as unknown as (error: E) => number)(error)

/** What kind of error it is, for programs: whatever was wrong with the command line is one kind. */
export const kindOf = (error: Failure): string => (ofError(error) === exitStatus.usage ? "UsageError" : error._tag)

export const of = (exit: Exit.Exit<unknown, Failure>): number => {
  if (Exit.isSuccess(exit)) return exitStatus.ok
  if (Cause.hasInterruptsOnly(exit.cause)) return exitStatus.interrupted
  return Option.match(Cause.findErrorOption(exit.cause), { onNone: () => defect, onSome: ofError })
}

/** What ended it, in words. */
export const reason = (exit: Exit.Failure<unknown, Failure>): string => {
  if (Cause.hasInterruptsOnly(exit.cause)) return "interrupted"
  return Option.match(Cause.findErrorOption(exit.cause), {
    onNone: () => `this is a fault in mrsync itself, please report it:\n${Cause.pretty(exit.cause)}`,
    onSome: wordsOf
  })
}

/** What to say about it on standard error; undefined when it was said. */
export const message = (exit: Exit.Exit<unknown, Failure>): string | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  // The presenter has said what was wrong with the command line.
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (error?._tag === "ShowHelp") return undefined
  return `mrsync: ${reason(exit)}${error?._tag === "UsageError" ? `\n${error.hint}` : ""}`
}

/** One error as a message. */
export const describe = (error: Failure): string => `mrsync: ${wordsOf(error)}`

// Its lines are ours, what is in them may come from the network.
const wordsOf = (error: Failure): string => {
  const text =
    error._tag !== "ShowHelp"
      ? error.message
      : error.errors.length === 0
        ? "expected a command: send, catch, push, doctor, keygen, demo or simulate"
        : error.errors.map(Usage.explain).join("; ")
  return text.split("\n").map(Format.safe).join("\n")
}
