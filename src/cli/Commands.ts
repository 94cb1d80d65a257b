/** The commands: what they are called, what --help says of them, and where the work is, loaded when it is wanted. */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as DoctorFlags from "./DoctorFlags.ts"
import * as Flags from "./Flags.ts"
import * as PushFlags from "./PushFlags.ts"
import * as LastLine from "./LastLine.ts"
import * as Log from "./Log.ts"

const send = Command.make("send", Flags.send, (input) =>
  Effect.flatMap(
    Effect.promise(() => import("./Send.ts")),
    (module) => module.send(input)
  ).pipe(LastLine.ending(input.json))
).pipe(
  Command.withDescription(
    "The master: sends files and directories to all catchers at once, and exits when they are complete."
  ),
  Command.withShortDescription("The master: send files to all catchers at once"),
  Command.withExamples([
    {
      command: "mrsync send --delete site/",
      description: "Make the first catcher that joins equal to what is in site"
    },
    { command: "mrsync send -n --delete site/", description: "The same, but only tell what would be done" },
    { command: "mrsync send --catchers 12 photos music", description: "Two directories, when 12 catchers have joined" },
    {
      command: "mrsync send --hosts @hosts.txt --bwlimit 500mbit image.raw",
      description: "To exactly the named hosts, slowly"
    },
    {
      command: "mrsync send --hosts @hosts.txt --at-most 60 --at-least 10 data",
      description: "To these; after a minute to those that are there, as soon as they are ten"
    },
    {
      command: "mrsync send --exclude '*.o' --exclude /build/ -C project/",
      description:
        "Without objects, the directory build at the top, and what CVS ignores; rules are rsync's (docs/filters.md)"
    },
    {
      command: "mrsync send --group 239.1.2.3:9000 --interface eth1 data",
      description: "Another group and interface"
    }
  ])
)

const catching = Command.make("catch", Flags.catching, (input) =>
  Effect.flatMap(
    Effect.promise(() => import("./Catch.ts")),
    (module) => module.catching(input)
  ).pipe(LastLine.ending(input.json), Log.logged(input.logFile))
).pipe(
  Command.withDescription(
    "A catcher: waits for a master, receives its files into DEST, verifies them, and exits when they are complete; or with status 30 when it hears no master within --wait, or the master no more for --timeout."
  ),
  Command.withShortDescription("A catcher: receive what a master sends"),
  Command.withExamples([
    { command: "mrsync catch /srv/data", description: "One session, into /srv/data" },
    {
      command: "mrsync catch --serve --protect /etc --no-delete /srv/data",
      description: "Session after session; no master may touch /srv/data/etc, or delete anything"
    },
    {
      command: "mrsync catch --id rack7 --interface eth1 --json /srv/data",
      description: "Under another name, on one interface, for a script"
    }
  ])
)

const push = Command.make("push", PushFlags.push, (input) =>
  Effect.flatMap(
    Effect.promise(() => import("./Push.ts")),
    (module) => module.push(input)
  ).pipe(LastLine.ending(input.json))
).pipe(
  Command.withDescription(
    "The master, and its catchers: starts one on each host over ssh, with a key for this session alone, sends to all at once, and ends them. Hosts that cannot be reached are told, and the others go on."
  ),
  Command.withShortDescription("Start catchers on hosts over ssh, and send to all"),
  Command.withExamples([
    {
      command: "mrsync push --delete site/ 'web[01-40],admin@cache1:/srv/www/'",
      description: "Make /srv/www on 41 hosts equal to what is in site"
    },
    { command: "mrsync push -n --delete site/ @hosts.txt:/srv/www/", description: "Only tell what would be done" },
    {
      command: "mrsync push -e 'ssh -p 2222' --remote-program 'sudo mrsync' etc/ 'db[1-3]:/etc/app'",
      description: "Over another port, and as root there"
    }
  ])
)

