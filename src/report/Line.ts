/**
 * The lines of `--json`: one JSON object each, an event or a report with the time at which it was told. `decode` reads a
 * line; docs/events.md lists every line with its fields.
 *
 * ```ts
 * import * as Result from "effect/Result"
 * import { Line } from "mrsync"
 *
 * const line = Line.decode('{"_tag":"Completed","time":"2026-01-31T12:00:00.000Z","id":"c1"}')
 * if (Result.isSuccess(line) && line.success._tag === "Completed") console.log(line.success.id)
 * ```
 */

import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { KeyError } from "../seal/Keys.ts"
import { InterfaceError } from "../system/Interfaces.ts"
import { Diagnosis } from "./Diagnosis.ts"
import * as Errors from "./Errors.ts"
import * as Event from "./Event.ts"
import * as Fields from "./Fields.ts"
import { Report, UnsentReport } from "./Report.ts"
import * as RollOut from "./RollOut.ts"

const time = Schema.DateTimeUtcFromString.annotateKey({
  description: "when it was told: ISO 8601 with milliseconds, UTC"
})
const bytes = { pathBytes: Fields.path.pathBytes }

/** The ways in which a demo fails. */
export const demoKinds = ["File", "Different", "Changed"] as const

const status = Fields.count("the exit status; of one session of `catch --serve`, that which it would be")
const reason = Fields.text("why the status is not 0, in words for a person")

const described = (schema: Schema.Top) => ({ description: Schema.resolveAnnotations(schema)?.description ?? "" })

/** An event with its time. */
const told = <const Of extends Schema.Struct.Fields & { readonly _tag: Schema.Top }>(event: Schema.Struct<Of>) => {
  const { _tag, ...fields } = event.fields
  return Schema.Struct({ _tag: _tag as Of["_tag"], time, ...fields }).annotate(described(event))
}

const outcome = { time, status, reason: Schema.optionalKey(reason) }

const { _tag: reportTag, ...reportFields } = Report.fields
const report = Schema.Struct({ _tag: reportTag, ...outcome, ...reportFields }).annotate(described(Report))

const simulation = Schema.Struct({
  _tag: Schema.tag("Simulation"),
  ...outcome,
  options: RollOut.Options.annotateKey({ description: "the roll-out that was asked for" }),
  ...RollOut.Counted.fields,
  failures: Fields.list(UnsentReport, "as in a report")
}).annotate({ description: "The outcome of `mrsync simulate`." })

const { _tag: diagnosisTag, ...diagnosisFields } = Diagnosis.fields
const diagnosis = Schema.Struct({ _tag: diagnosisTag, ...outcome, ...diagnosisFields }).annotate(described(Diagnosis))

const endedWell = Schema.Struct({ _tag: Schema.tag("Ended"), time, status }).annotate({
  description: "`catch --serve` was told to stop between two sessions."
})

/** An end without a report; `error` is its kind, and the fields after `reason` are of that kind. */
const error = <const Kind extends string, const Known extends Schema.Struct.Fields>(
  kind: Kind,
  known: Known,
  description: string
) =>
  Schema.Struct({
    _tag: Schema.tag("Error"),
    time,
    status,
    error: Schema.Literal(kind).annotateKey({ description: "the kind of error" }),
    reason,
    ...known
  }).annotate({ description })

const known = <const Of extends Schema.Struct.Fields>({ _tag, reason: _reason, ...fields }: Of) => fields

/** No kind is known of what ends a run by a signal, or by a fault in mrsync itself. */
const plainError = Schema.Struct({
  _tag: Schema.tag("Error"),
  time,
  status,
  error: Schema.optionalKey(Schema.Never),
  reason
}).annotate({ description: "Interrupted (20), or a fault in mrsync itself (13)." })

const errors = Schema.Union([
  error(
    "UsageError",
    { command: Schema.optionalKey(Fields.text("the command whose --help says more; empty: the program's does")) },
    "The command line is wrong."
  ),
  error("InterfaceError", known(InterfaceError.fields), "No network interface can be used."),
  error(
    "ServerError",
    known(Errors.ServerError.fields),
    "A page or figures cannot be served where they were asked for."
  ),
  error("TransportError", known(Errors.TransportError.fields), "The network failed."),
  error("SourceError", { ...known(Errors.SourceError.fields), ...bytes }, "A source, or the file of --hosts, failed."),
  error("StoreError", { ...known(Errors.StoreError.fields), ...bytes }, "The destination failed."),
  error(
    "KeyError",
    { ...known(KeyError.fields), ...bytes },
    "No key was found (5), or one that cannot be read (11) or used (5)."
  ),
  error("GroupBusy", known(Errors.GroupBusy.fields), "Another master uses the group."),
  error("AnnounceTimeout", known(Errors.AnnounceTimeout.fields), "Master: too few catchers joined in time."),
  error(
    "HostsUnreachable",
    known(Errors.HostsUnreachable.fields),
    "Master, `push`: on too few hosts a catcher could be started."
  ),
  error("MasterTimeout", known(Errors.MasterTimeout.fields), "Catcher: no master was heard, or it fell silent."),
  error("JoinRefused", known(Errors.JoinRefused.fields), "Catcher: the master refused it."),
  error("SessionAborted", known(Errors.SessionAborted.fields), "Catcher: the master ended the session early."),
  error("HookFailed", known(Errors.HookFailed.fields), "Catcher: what its owner has done before a session went wrong."),
  error("BadManifest", known(Errors.BadManifest.fields), "Catcher: the master's manifest cannot be read."),
  error(
    "DemoError",
    { kind: Fields.oneOf(demoKinds, "a file system failed, the copies differ, or the tree was changed meanwhile") },
    "The demo failed."
  ),
  plainError
])

/** A line of `--json`. */
export const Line = Schema.Union([
  told(Event.Served),
  told(Event.Scanned),
  told(Event.Waiting),
  told(Event.Joined),
  told(Event.Refused),
  told(Event.Unreachable),
  told(Event.Started),
  told(Event.Tick),
  told(Event.FileCompleted),
  told(Event.Itemized),
  told(Event.Foreseen),
  told(Event.Completed),
  told(Event.Lost),
  told(Event.Failed),
  told(Event.Note),
  report,
  simulation,
  diagnosis,
  endedWell,
  ...errors.members
])
/** A line of `--json`. */
export type Line = typeof Line.Type

/** Reads a line of `--json`. Fields that it does not know are left out: a later version may have more. */
export const decode: (line: string) => Result.Result<Line, Schema.SchemaError> = Schema.decodeUnknownResult(
  Schema.fromJsonString(Line)
)

/** A line as it is printed. */
export const encode: (line: Line) => string = Schema.encodeSync(Schema.fromJsonString(Line))
