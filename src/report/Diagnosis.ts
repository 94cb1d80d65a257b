/**
 * What `mrsync doctor` has seen, of this machine and of each catcher, and what it makes of that: observations are facts, findings
 * are conclusions from them alone.
 */

import * as Schema from "effect/Schema"
import * as Fields from "./Fields.ts"

/** How a rule of the firewall treats a datagram: "MayDrop" where that hangs on what cannot be known here. */
export const Firewall = Schema.Struct({
  verdict: Fields.oneOf(["Passes", "MayDrop", "Drops"], "what the rules do to it"),
  where: Fields.text("the chain and table that decide; empty where none does"),
  longerThan: Fields.maybe(
    Fields.count("only packets of more bytes than that, as they are when they are glued together")
  )
})
/** How a rule of the firewall treats a datagram: "MayDrop" where that hangs on what cannot be known here. */
export type Firewall = typeof Firewall.Type

/** This machine and its place in the network, as far as the system tells. */
export const Here = Schema.Struct({
  group: Fields.text("the group's address and port"),
  role: Fields.oneOf(["Master", "Catcher", "Either"], "what this machine is to be"),
  interface: Fields.text("the interface used"),
  address: Fields.text("its IPv4 address"),
  why: Fields.oneOf(["Asked", "DefaultRoute", "OnlyOne"], "why it is used"),
  others: Fields.list(Schema.String, "the machine's other interfaces, with their addresses"),
  mtuBytes: Fields.count("the longest packet that the interface sends whole, in bytes"),
  isLoopback: Fields.flag("nothing leaves this machine"),
  isWireless: Fields.flag("it is Wi-Fi"),
  multicasts: Fields.maybe(Fields.flag("it has the flag MULTICAST")),
  reversePath: Fields.maybe(
    Fields.oneOf(["Strict", "Loose", "Off"], "which senders the system's reverse path filter lets through")
  ),
  bridge: Fields.maybe(
    Schema.Struct({
      snoops: Fields.flag("it looks at who is in which group"),
      queries: Fields.flag("it asks for that")
    }).annotateKey({ description: "where the interface is a bridge of this machine" })
  ),
  receiveBufferBytes: Fields.count("the receive buffer that the system gave, in bytes"),
  offload: Fields.maybe(Fields.text("why there is no segmentation offload; left out where there is")),
  hearsItself: Fields.maybe(Fields.flag("what was sent to the group came back to this machine")),
  unsent: Fields.maybe(Fields.text("why the system sends nothing to the group")),
  otherMaster: Fields.maybe(Fields.text("another master that has the group: its address and port")),
  unread: Fields.maybe(Fields.text("why the firewall's rules could not be read")),
  groupIn: Fields.maybe(Firewall.annotateKey({ description: "what the firewall does to a master's datagrams here" })),
  answersIn: Fields.maybe(Firewall.annotateKey({ description: "what it does to catchers' answers here" })),
  groupOut: Fields.maybe(Firewall.annotateKey({ description: "what it does to what leaves for the group" }))
})
/** This machine and its place in the network, as far as the system tells. */
export type Here = typeof Here.Type

/** Datagrams that were sent at one rate, and what became of them at one catcher. */
export const Step = Schema.Struct({
  bytesPerSecond: Fields.number("the rate at which they were sent"),
  sent: Fields.count("how many"),
  arrived: Fields.maybe(Fields.count("how many arrived; left out where the catcher did not answer"))
})
/** Datagrams that were sent at one rate, and what became of them at one catcher. */
export type Step = typeof Step.Type

/** A long look at one catcher, second by second. */
export const Clock = Schema.Struct({
  seconds: Fields.count("how long it was looked at"),
  sent: Fields.count("datagrams sent to it"),
  arrived: Fields.count("those that arrived"),
  worstSecond: Fields.count("the second in which most were lost"),
  worstLost: Fields.number("the part of them that was lost then, from 0 to 1"),
  silentFromSecond: Fields.maybe(Fields.count("the second from which on it answered no more"))
})
/** A long look at one catcher, second by second. */
export type Clock = typeof Clock.Type

