/** The options of `mrsync doctor`, each with its text for --help. */
import * as Flag from "effect/cli/Flag"
import * as Limits from "../protocol/Limits.ts"
import * as Flags from "./Flags.ts"
import * as Parse from "./Parse.ts"

export const doctor = {
  ...Flags.place,
  ...Flags.protection("master.key"),
  catchers: Flags.parsed("catchers", {
    metavar: "N",
    description: `Wait for so many catchers, and look at the way to each (1 to ${Limits.slots}; this machine alone)`,
    parse: Parse.catchers
  }),
  hosts: Flags.hosts,
  waitMillis: Flags.parsed("wait", {
    metavar: "SECONDS",
    description: `How long to wait for catchers (${Limits.defaultWaitMillis / 1000}); without --catchers and --hosts as many as come by then`,
    parse: Parse.seconds
  }),
  watchMillis: Flags.parsed("watch", {
    metavar: "SECONDS",
    description: "Then look at them for so long: a switch that forgets the group does so after minutes (not at all)",
    parse: Parse.seconds
  }).pipe(Flag.map((millis) => millis ?? 0)),
  bwlimit: Flags.parsed("bwlimit", {
    metavar: "RATE",
    description: "Try no higher rate: 500mbit, 60MB (1gbit)",
    parse: Parse.rate
  }),
  ttl: Flags.ttl,
  json: Flags.talk.json
}
