/** The outcome of a roll-out that was simulated: what `mrsync simulate` counts and tells. */
import * as Schema from "effect/Schema"
import * as Fields from "./Fields.ts"
import { CatcherReport, Pages } from "./Report.ts"

/** The outcome at one catcher. */
export const Fate = Schema.Struct({
  id: Fields.text("the catcher's name"),
  state: CatcherReport.fields.state,
  seconds: Fields.maybe(
    Fields.number("virtual seconds from the first page until the file had its name there; left out where it never had")
  ),
  missingPages: Fields.count("pages that it asked for again"),
  peakBufferBytes: Fields.count("bytes in its receive buffer at the fullest"),
  dropped: Fields.count("datagrams that this buffer had no room for"),
  starts: Fields.count("times that its program was started")
})
/** The outcome at one catcher. */
export type Fate = typeof Fate.Type

/** Counts of the whole roll-out. */
export const Counted = Schema.Struct({
  isStuck: Fields.flag("the session came to no end within the time that such a session may take"),
  pages: Pages.annotateKey({ description: "page datagrams, as in a report; zeros without one" }),
  ratio: Fields.number("pages sent for each one needed"),
  rounds: Fields.count("questions for missing pages, each counted once, however often it was asked"),
  seconds: Fields.number("virtual seconds from the first page to the last word"),
  answers: Fields.count("datagrams from catchers that reached the master"),
  peakBufferBytes: Fields.count("bytes in the fullest receive buffer"),
  peakBufferOf: Fields.text('the catcher with that buffer, or "master"'),
  dropped: Fields.count("datagrams that a receive buffer had no room for"),
  queueDropped: Fields.count("datagrams that the queue before a slow link had no room for"),
  catchers: Fields.list(Fate, "every catcher")
})
/** Counts of the whole roll-out. */
export type Counted = typeof Counted.Type

/** The roll-out that was asked for. */
export const Options = Schema.Struct({
  catchers: Fields.count("catchers"),
  sizeBytes: Fields.count("bytes of the file"),
  pageBytes: Fields.count("content bytes of a page"),
  lossPercent: Fields.number("percentage of datagrams lost"),
  bytesPerSecond: Fields.number("bytes per second of the master's link"),
  delayMillis: Fields.number("milliseconds that a datagram travels one way"),
  seed: Fields.count("the seed"),
  slow: Fields.count("catchers with a bad link"),
  slowLossPercent: Fields.maybe(Fields.number("percentage lost on a bad link")),
  slowBytesPerSecond: Fields.maybe(Fields.number("bytes per second of a bad link")),
  crash: Fields.count("catchers that crash and start again"),
  repair: Fields.oneOf(["auto", "resend", "parity"], "how lost pages are made good")
})
