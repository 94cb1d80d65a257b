/**
 * What can end a session, one tagged error a phase, each with what a person needs to act. Errors of the rooms below
 * (TransportError, StoreError, DestinationEscape, SourceError, SourceChanged, FilterError) are defined there and re-exported here.
 */

import * as Schema from "effect/Schema"
import { type Address, portOf } from "../protocol/Address.ts"
import * as Limits from "../protocol/Limits.ts"
import * as Fields from "./Fields.ts"

export { TransportError } from "../transport/Transport.ts"
export { DestinationEscape, StoreError } from "../store/Store.ts"
export { FilterError, SourceChanged, SourceError } from "../source/Source.ts"

/** A catcher that takes no part, and why. */
const Turned = Schema.Struct({
  id: Fields.text("the catcher's name"),
  address: Fields.text("its address and port"),
  reason: Fields.text("why, in words for a person")
})

/** Another master that had the group during the wait. */
const OtherMaster = Schema.Struct({
  address: Fields.text("its address and port"),
  sinceMillis: Fields.number("milliseconds from the beginning of the wait until it was heard"),
  forMillis: Fields.number("milliseconds for which it had the group")
})

/** Where it was waited, and where it was not: a person may have meant another network. */
const place = {
  unsent: Fields.maybe(Fields.text("why the system sends nothing of ours, where it sent nothing at the end")),
  where: Fields.maybe(Fields.text("the group, and the interface used")),
  others: Fields.maybe(Fields.list(Schema.String, "the machine's other interfaces")),
  causes: Fields.maybe(
    Fields.list(Schema.String, "what `mrsync doctor` finds on this machine that would be the reason")
  )
}

/** Names in a sentence. */
const namedInSentence = 5

const some = <A>(all: ReadonlyArray<A>, words: (one: A) => string): string => {
  const named = all.slice(0, namedInSentence).map(words)
  return (all.length > named.length ? [...named, `${all.length - named.length} more`] : named).join(", ")
}

/** Then it is of no use to look elsewhere. */
const stuck = (reason: string): string => `: nothing leaves this machine: ${reason}`

const elsewhere = ({ others = [] }: { readonly others?: ReadonlyArray<string> | undefined }): string =>
  others.length === 0 ? "" : `. Other interfaces of this machine, for --interface: ${some(others, (one) => one)}`

/** What the doctor found, where nobody was heard at all. */
const found = ({ causes = [] }: { readonly causes?: ReadonlyArray<string> | undefined }): string =>
  causes.length === 0 ? `. "mrsync doctor" looks for the reason` : `. On this machine ${causes.join(". And ")}`

/** Announce: too few catchers joined in time. */
export class AnnounceTimeout extends Schema.TaggedError<AnnounceTimeout>()("AnnounceTimeout", {
  joined: Fields.count("catchers that have joined"),
  wanted: Fields.count("catchers that were waited for"),
  absent: Fields.list(Schema.String, "names of the list of --hosts that did not come"),
  refused: Fields.maybe(Fields.list(Turned, "catchers that came, and were not taken in")),
  lost: Fields.maybe(Fields.list(Turned, "catchers that joined, and were lost")),
  otherMasters: Fields.maybe(Fields.list(OtherMaster, "other masters that had the group meanwhile")),
  strangers: Fields.maybe(Fields.list(Schema.String, "catchers that cannot join, and why")),
  waitedMillis: Fields.number("milliseconds waited"),
  local: Fields.maybe(Fields.text("the address and port to which catchers answer")),
  ...place
}) {
  override get message() {
    const { absent, joined, local, lost = [], otherMasters = [], refused = [], waitedMillis, wanted, where } = this
    const { strangers = [] } = this
    const turned = ({ address, id, reason }: (typeof refused)[number]) => `${id} (${address}): ${reason}`
    const waited = ({ address, forMillis, sinceMillis }: (typeof otherMasters)[number]) =>
      `another master (${address}) had the group for ${tenths(forMillis)} s of that, from ${tenths(sinceMillis)} s on`
    const seen = [
      ...(otherMasters.length > 0 ? [some(otherMasters, waited)] : []),
      ...(strangers.length > 0 ? [some(strangers, (words) => words)] : []),
      ...(refused.length > 0 ? [`refused: ${some(refused, turned)}`] : []),
      ...(lost.length > 0 ? [`lost: ${some(lost, turned)}`] : []),
      ...(absent.length > 0 ? [`absent: ${some(absent, (name) => name)}`] : [])
    ]
    const what = `${joined} of ${wanted} ${wanted === 1 ? "catcher" : "catchers"} joined within ${waitedMillis / 1000} s`
    const place = where === undefined ? "" : ` on ${where}`
    if (this.unsent !== undefined) return `${what}${place}${stuck(this.unsent)}`
    // with nobody at all there is nothing to go on with
    const without = joined > 0 ? `, or go on without them with --at-least ${joined}` : ""
    const wall = local === undefined ? "" : `. They answer by UDP to ${local}: a firewall here must let that in`
    return `${[what + place, ...seen].join("; ")}: start "mrsync catch DEST" on those that are missing, on the same group and network, or wait longer with --wait${without}${wall}${elsewhere(this)}${this.isUnheard ? found(this) : ""}`
  }
  /** Did nobody come at all? Then the reason may lie here. */
  get isUnheard() {
    const { joined, lost = [], refused = [], strangers = [], unsent } = this
    return joined + lost.length + refused.length + strangers.length === 0 && unsent === undefined
  }
}

