/**
 * Everything that can happen in a session, as Schemas: the types, and what each field means. A line of `--json` is one of
 * them with its time: see `Line`.
 */

import * as Schema from "effect/Schema"
import * as Fields from "./Fields.ts"
import { changes, counts, Report, straggled } from "./Report.ts"

const id = Fields.text("the catcher's name")
const address = Fields.text("its address and port")
const reason = Fields.text("why, in words for a person")

/** How far a catcher is with large files that it reads. */
export const Looking = Schema.Struct({
  bytes: Fields.count("bytes that are read"),
  total: Fields.count("of so many")
})
/** How far a catcher is with large files that it reads. */
export type Looking = typeof Looking.Type

/** One catcher as the master sees it. */
export const CatcherView = Schema.Struct({
  id,
  address,
  state: Fields.oneOf(
    ["Receiving", "Slow", "Complete", "Limited", "Partial", "Lost"],
    "Slow: the others do not wait for it"
  ),
  straggled: Schema.optionalKey(straggled),
  looking: Schema.optionalKey(
    Looking.annotateKey({
      description:
        "it reads large files, and is so far with them: older versions, before the pages come; or before the end what is still to be copied of these, or what was written in place once more"
    })
  ),
  files: Fields.count("files committed there"),
  bytes: Fields.count("bytes held there by its own answers, committed or not"),
  missingPages: Schema.optionalKey(Fields.count("pages that it was found to lack so far, round by round"))
})
/** One catcher as the master sees it. */
export type CatcherView = typeof CatcherView.Type

/** Where the session can be watched. */
export const Served = Schema.Struct({
  _tag: Schema.tag("Served"),
  page: Schema.optionalKey(Fields.text("the address of the page, with its token: keep it to yourself")),
  metrics: Schema.optionalKey(Fields.text("the address of the figures for Prometheus"))
}).annotate({ description: "Both, with --web or --metrics: where the session can be watched." })

/** The tree was read. */
export const Scanned = Schema.Struct({ _tag: Schema.tag("Scanned"), ...counts }).annotate({
  description: "Master: the tree was read."
})

/** A master waits for catchers, a catcher for a master. */
export const Waiting = Schema.Struct({
  _tag: Schema.tag("Waiting"),
  joined: Schema.optionalKey(Fields.count("catchers that have joined (master)")),
  wanted: Schema.optionalKey(Fields.count("catchers to wait for (master); left out where as many as come are")),
  absent: Schema.optionalKey(
    Fields.list(Schema.String, "the first names of the list of --hosts that are missing (master)")
  ),
  leftSeconds: Fields.maybe(
    Fields.number("seconds until fewer catchers are enough, or the waiting ends; left out where it does not")
  )
}).annotate({
  description:
    "Master: it waits for catchers; told again when one comes or goes. Catcher: it waits for a master, without numbers."
})

/** A catcher has joined. */
export const Joined = Schema.Struct({
  _tag: Schema.tag("Joined"),
  id,
  address,
  joined: Fields.count("catchers that have joined"),
  wanted: Schema.optionalKey(Fields.count("catchers to wait for; left out where as many as come are"))
}).annotate({ description: "Master: a catcher has joined." })

/** A join was refused. */
export const Refused = Schema.Struct({ _tag: Schema.tag("Refused"), id, address, reason }).annotate({
  description: "Master: a catcher was refused. Catcher: the master at `address` refused it."
})

/** A catcher could not be started. */
export const Unreachable = Schema.Struct({ _tag: Schema.tag("Unreachable"), id, reason }).annotate({
  description: "Master, `push`: a host's catcher could not be started, or ended before it joined; the others go on."
})

/** The session runs. */
export const Started = Schema.Struct({
  _tag: Schema.tag("Started"),
  session: Fields.text("the session's id, 16 hexadecimal digits"),
  catchers: Fields.count("catchers that take part; at a catcher 1"),
  files: Fields.count("regular files to send"),
  bytes: Fields.count("their bytes")
}).annotate({ description: "Both: the session runs." })

/** What sets the pace of a session. */
export const Limit = Schema.Struct({
  by: Fields.oneOf(
    ["Rate", "Catchers", "Network", "Work", "Master"],
    "Rate: --bwlimit. Catchers: those that are slower than the network. Network: what it carries to all, or to `catchers`. Work: nothing waits to be sent, because the source is read or catchers answer questions. Master: its own machine"
  ),
  share: Fields.number("share of the time that is waited for it, 0 to 1"),
  catchers: Fields.list(Schema.String, "the first names of the catchers that it is about"),
  more: Fields.count("so many more than these"),
  why: Schema.optionalKey(straggled)
})
/** What sets the pace of a session. */
export type Limit = typeof Limit.Type

/** A file on its way. */
export const UnderWay = Schema.Struct({
  path: Fields.text("its path as it is shown; of a bundle that of its first file; empty: a list of the session's own"),
  files: Fields.count("files in it: small ones travel together"),
  bytes: Fields.count("their bytes"),
  state: Fields.oneOf(
    ["Opening", "Streaming", "Finishing", "Closing", "Waiting"],
    "Opening: catchers open it. Streaming: its pages go out. Finishing: what is missing goes out again. Closing: it gets its names. Waiting: only catchers behind the others lack it"
  )
})
/** A file on its way. */
export type UnderWay = typeof UnderWay.Type

