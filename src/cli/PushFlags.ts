/** The options of `push`, each with its text for --help. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Limits from "../protocol/Limits.ts"
import * as Flags from "./Flags.ts"
import * as Parse from "./Parse.ts"

const { catchers: _catchers, insecure: _insecure, key: _key, phrase: _phrase, ...sending } = Flags.send
const defaultFanout = 32
const defaultConnectMillis = 10_000

/** Those of `send`, but for keys and the number of catchers, and how hosts are reached. */
export const push = {
  ...sending,
  group: Flags.parsed("group", {
    metavar: "ADDR[:PORT]",
    description: `Multicast group and port (drawn for each session: 239.255.x.x, and a port from ${Limits.drawnPorts.first} to ${Limits.drawnPorts.last})`,
    parse: Parse.group
  }),
  hosts: Flag.String("hosts").pipe(
    Flag.withMetavar("LIST|@FILE"),
    Flag.withDescription("More hosts, as in HOSTS:DEST, which may then be :DEST (@FILE: a list a line)"),
    Flags.orUndefined
  ),
  all: Flags.given("all", "To all hosts or to none: where one cannot be reached, nothing is sent"),
  rsh: Flag.String("rsh").pipe(
    Flag.withAlias("e"),
    Flag.withMetavar("COMMAND"),
    Flag.withDescription("How a host is reached: ssh with its options, or any command that runs a command there (ssh)"),
    Flag.withDefault("ssh")
  ),
  fanout: Flags.parsed("fanout", {
    metavar: "N",
    description: `Hosts that are being reached at one time (${defaultFanout})`,
    parse: Parse.fanout
  }).pipe(Flag.map((hosts) => hosts ?? defaultFanout)),
  connectMillis: Flags.parsed("connect-timeout", {
    metavar: "SECONDS",
    description: `How long a host may take to be reached (${defaultConnectMillis / 1000})`,
    parse: Parse.seconds
  }).pipe(Flag.map((millis) => millis ?? defaultConnectMillis)),
  remoteProgram: Flag.String("remote-program").pipe(
    Flag.withMetavar("PATH"),
    Flag.withDescription("The program on the hosts, as their shell takes it: 'sudo mrsync' (mrsync)"),
    Flags.orUndefined
  ),
  install: Flags.given(
    "install",
    "Bring the program to hosts that do not have it, as one file below ~/.cache/mrsync, once (needs npm run build:binary)"
  ),
  waitMillis: Flags.parsed("wait", {
    metavar: "SECONDS",
    description: `How long to wait for hosts; then it begins with those that are there (${Flags.defaultWait}, and --connect-timeout for each --fanout of hosts)`,
    parse: Parse.seconds
  }),
  atLeast: Flags.parsed("at-least", {
    metavar: "N",
    description: "So many hosts have to be there (1)",
    parse: Parse.catchers
  }),
  atMostMillis: Flags.parsed("at-most", {
    metavar: "SECONDS",
    description: "Then begin with those that are there",
    parse: Parse.seconds
  }),
  sources: Argument.String("SOURCE... HOSTS:DEST").pipe(
    Argument.withDescription("What to send, as with send; and at last where to: web[01-40],admin@cache1:/srv/www"),
    Argument.variadic({ min: 1 })
  )
}