/** Seconds, to a tenth. */
const tenths = (millis: number): number => Math.round(millis / 100) / 10

/** Announce: on too few hosts a catcher could be started, and no more can come. */
export class HostsUnreachable extends Schema.TaggedError<HostsUnreachable>()("HostsUnreachable", {
  hosts: Fields.count("hosts of the list"),
  least: Fields.count("hosts that were to take part at least"),
  unreachable: Fields.list(
    Schema.Struct({ id: Turned.fields.id, reason: Turned.fields.reason }),
    "hosts on which none could be started, and why"
  )
}) {
  override get message() {
    const { hosts, least, unreachable } = this
    const reasons = some(unreachable, ({ id, reason }) => `${id}: ${reason}`)
    if (unreachable.length === hosts)
      return `${hosts === 1 ? "the host cannot" : `none of ${hosts} hosts can`} be reached: ${reasons}`
    const wanted = least === hosts ? "all are asked for (--all or --at-least)" : `${least} are asked for (--at-least)`
    return `${unreachable.length} of ${hosts} hosts cannot be reached, and ${wanted}: nothing was sent: ${reasons}`
  }
}

/** Announce: another master uses the group, and has not ended when the wait did. */
export class GroupBusy extends Schema.TaggedError<GroupBusy>()("GroupBusy", {
  address: Fields.text("the other master's address and port"),
  waitedMillis: Fields.number("milliseconds waited"),
  sinceMillis: Fields.number("milliseconds from the beginning of the wait until it was heard")
}) {
  override get message() {
    const heard = this.sinceMillis < 1000 ? "" : ` (heard from ${tenths(this.sinceMillis)} s on)`
    return `another master (${this.address}) uses this group${heard}, and did not end within ${this.waitedMillis / 1000} s: wait longer with --wait, or choose another group with --group`
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

/** Survey: nobody answered it. */
export class SurveyTimeout extends Schema.TaggedError<SurveyTimeout>()("SurveyTimeout", {}) {
  override get message() {
    return "no catcher answered the survey: all are lost"
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

/** A master that was heard by a catcher that looked for one. */
const Heard = Schema.Struct({
  address: Fields.text("its address and port"),
  announcements: Fields.count("announcements heard from it"),
  joins: Fields.count("joins sent to it"),
  isOver: Fields.flag("it has ended its session")
})

/** A catcher heard no master, or heard it no more. */
export class MasterTimeout extends Schema.TaggedError<MasterTimeout>()("MasterTimeout", {
  master: Fields.maybe(Fields.text("the master's address and port, where this catcher was in its session")),
  waitedMillis: Fields.number("milliseconds waited"),
  before: Fields.maybe(Fields.text("how the last session ended that this catcher had joined, before it began")),
  heard: Fields.maybe(Fields.list(Heard, "masters that were heard, and took this catcher into no session")),
  strangers: Fields.maybe(Fields.list(Schema.String, "masters that cannot be joined, and why")),
  sessionMillis: Fields.maybe(Fields.number("milliseconds that the master's session had gone on")),
  pushed: Fields.maybe(Fields.flag("push had started this catcher, so that its master was there")),
  ...place
}) {
  override get message() {
    const { before, heard = [], master, pushed, sessionMillis = 0, strangers = [], waitedMillis, where } = this
    const seconds = waitedMillis / 1000
    const place = where === undefined ? "" : ` on ${where}`
    if (master !== undefined) {
      const hint = sessionMillis < Limits.membershipMillis ? "" : `. ${membershipHint}`
      return `the master ${master} was silent for ${seconds} s: it died, or the network parts us; unfinished files were removed${hint}`
    }
    if (this.unsent !== undefined) return `no session began within ${seconds} s${place}${stuck(this.unsent)}`
    if (before !== undefined) return `no session began within ${seconds} s: ${before}`
    const met = [...heard.map(unanswered), ...strangers]
    if (met.length > 0) return `no session began within ${seconds} s${place}: ${some(met, (words) => words)}`
    const advice = 'start "mrsync send" on the same group and network, or wait longer with --wait'
    const why = pushed === true ? "multicast does not come from the master to this machine" : advice
    return `no master was heard within ${seconds} s${place}: ${why}${elsewhere(this)}${found(this)}`
  }
  /** Was no master heard at all? Then the reason may lie here. */
  get isUnheard() {
    const { before, heard = [], master, strangers = [], unsent } = this
    return [master, before, unsent].every((one) => one === undefined) && heard.length + strangers.length === 0
  }
}

const unanswered = ({ address, announcements, isOver, joins }: typeof Heard.Type): string => {
  const said = `the master ${address} was heard (${announcements} announcements)`
  return isOver
    ? `${said}, and ended its session`
    : `${said} and did not answer, though we asked ${joins} times to join: ${hearsNothing(address)}`
}

/** Why a master may not hear a catcher. */
export const hearsNothing = (address: Address): string =>
  `something keeps our datagrams from it, such as a firewall there that does not let in UDP from here to port ${portOf(address)}`

/** Multicast that ends after some minutes. */
export const membershipHint =
  "When that comes minutes after the beginning, a switch forgets who is in the group: switch on its IGMP querier, or its snooping off"

/** The master took this catcher not in. */
export class JoinRefused extends Schema.TaggedError<JoinRefused>()("JoinRefused", {
  master: Fields.text("the master's address and port"),
  reason: Schema.String
}) {
  override get message() {
    return `the master ${this.master} refused this catcher: ${this.reason}`
  }
}

/** The master ended the session before its end. */
export class SessionAborted extends Schema.TaggedError<SessionAborted>()("SessionAborted", {
  master: Fields.text("the master's address and port"),
  reason: Schema.String
}) {
  override get message() {
    return `the master ${this.master} ended the session: ${this.reason}`
  }
}

/** What a catcher's owner has done around a session went wrong. [F-12] */
export class HookFailed extends Schema.TaggedError<HookFailed>()("HookFailed", {
  hook: Fields.oneOf(["on-start", "on-complete"], "before anything was changed, or when the outcome was known"),
  reason: Schema.String
}) {
  override get message() {
    return `${this.hook} failed: ${this.reason}`
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

/** A page or figures cannot be served where they were asked for. */
export class ServerError extends Schema.TaggedError<ServerError>()("ServerError", {
  option: Fields.text("the option that asked for it"),
  host: Fields.text("the address"),
  port: Fields.count("the port"),
  code: Fields.text("as the system names it"),
  reason: Schema.String
}) {
  override get message() {
    const { host, option, port, reason } = this
    return `${option}: nothing can be served at ${host}:${port}: ${reason}; say another address of this machine, or another port (0: any that is free)`
  }
}
