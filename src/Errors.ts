/**
 * What can end a session, one tagged error a phase, each with what a person needs to act. Errors of the rooms below
 * (TransportError, StoreError, DestinationEscape, SourceError, SourceChanged) are defined there and re-exported here.
 */
import * as Schema from "effect/Schema"

export { TransportError } from "./transport/Transport.ts"
export { DestinationEscape, StoreError } from "./store/Store.ts"
export { SourceChanged, SourceError } from "./store/Source.ts"

/** Announce: too few catchers joined in time. */
export class AnnounceTimeout extends Schema.TaggedError<AnnounceTimeout>()("AnnounceTimeout", {
  joined: Schema.Number,
  wanted: Schema.Number,
  /** Names that were awaited and did not come (with a list of hosts). */
  absent: Schema.Array(Schema.String),
  waitedMillis: Schema.Number
}) {
  override get message() {
    const who = this.absent.length > 0 ? ` (absent: ${this.absent.join(", ")})` : ""
    // with nobody at all there is nothing to go on with
    const without = this.joined > 0 ? ", or go on without them with --at-least ${this.joined}" : ""
    return `${this.joined} of ${this.wanted} catchers joined within ${this.waitedMillis / 1000} s${who}: start "mrsync catch DEST" on them, on the same group and network, or wait longer with --wait${without}`
  }
}

/** Announce: another master uses the group, and went on doing so for the whole wait. */
export class GroupBusy extends Schema.TaggedError<GroupBusy>()("GroupBusy", {
  address: Schema.String,
  waitedMillis: Schema.Number
}) {
  override get message() {
    const seconds = this.waitedMillis / 1000
    return `another master (${this.address}) uses this group, and did not end within ${seconds} s: wait longer with --wait, or choose another group with --group`
  }
}

/** Open barrier: nobody answered it. */
export class OpenBarrierTimeout extends Schema.TaggedError<OpenBarrierTimeout>()("OpenBarrierTimeout", {
  file: Schema.Number
}) {
  override get message() {
    return `no catcher answered the open barrier of file ${this.file}: all are lost`
  }
}

/** Missing rounds: everybody was lost in them. */
export class RoundsExhausted extends Schema.TaggedError<RoundsExhausted>()("RoundsExhausted", {
  file: Schema.Number
}) {
  override get message() {
    return `no catcher completed file ${this.file}: all are lost`
  }
}

/** Close: everybody was lost before the commit. */
export class CloseTimeout extends Schema.TaggedError<CloseTimeout>()("CloseTimeout", {
  file: Schema.Number
}) {
  override get message() {
    return `no catcher committed file ${this.file}: all are lost`
  }
}

/** A catcher heard no master, or heard it no more. */
export class MasterTimeout extends Schema.TaggedError<MasterTimeout>()("MasterTimeout", {
  /** The master's address, when one was heard. */
  master: Schema.optional(Schema.String),
  waitedMillis: Schema.Number,
  /** How the last session ended that this catcher had joined, while its master still gathered. */
  before: Schema.optional(Schema.String)
}) {
  override get message() {
    const seconds = this.waitedMillis / 1000
    if (this.before !== undefined) return `no session began within ${seconds} s: ${this.before}`
    return this.master === undefined
      ? `no master was heard within ${seconds} s: start "mrsync send" on the same group and network, or wait longer with --wait`
      : `the master ${this.master} was silent for ${seconds} s: it died, or the network parts us; unfinished files were removed`
  }
}

/** The master took this catcher not in. */
export class JoinRefused extends Schema.TaggedError<JoinRefused>()("JoinRefused", {
  master: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `the master ${this.master} refused this catcher: ${this.reason}`
  }
}

/** The master ended the session before its end. */
export class SessionAborted extends Schema.TaggedError<SessionAborted>()("SessionAborted", {
  master: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `the master ${this.master} ended the session: ${this.reason}; nothing unfinished was kept`
  }
}

/** What the master sent as manifest is none. */
export class BadManifest extends Schema.TaggedError<BadManifest>()("BadManifest", {
  reason: Schema.String
}) {
  override get message() {
    return `the master's manifest cannot be read: ${this.reason}; use the same version of mrsync on both sides`
  }
}