/** A catcher, and the way to it and back. */
export const There = Schema.Struct({
  id: Fields.text("the catcher's name"),
  address: Fields.text("its address and port"),
  receiveBufferBytes: Fields.count("its receive buffer, in bytes"),
  wantedPacketBytes: Fields.count("the packet of the largest page that this machine's interface sends whole"),
  packetBytes: Fields.count("the longest that was tried and arrived, or is taken to"),
  tooLongPacketBytes: Fields.maybe(
    Fields.count("the shortest above it that was tried and never arrived; left out where none was")
  ),
  answerPacketBytes: Fields.maybe(
    Fields.count("the longest packet of an answer that came back; left out where the longest that there are come back")
  ),
  takesGlued: Fields.maybe(Fields.flag("datagrams arrive that the kernel here glued together")),
  steps: Fields.list(Step, "what arrived at one rate after the other"),
  asked: Fields.count("questions that it was asked"),
  answered: Fields.count("those whose answer came back"),
  dropped: Fields.count("datagrams lost in its own buffers"),
  clock: Fields.maybe(Clock.annotateKey({ description: "with --watch" }))
})
/** A catcher, and the way to it and back. */
export type There = typeof There.Type

/** A catcher that is not there, and why. */
export const Away = Schema.Struct({
  id: Fields.text("the catcher's name"),
  address: Fields.maybe(Fields.text("its address and port, where it was heard")),
  reason: Fields.text("why")
})
/** A catcher that is not there, and why. */
export type Away = typeof Away.Type

/** Questions of IGMP that came to this machine. */
export const Queries = Schema.Struct({
  seconds: Fields.number("how long they were listened for"),
  count: Fields.count("how many came"),
  from: Fields.maybe(Fields.text("the address of the last that asked"))
})
/** Questions of IGMP that came to this machine. */
export type Queries = typeof Queries.Type

/** All that was seen of the catchers. */
export const Crowd = Schema.Struct({
  wanted: Fields.maybe(Fields.count("catchers that were waited for; left out where as many as came were")),
  waitedMillis: Fields.number("milliseconds waited for them"),
  catchers: Fields.list(There, "those that came"),
  away: Fields.list(Away, "those that did not come, were refused, or cannot join"),
  queries: Fields.maybe(Queries.annotateKey({ description: "left out where they cannot be heard" })),
  unheardQueries: Fields.maybe(Fields.text("why they cannot be heard"))
})
/** All that was seen of the catchers. */
export type Crowd = typeof Crowd.Type

/** What was found. */
export const Finding = Schema.Struct({
  id: Fields.text("its name in docs/doctor.md"),
  severity: Fields.oneOf(
    ["Stops", "Hinders", "Note"],
    "does it stop a session, make it slower or less certain, or is it only good to know?"
  ),
  catchers: Fields.maybe(
    Fields.list(Schema.String, "the catchers that it is about; left out where it is this machine")
  ),
  seen: Fields.text("what was seen"),
  means: Fields.text("what that means for a session"),
  mend: Fields.maybe(Fields.text("what mends it, where something does"))
})
/** What was found. */
export type Finding = typeof Finding.Type

/** What the doctor has to say in the end; `Line` adds the time and how it ended. */
export const Diagnosis = Schema.Struct({
  _tag: Schema.tag("Diagnosis"),
  here: Here.annotateKey({ description: "this machine" }),
  crowd: Fields.maybe(Crowd.annotateKey({ description: "the catchers, where it was waited for them" })),
  findings: Fields.list(Finding, "what was found, the worst first")
}).annotate({ description: "The outcome of `mrsync doctor`." })
/** What the doctor has to say in the end; `Line` adds the time and how it ended. */
export type Diagnosis = typeof Diagnosis.Type