const keygen = Command.make("keygen", Flags.keygen, (input) =>
  Effect.flatMap(
    Effect.promise(() => import("./Keygen.ts")),
    (module) => module.keygen(input)
  )
).pipe(
  Command.withDescription(
    "Makes keys: master.key, which a master signs with and nobody else may have, and catcher.key, which every catcher needs. Overwrites nothing."
  ),
  Command.withShortDescription("Make the keys of a master and its catchers"),
  Command.withExamples([
    { command: "mrsync keygen", description: "Into ~/.config/mrsync (or $XDG_CONFIG_HOME/mrsync)" },
    { command: "mrsync keygen --show catcher.key", description: "Which master's it is: its fingerprint" }
  ])
)

const demo = Command.make("demo", Flags.demo, (input) =>
  Effect.flatMap(
    Effect.promise(() => import("./Demo.ts")),
    (module) => module.demo(input)
  ).pipe(LastLine.ending(input.json))
).pipe(
  Command.withDescription(
    "A master and three catchers on this machine, over loopback, with some datagrams lost on purpose: sends a real tree and compares every byte. Needs room for three copies under the directory for temporary files (TMPDIR)."
  ),
  Command.withShortDescription("Try it on this machine: one master, three catchers"),
  Command.withExamples([
    { command: "mrsync demo", description: "The node_modules that mrsync is installed with" },
    { command: "mrsync demo --loss 20 ~/photos", description: "A tree of yours, with every fifth datagram lost" }
  ])
)

const simulate = Command.make("simulate", Flags.simulate, (input) =>
  Effect.flatMap(
    Effect.promise(() => import("./Simulate.ts")),
    (module) => module.simulate(input)
  ).pipe(LastLine.ending(input.json))
).pipe(
  Command.withDescription(
    "Plans a roll-out: the real master and catchers on a network in memory, under virtual time. Says what would be sent, how long it would take, and who would have it all. The same seed gives the same run."
  ),
  Command.withShortDescription("Plan a roll-out: simulate a network and its catchers"),
  Command.withExamples([
    { command: "mrsync simulate", description: "Ten catchers on a gigabit network that loses one per cent" },
    {
      command: "mrsync simulate --catchers 300 --loss 1 --size 32MiB --slow 5 --crash 5",
      description: "Hundreds, of which five have a bad link and five crash"
    },
    {
      command: "mrsync simulate --catchers 20 --rate 20mbit --delay 40 --json",
      description: "A far and narrow link, for a script"
    }
  ])
)

const doctor = Command.make("doctor", DoctorFlags.doctor, (input) =>
  Effect.flatMap(
    Effect.promise(() => import("./Doctor.ts")),
    (module) => module.doctor(input)
  ).pipe(LastLine.ending(input.json))
).pipe(
  Command.withDescription(
    "Looks for what would keep a session from working: at this machine's interface, firewall, buffers and offload, and whether another session has the group; then, with --catchers, --hosts or --wait, at the way to each catcher that joins and back. Catchers are ordinary ones: nothing is written there, and they go on waiting for a master. Each finding says what was seen, what that means and what mends it (docs/doctor.md); exits with 0 when a session would work."
  ),
  Command.withShortDescription("Find out why nobody joins, or why it is slow"),
  Command.withExamples([
    { command: "mrsync doctor", description: "This machine; as root it reads the firewall as well" },
    {
      command: "mrsync doctor --catchers 12",
      description: "And the way to 12 catchers that were started with mrsync catch"
    },
    {
      command: "mrsync doctor --hosts @hosts.txt --watch 300",
      description: "To these; and for five minutes whether the switch goes on forwarding"
    },
    { command: "mrsync doctor --interface eth1 --json", description: "Another interface, for a script" }
  ])
)

export const root = Command.make("mrsync").pipe(
  Command.withDescription("Sends a tree of files to many machines at once over UDP multicast."),
  Command.withExamples([
    { command: "mrsync catch /srv/data", description: "On every machine that is to receive" },
    { command: "mrsync send --catchers 12 photos/", description: "On the machine that has the files, for 12 of them" }
  ]),
  Command.withSubcommands([send, catching, push, doctor, keygen, demo, simulate])
)
