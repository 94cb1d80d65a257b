/** The outcome of a session. The shape is part of the public interface, and docs/events.md describes it. */

import * as Schema from "effect/Schema"
import * as Fields from "./Fields.ts"

export { exitStatus, exitStatusOf } from "./ExitStatus.ts"

const kinds = ["Unreadable", "Changed"] as const

const reason = Fields.text("why, in words for a person")

/** An entry that did not arrive, and why. */
export const FailureReport = Schema.Struct({ ...Fields.path, reason })
/** An entry that did not arrive, and why. */
export type FailureReport = typeof FailureReport.Type

const failureAtCatcher = Schema.Struct({
  ...FailureReport.fields,
  kind: Schema.optionalKey(Fields.oneOf(kinds, "why the master could not send it; only in a catcher's own report"))
})

/** An entry that the master could not send to anybody, or not as it is. */
export const UnsentReport = Schema.Struct({
  ...FailureReport.fields,
  kind: Fields.oneOf(kinds, "the master could not read it, or it vanished or changed while it was sent"),
  arrived: Schema.optionalKey(
    Schema.Literal(true).annotateKey({
      description: "it arrived, but not as it is now, or is not what the source holds now"
    })
  )
})

/** Why a catcher fell so far behind the others that they did not wait for it. */
export const straggled = Fields.oneOf(
  ["loss", "lost answers", "slow machine", "slow link", "silence"],
  'why the others do not wait for the catcher, which is sent what it lacks after them. "lost answers": pages arrive there, and most of its answers are lost. "slow machine": its buffers overflow, or it takes long to put away what it has'
)

/** How much was changed at a catcher. */
export const changes = {
  created: Fields.count("entries that were not there"),
  updated: Fields.count("entries that were there, and were sent or made anew"),
  described: Fields.count("entries whose mode, owner or time alone was put right"),
  kept: Fields.count("entries that differ, and stay because of --update, --existing or --ignore-existing"),
  deleted: Fields.count("names that were deleted"),
  vetoed: Fields.count(
    "entries that differ, and names to be deleted, that stay because the catcher's owner refuses it"
  ),
  files: Fields.count("files that it lacked"),
  bytes: Fields.count("their bytes")
}

/** What was done to what stood at a catcher. */
export const Changes = Schema.Struct({
  ...changes,
  isForeseen: Schema.optionalKey(
    Schema.Literal(true).annotateKey({
      description:
        "it is what the survey found: the catcher did not come to the end, and what was done there is not known"
    })
  )
})
/** What was done to what stood at a catcher. */
export type Changes = typeof Changes.Type

/** The outcome at one catcher. */
export const CatcherReport = Schema.Struct({
  id: Fields.text("the catcher's name"),
  address: Fields.text("its last address and port; empty where it is Absent or Unreachable"),
  state: Fields.oneOf(
    ["Complete", "Limited", "Partial", "Lost", "Absent", "Unreachable"],
    "Limited: all is there but what the catcher's owner refuses (`vetoed`), and that is no failure. Absent: it is on the list of --hosts, and never came. Unreachable: `push` could not start it on its host"
  ),
  files: Fields.count("regular files, hard links included, that stand under their final names"),
  bytes: Fields.count("their bytes"),
  missingPages: Fields.count(
    "pages that it was found to lack, round by round; in its own report with the answers that were lost"
  ),
  straggled: Fields.maybe(straggled),
  changes: Schema.optionalKey(
    Changes.annotateKey({ description: "what was changed there; in a dry run, what would be" })
  ),
  vetoed: Schema.optionalKey(
    Fields.list(
      FailureReport,
      "what the catcher's owner refused, and by which option: the first of the entries, none in a directory that is listed, and deletions; `changes.vetoed` says how many"
    )
  ),
  failures: Fields.list(failureAtCatcher, "entries that are not there, and why")
})
/** The outcome at one catcher. */
export type CatcherReport = typeof CatcherReport.Type

