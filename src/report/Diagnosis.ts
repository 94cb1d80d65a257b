/**
 * What `mrsync doctor` has seen, of this machine and of each catcher, and what it makes of that: observations are facts, findings
 * are conclusions from them alone.
 */

import * as Schema from "effect/Schema"
import * as Fields from "./Fields.ts"

/** How a rule of the firewall treats a datagram: "MayDrop" where that hangs on what cannot be known here. */
export const Firewall = Schema.Struct({
  verdict: Fields.oneOf(["Passes", "MayDrop", "Drops"], "what the rules do to it"),
  where: Fields.text("the chain and table that decide; empty where none does")
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
  hasCarrier: Fields.maybe(Fields.flag("something is at the other end of its cable")),
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

/** A finding as one sentence after the other. */
export const sentenceOf = ({ means, mend, seen }: Pick<Finding, "seen" | "means" | "mend">): string =>
  `${seen}: ${means}${mend === undefined ? "" : `. ${mend}`}`

/** What the doctor has to say in the end; `Line` adds the time and how it ended. */
export const Diagnosis = Schema.Struct({
  _tag: Schema.tag("Diagnosis"),
  here: Here.annotateKey({ description: "this machine" }),
  findings: Fields.list(Finding, "what was found, the worst first")
}).annotate({ description: "The outcome of `mrsync doctor`." })
/** What the doctor has to say in the end; `Line` adds the time and how it ended. */
export type Diagnosis = typeof Diagnosis.Type