/** How far the session is. */
export const Tick = Schema.Struct({
  _tag: Schema.tag("Tick"),
  seconds: Fields.number("seconds since the session began"),
  bytes: Fields.count("bytes of `total` that the catcher holds; at the master, those of the catcher that lacks most"),
  total: Fields.count("bytes that can be sent"),
  files: Fields.count("files that are complete; at the master, at the catcher that has most"),
  sentBytes: Fields.count("bytes of pages sent (catcher: received), repairs included"),
  hashed: Schema.optionalKey(
    Schema.Struct({
      bytes: Fields.count("bytes of files that are hashed"),
      total: Fields.count("of so many")
    }).annotateKey({
      description:
        "where only contents tell what a catcher lacks; at the master what it hashes itself, and then what the catcher does that is furthest behind"
    })
  ),
  looking: Schema.optionalKey(
    Looking.annotateKey({
      description:
        "nothing is done until catchers have read large files: how far the one is that is furthest behind (master)"
    })
  ),
  phase: Fields.oneOf(
    ["Comparing", "Sending", "Repairing", "Finishing", "Finished"],
    "Comparing: it is found out what is lacked. Sending: pages go out for the first time. Repairing: all were sent once, and some catcher lacks some. Finishing: all pages are there, and files get their names. Finished: all is done here, and other catchers are waited for (catcher)"
  ),
  repairedPages: Fields.count("pages sent again, and parity (catcher: pages asked for again)"),
  pages: Schema.optionalKey(Fields.count("page datagrams sent, repairs and parity included (master)")),
  limit: Schema.optionalKey(Limit.annotateKey({ description: "what sets the pace, in the last seconds (master)" })),
  underWay: Schema.optionalKey(Fields.list(UnderWay, "the first of the files that are on their way (master)")),
  catchers: Fields.list(CatcherView, "every catcher (master); empty at a catcher")
}).annotate({ description: "Both: how far the session is, some times a second." })
/** How far the session is. */
export type Tick = typeof Tick.Type

/** A file is complete. */
export const FileCompleted = Schema.Struct({
  _tag: Schema.tag("FileCompleted"),
  id: Schema.optionalKey(Fields.text("the catcher's name; left out at the master, where every catcher is meant")),
  ...Fields.path
}).annotate({
  description:
    "Master: every catcher that is still there has the file. Catcher: the file stands under its final name. In `--json` only with `-v`."
})

/** Something is changed at a catcher. */
export const Itemized = Schema.Struct({
  _tag: Schema.tag("Itemized"),
  catcher: id,
  changes: Fields.text("the letters of `rsync --itemize-changes`, or `*deleting`"),
  ...Fields.path,
  to: Schema.optionalKey(Fields.text("where a symbolic link leads, or the path whose file a hard link is"))
}).annotate({
  description:
    "Master, with --itemize-changes or --dry-run: what is changed at a catcher, or would be; a directory's path ends with a slash."
})

/** What a dry run has found of a catcher. */
export const Foreseen = Schema.Struct({
  _tag: Schema.tag("Foreseen"),
  catcher: id,
  ...changes,
  seconds: Schema.optionalKey(Fields.number("how long these bytes alone would take at the rate that --bwlimit gives"))
}).annotate({
  description:
    "Master, with --dry-run: what a catcher lacks, and what would be changed there. The counts are of what would be done."
})

/** A catcher has everything. */
export const Completed = Schema.Struct({ _tag: Schema.tag("Completed"), id }).annotate({
  description: "Both: this catcher has everything that is to be sent."
})

/** A catcher is lost. */
export const Lost = Schema.Struct({ _tag: Schema.tag("Lost"), id, address, reason }).annotate({
  description: "Master: a catcher is lost, and the session may end without it."
})

/** An entry will not arrive somewhere. */
export const Failed = Schema.Struct({
  _tag: Schema.tag("Failed"),
  ...Fields.path,
  reason,
  catcher: Schema.optionalKey(
    Fields.text("the name of the catcher that does not get it; left out at that catcher, and where nobody gets it")
  )
}).annotate({ description: "Both: an entry will not arrive." })

/** A plain remark. */
export const Note = Schema.Struct({
  _tag: Schema.tag("Note"),
  message: Fields.text("a remark in words for a person: a skipped entry, a smaller buffer than wanted")
}).annotate({ description: "Both: a remark." })

/** Something that happened in a session. The last is the report. */
export const Event = Schema.Union([
  Served,
  Scanned,
  Waiting,
  Joined,
  Refused,
  Unreachable,
  Started,
  Tick,
  FileCompleted,
  Itemized,
  Foreseen,
  Completed,
  Lost,
  Failed,
  Note,
  Report
])
/** Something that happened in a session. The last is the report. */
export type Event = typeof Event.Type

/** The name of a kind of event. */
export type Tag = Event["_tag"]