/** The names that were awaited, and of those whose catchers could not be started the reason. */
interface Awaited {
  readonly hosts: ReadonlySet<string> | undefined
  readonly unreachable: ReadonlyMap<string, string>
}

/** Catchers that were awaited by name and never came: those that are not among the names. */
export const absent = (
  names: ReadonlySet<string>,
  { hosts = new Set(), unreachable }: Awaited
): ReadonlyArray<CatcherReport> =>
  [...hosts]
    .filter((id) => !names.has(id))
    .map((id) => ({
      ...{ id, address: "", files: 0, bytes: 0, missingPages: 0 },
      state: unreachable.has(id) ? "Unreachable" : "Absent",
      failures: [{ path: "", reason: unreachable.get(id) ?? "it did not join" }]
    }))

/** Page datagrams of a session. */
export const Pages = Schema.Struct({
  needed: Fields.count("the files' own pages, of the size that was used last"),
  sent: Fields.count("page datagrams sent (catcher: received), repairs and parity included"),
  repaired: Fields.count("pages sent again, and parity (catcher: pages asked for again)"),
  parity: Fields.count("parity pages alone")
})

/** The parts of a tree, and their bytes. */
export const counts = {
  files: Fields.count("regular files, hard links included"),
  directories: Fields.count("directories"),
  links: Fields.count("symbolic links"),
  specials: Fields.count("FIFOs, sockets and devices"),
  bytes: Fields.count("bytes of all regular files")
}

/** How a session ended: at a master for all catchers, at a catcher for itself. */
export const Report = Schema.Struct({
  _tag: Schema.tag("Report"),
  session: Fields.text("the session's id, 16 hexadecimal digits"),
  sealed: Schema.Boolean.annotateKey({
    description: "false: the session was in the open, and anybody could read and forge it"
  }),
  fingerprint: Fields.maybe(Fields.text("of the master's key, where the session was sealed")),
  seconds: Fields.number("seconds since the session began, without the waiting"),
  ...counts,
  selected: Schema.optionalKey(
    Schema.Struct({
      files: Fields.count("files that some catcher lacked, each counted once"),
      bytes: Fields.count("their bytes")
    }).annotateKey({ description: "what was to be sent, where catchers were asked what they lack (master)" })
  ),
  isDryRun: Schema.optionalKey(Schema.Literal(true).annotateKey({ description: "nothing was changed (--dry-run)" })),
  foreseen: Schema.optionalKey(
    Schema.Struct({
      oneByOneBytes: Fields.count("bytes of as many transfers as there are catchers, each with what its catcher lacks"),
      rate: Schema.optionalKey(Fields.number("bytes per second, where --bwlimit gives them")),
      seconds: Schema.optionalKey(Fields.number("how long it takes at that rate to send once what is `selected`")),
      oneByOneSeconds: Schema.optionalKey(Fields.number("how long the transfers one by one take at that rate"))
    }).annotateKey({ description: "what would be sent (master, --dry-run); `selected` is that once for all" })
  ),
  pages: Pages.annotateKey({ description: "page datagrams" }),
  sentBytes: Schema.optionalKey(
    Fields.count("bytes of pages sent, lists, repairs and parity included (master); `bytes` by them is rsync's speedup")
  ),
  catchers: Fields.list(CatcherReport, "every catcher; in a catcher's own report, itself alone"),
  skipped: Fields.count(
    "entries that nobody is sent: of another type, or not finished by a catcher that had the source as its DEST"
  ),
  failures: Fields.list(UnsentReport, "entries that the master could not send to anybody, or (arrived) not as they are")
}).annotate({
  description:
    "The outcome of a session: of all catchers (master), or of this one (catcher). At the master, `files` and `bytes` are what it could send, and a catcher that has all of that is `Complete`. A catcher that misses only what nobody was sent says `Partial` of itself, and its failures have the `kind` that the master's have; both end with the same status."
})
/** How a session ended: at a master for all catchers, at a catcher for itself. */
export type Report = typeof Report.Type

/** How a session was protected. */
export type Protected = Pick<Report, "sealed" | "fingerprint">
