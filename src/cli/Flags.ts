/** The options of all commands, each with its text for --help. */
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { repairs } from "../protocol/file/Planner.ts"
import * as Limits from "../protocol/Limits.ts"
import { transports } from "./Machine.ts"
import * as Parse from "./Parse.ts"

const settle = <A>(option: string, value: string, parsed: Result.Result<A, string>) =>
  Result.match(parsed, {
    onFailure: (expected) => Effect.fail(new CliError.InvalidValue({ option, value, expected, kind: "flag" })),
    onSuccess: (a) => Effect.succeed(a)
  })

/** An option with a value, parsed by one of Parse's functions; undefined when it is not given. */
export const parsed = <A>(
  name: string,
  options: {
    readonly alias?: string
    readonly metavar: string
    readonly description: string
    readonly parse: (text: string) => Result.Result<A, string>
  }
): Flag.Flag<A | undefined> => {
  const flag = Flag.String(name).pipe(
    Flag.withMetavar(options.metavar),
    Flag.withDescription(options.description),
    Flag.mapEffect((text) => settle(name, text, options.parse(text)))
  )
  return orUndefined(options.alias === undefined ? flag : Flag.withAlias(flag, options.alias))
}

export const orUndefined = <A>(flag: Flag.Flag<A>): Flag.Flag<A | undefined> =>
  flag.pipe(Flag.optional, Flag.map(Option.getOrUndefined))

/** An option without a value; giving it twice changes nothing. */
export const given = (name: string, description: string, alias?: string): Flag.Flag<boolean> =>
  Flag.map(counted(name, description, alias), (times) => times > 0)

/** How often an option without a value is given. */
const counted = (name: string, description: string, alias?: string): Flag.Flag<number> => {
  const flag = Flag.Boolean(name).pipe(Flag.withoutNegation, Flag.withDescription(description))
  return (alias === undefined ? flag : Flag.withAlias(flag, alias)).pipe(
    Flag.atMost(Number.MAX_SAFE_INTEGER),
    Flag.map((times) => times.filter((one) => one).length)
  )
}

/** All values of an option that may be given often. */
const each = (name: string, metavar: string, description: string, alias?: string): Flag.Flag<ReadonlyArray<string>> => {
  const flag = Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description))
  return Flag.atMost(alias === undefined ? flag : Flag.withAlias(flag, alias), Number.MAX_SAFE_INTEGER)
}

/** Options of how a command talks. */
export const talk = {
  verbose: given("verbose", "Tell more", "v"),
  quiet: given("quiet", "Tell errors only (with --json: the last line only)", "q"),
  json: given("json", "Print one JSON object a line on standard output; the last says how it ended"),
  noProgress: given("no-progress", "No live view on a terminal, lines only")
}

/** The page to watch, and the figures; an option without a value is one with an empty one (see Arguments). */
const web = parsed("web", {
  metavar: "[ADDR:PORT]",
  description:
    "Serve a page to watch it: --web or --web=ADDR:PORT (this machine alone, a free port; the address is told)",
  parse: Parse.listening
})
const metrics = parsed("metrics", {
  metavar: "ADDR:PORT",
  description: "Serve figures for Prometheus at http://ADDR:PORT/metrics, to everybody",
  parse: Parse.listening
})

/** Options of commands that can be watched. */
const watching = { web, metrics }

/** The network, for send and catch alike. */
export const place = {
  group: parsed("group", {
    metavar: "ADDR[:PORT]",
    description: `Multicast group and port (${Parse.defaultGroup.group}:${Parse.defaultGroup.port})`,
    parse: Parse.group
  }).pipe(Flag.map((group) => group ?? Parse.defaultGroup)),
  network: Flag.String("interface").pipe(
    Flag.withMetavar("NAME|ADDR"),
    Flag.withDescription("Network interface (that of the default route)"),
    orUndefined
  ),
  transport: Flag.Literals("transport", transports).pipe(
    Flag.withMetavar("KIND"),
    Flag.withDescription("How datagrams reach the kernel: auto, offload (Linux with koffi) or datagram (auto)"),
    Flag.withDefault("auto")
  )
}

/** How a session is protected; `file` is the key file that is looked for. */
export const protection = (file: string) => ({
  key: Flag.String("key").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(
      `A key file (-: standard input; $MRSYNC_KEY, then ${file} in ~/.config/mrsync or /etc/mrsync)`
    ),
    orUndefined
  ),
  phrase: Flag.Redacted("phrase").pipe(
    Flag.withMetavar("WORDS"),
    Flag.withDescription("Instead of key files the same words on both sides (-: asked for; $MRSYNC_PHRASE)"),
    orUndefined
  ),
  insecure: given("insecure", "In the open, where all machines are trusted: without keys, and said on both sides")
})

const timeoutMillis = (description: string) =>
  parsed("timeout", { metavar: "SECONDS", description, parse: Parse.timeout }).pipe(
    Flag.map((millis) => millis ?? Limits.defaultTimeoutMillis)
  )

export const defaultWait = Limits.defaultWaitMillis / 1000
const defaultTimeout = Limits.defaultTimeoutMillis / 1000
const pageRange = `${Limits.minPageBytes} to ${Limits.maxPageBytes}; ${Limits.defaultPageBytes}`
const catchersRange = `1 to ${Limits.slots}`
const lossRange = `0 to ${Parse.maxLossPercent}`

export const hosts = Flag.String("hosts").pipe(
  Flag.withMetavar("LIST|@FILE"),
  Flag.withDescription(
    "Begin when exactly these catchers have joined, refuse others: a,node[01-64] (@FILE: a list a line)"
  ),
  orUndefined
)

const repair = Flag.Literals("repair", repairs).pipe(
  Flag.withMetavar("HOW"),
  Flag.withDescription("How lost pages are made good: resend, parity, or auto: what is cheaper (auto)"),
  Flag.withDefault("auto")
)

export const ttl = parsed("ttl", {
  metavar: "N",
  description: "Routers that datagrams may pass, plus one (0: this machine; 1: this network; 1)",
  parse: Parse.ttl
}).pipe(Flag.map((ttl) => ttl ?? Limits.defaultTtl))

/** What of the sources is sent, with rsync's names and meaning. */
const chosen = {
  exclude: each(
    "exclude",
    "PATTERN",
    "Leave out what matches; the first rule that matches decides, in the order given"
  ),
  include: each("include", "PATTERN", "Do not leave out what matches, whatever later rules say"),
  filter: each("filter", "RULE", "A filter rule, as '- *.o', '+ */', '. FILE' or ': .rules'", "f"),
  excludeFrom: each("exclude-from", "FILE", "Patterns to exclude, one a line (-: standard input)"),
  includeFrom: each("include-from", "FILE", "Patterns to include, one a line (-: standard input)"),
  rsyncFilter: counted(
    "rsync-filter",
    "Rules from files .rsync-filter in the tree and above it; twice: leave out these files as well",
    "F"
  ),
  cvsExclude: given(
    "cvs-exclude",
    "Leave out what CVS ignores, after all other rules: *.o, *~, .git/ and the like",
    "C"
  ),
  filesFrom: Flag.String("files-from").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(
      "Send the paths in SOURCE that FILE lists, and what is in those that end with a slash (-: standard input)"
    ),
    orUndefined
  ),
  recursive: given("recursive", "With --files-from: all below a listed directory (else that is so anyway)", "r"),
  from0: given("from0", "Names and rules in files end with a NUL byte, not with the line", "0"),
  maxBytes: parsed("max-size", {
    metavar: "SIZE",
    description: "Leave out larger files: 10M is 10 MiB, 10MB is decimal",
    parse: Parse.fileSize
  }),
  minBytes: parsed("min-size", {
    metavar: "SIZE",
    description: "Leave out smaller files",
    parse: Parse.fileSize
  }),
  oneFileSystem: counted(
    "one-file-system",
    "Leave out what is mounted below a SOURCE; twice: also the directories where it is mounted",
    "x"
  ),
  copyLinks: given("copy-links", "Send that to which a symbolic link leads", "L"),
  copyUnsafeLinks: given("copy-unsafe-links", "The same of a link that leads out of what is sent"),
  safeLinks: given("safe-links", "Leave out symbolic links that lead out of what is sent"),
  pruneEmptyDirs: given("prune-empty-dirs", "Leave out directories in which there are no files", "m")
}

const text = (name: string, metavar: string, description: string): Flag.Flag<string | undefined> =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), orUndefined)

/** Metadata that is sent in place of the sources' own. */
const described = {
  chmod: each("chmod", "CHMOD", "Change modes on the way as chmod does, D: of directories, F: of all else (Dg+s,Fo-w)"),
  chown: text("chown", "USER:GROUP", "All belongs to USER and GROUP, or to one of them (USER, :GROUP)"),
  usermap: text(
    "usermap",
    "FROM:TO,...",
    "Users stand for others: FROM is a name, a number, LOW-HIGH or *; names are those of this machine"
  ),
  groupmap: text("groupmap", "FROM:TO,...", "The same for groups"),
  xattrs: given(
    "xattrs",
    "Extended attributes are carried: those of users, and where master and catcher run as root all but the system's",
    "X"
  ),
  acls: given("acls", "ACLs are carried", "A"),
  fakeSuper: given(
    "fake-super",
    "Read SOURCE's owners, modes and devices as rsync or catch --fake-super has kept them"
  ),
  archiveAll: given("archive-all", "All that an installed system has: -X -A, and what is carried anyway"),
  noPerms: given("no-perms", "Modes are not carried: what is there keeps its own, what is new goes by umask"),
  executability: given("executability", "With --no-perms: whether a file can be executed is carried all the same", "E"),
  noOwner: given("no-owner", "Owners are not carried: what arrives belongs to the catcher's user"),
  noGroup: given("no-group", "Groups are not carried"),
  noTimes: given("no-times", "Times are not carried: of a file of another time the content is compared"),
  omitDirTimes: given("omit-dir-times", "Times of directories are not carried", "O"),
  omitLinkTimes: given("omit-link-times", "Times of symbolic links are not carried", "J"),
  noLinks: given("no-links", "Symbolic links are not sent"),
  noSpecials: given("no-specials", "FIFOs and sockets are not sent"),
  noDevices: given("no-devices", "Devices are not sent"),
  noD: given("no-D", "Neither of both is sent"),
  noHardLinks: given("no-hard-links", "Each name of a file with several arrives as a file of its own")
}

/** What catchers are sent. */
const comparison = {
  checksum: given(
    "checksum",
    "Compare contents instead of times: of files of one size both sides hash the content",
    "c"
  ),
  ignoreTimes: given("ignore-times", "Send every file, also what a catcher has with the same size and time", "I"),
  sizeOnly: given("size-only", "A file of the same size is taken for the same, whatever its time"),
  wholeFile: given("whole-file", "Send large files whole, also where a catcher has an older version", "W"),
  fuzzy: given("fuzzy", "Of a large file that is not there, a similar one beside it may be an older version", "y"),
  windowSeconds: parsed("modify-window", {
    alias: "@",
    metavar: "SECONDS",
    description: "Times that differ by no more are taken for equal (0; -1: nanoseconds count)",
    parse: Parse.window
  }).pipe(Flag.map((seconds) => seconds ?? 0)),
  update: given("update", "A file that is newer at a catcher stays", "u"),
  existing: given("existing", "Nothing is made at a catcher that is not there"),
  ignoreExisting: given("ignore-existing", "What is there at a catcher stays as it is"),
  delete: given("delete", "Delete at catchers what the source does not have, at the end, when all has arrived"),
  maxDelete: parsed("max-delete", {
    metavar: "N",
    description: "Delete no more than so many names at a catcher",
    parse: Parse.deletions
  }),
  deleteExcluded: given("delete-excluded", "Delete also what filter rules leave out (implies --delete)"),
  ignoreErrors: given(
    "ignore-errors",
    "With --delete: delete also where the source could not be read whole, or a file has not arrived"
  ),
  dryRun: given(
    "dry-run",
    "Change nothing: tell what each catcher lacks, how much that is, and how much once for all",
    "n"
  ),
  itemizeChanges: given("itemize-changes", "Tell each change at each catcher, in rsync's letters", "i"),
  backup: given("backup", "Keep what is replaced or deleted at catchers, under its name with a suffix", "b"),
  backupDir: parsed("backup-dir", {
    metavar: "DIR",
    description: "Keep it in this directory below DEST instead, under its path (implies --backup)",
    parse: Parse.backupDirectory
  }),
  suffix: parsed("suffix", {
    metavar: "SUFFIX",
    description: "The suffix of --backup (~, and none with --backup-dir)",
    parse: Parse.suffix
  }),
  inplace: given("inplace", "Write a large file where it stands at a catcher: no room is needed twice"),
  preallocate: given("preallocate", "At catchers take the room of a whole large file before its content comes"),
  fsync: given("fsync", "At catchers a file is there only when the disk has it (slower)"),
  force: given("force", "A file may take the place of a directory that is not empty (--delete implies it)")
}

export const send = {
  ...place,
  ...protection("master.key"),
  ...comparison,
  ...chosen,
  ...described,
  catchers: parsed("catchers", {
    metavar: "N",
    description: `Begin when so many catchers have joined (${catchersRange}; 1)`,
    parse: Parse.catchers
  }),
  hosts,
  waitMillis: parsed("wait", {
    metavar: "SECONDS",
    description: `How long to wait for catchers to join; too few by then is an error (${defaultWait}, or as long as --at-most)`,
    parse: Parse.seconds
  }),
  atLeast: parsed("at-least", {
    metavar: "N",
    description: "So many are enough when --wait ends, or after --at-most (all; with --at-most 1)",
    parse: Parse.catchers
  }),
  atMostMillis: parsed("at-most", {
    metavar: "SECONDS",
    description: "Then begin with those that have joined; without --catchers and --hosts as many as come",
    parse: Parse.seconds
  }),
  timeoutMillis: timeoutMillis(`Silence after which a catcher counts as lost (${defaultTimeout})`),
  bwlimit: parsed("bwlimit", {
    metavar: "RATE",
    description: "Send no faster: 500mbit, 1.5gbit, 60MB, 10MiB; a plain number is bytes per second",
    parse: Parse.rate
  }),
  repair,
  pageBytes: parsed("page-size", {
    metavar: "BYTES",
    description: `Content per datagram, fixed (${pageRange}, or less where a path is narrower)`,
    parse: Parse.pageBytes
  }),
  ttl,
  ...talk,
  ...watching,
  sources: Argument.String("SOURCE").pipe(
    Argument.withDescription('What to send; "DIR/" is what is in DIR, "DIR" is DIR itself'),
    Argument.variadic({ min: 1 })
  )
}

export const catching = {
  ...place,
  ...protection("catcher.key"),
  id: parsed("id", {
    metavar: "NAME",
    description: `This catcher's name, ${Limits.nameBytes} bytes at most (the host's name)`,
    parse: Parse.name
  }),
  protect: each(
    "protect",
    "PATTERN",
    "Let no master touch what matches, nor what is in it; '+ PATTERN': an exception (or --exclude)"
  ),
  protectFrom: each("protect-from", "FILE", "Such patterns, one a line (or --exclude-from)"),
  noDelete: given("no-delete", "Let no master delete anything"),
  maxDelete: parsed("max-delete", {
    metavar: "N",
    description: "Let no master delete more than so many names in a session",
    parse: Parse.deletions
  }),
  fsync: given("fsync", "A file is there only when the disk has it, whatever the master asks for"),
  fakeSuper: given(
    "fake-super",
    "Keep in extended attributes what only root can set: owners, modes and devices (as rsync --fake-super)"
  ),
  noPartial: given("no-partial", "Keep nothing of a large file that has not arrived whole"),
  partialDir: parsed("partial-dir", {
    metavar: "DIR",
    description:
      "Keep what has arrived of a large file in DIR, in each directory or, from / on, in one (beside it, .NAME.mrsync-partial)",
    parse: Parse.partialDirectory
  }),
  serve: given("serve", "Stay for session after session, until interrupted"),
  logFile: parsed("log-file", {
    metavar: "FILE",
    description: "Append to FILE what is said, too; with --serve SIGHUP opens it anew",
    parse: Parse.file
  }),
  onStart: parsed("on-start", {
    metavar: "COMMAND",
    description:
      "Run by sh before a session changes anything in DEST; when it fails, nothing of that session is done here",
    parse: Parse.command
  }),
  onComplete: parsed("on-complete", {
    metavar: "COMMAND",
    description:
      "Run by sh when the outcome is known (MRSYNC_STATE), before the master is told; its failure is reported",
    parse: Parse.command
  }),
  waitMillis: parsed("wait", {
    metavar: "SECONDS",
    description: `How long to wait for a master before it ends (${defaultWait}; with --serve forever)`,
    parse: Parse.seconds
  }),
  timeoutMillis: timeoutMillis(
    `Silence of the master after which it ends, or with --serve looks for another (${defaultTimeout})`
  ),
  ...talk,
  metrics,
  destination: Argument.String("DEST").pipe(
    Argument.withDescription("Directory to receive into; made when it is not there")
  )
}

export const keygen = {
  show: Flag.String("show").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(
      "Make nothing; say of a key file which it is, and its master's fingerprint (-: standard input)"
    ),
    orUndefined
  ),
  directory: Argument.String("DIR").pipe(
    Argument.withDescription("Where the files go; made when it is not there (~/.config/mrsync)"),
    Argument.optional
  )
}

export const demo = {
  loss: parsed("loss", {
    metavar: "PERCENT",
    description: `Datagrams to lose on purpose, for each catcher (${lossRange}; 2)`,
    parse: Parse.loss
  }).pipe(Flag.map((percent) => percent ?? 2)),
  ...talk,
  directory: Argument.String("DIR").pipe(
    Argument.withDescription("The tree to send (the node_modules that the program is installed with)"),
    Argument.optional
  )
}

const number = (
  name: string,
  metavar: string,
  description: string,
  parse: (text: string) => Result.Result<number, string>,
  otherwise: number
) => parsed(name, { metavar, description, parse }).pipe(Flag.map((value) => value ?? otherwise))

export const simulate = {
  catchers: number("catchers", "N", `Catchers (${catchersRange}; 10)`, Parse.catchers, 10),
  sizeBytes: number("size", "BYTES", "One file of this size (0 to 1GiB; 32MiB)", Parse.size, 32 * 1024 * 1024),
  pageBytes: number(
    "page-size",
    "BYTES",
    `Content per datagram (${pageRange})`,
    Parse.pageBytes,
    Limits.defaultPageBytes
  ),
  lossPercent: number(
    "loss",
    "PERCENT",
    `Datagrams lost, for each catcher and both ways (${lossRange}; 1)`,
    Parse.loss,
    1
  ),
  bytesPerSecond: number(
    "rate",
    "RATE",
    "What the master's link carries: 1gbit, 60MB (1gbit)",
    Parse.rate,
    125_000_000
  ),
  delayMillis: number(
    "delay",
    "MILLISECONDS",
    `How long a datagram travels one way (0 to ${Parse.maxDelayMillis}; 1)`,
    Parse.delay,
    1
  ),
  seed: number(
    "seed",
    "S",
    `Another seed, another run; the same seed, the same run (0 to ${Parse.maxSeed}; 1)`,
    Parse.seed,
    1
  ),
  slow: number("slow", "K", "So many of the catchers have a bad link (0)", Parse.some, 0),
  slowLossPercent: parsed("slow-loss", {
    metavar: "PERCENT",
    description: `Datagrams lost on a bad link (${lossRange}; ${Parse.badLossPercent}, with --slow-rate as on the others)`,
    parse: Parse.loss
  }),
  slowBytesPerSecond: parsed("slow-rate", {
    metavar: "RATE",
    description: "What a bad link carries: 10mbit (as the others)",
    parse: Parse.rate
  }),
  crash: number("crash", "K", "So many of the catchers crash at some time, and start again (0)", Parse.some, 0),
  repair,
  web,
  speed: parsed("speed", {
    metavar: "N",
    description: `With --web: so many times as fast as it would be (${Parse.speeds.least} to ${Parse.speeds.most}; 1)`,
    parse: Parse.speed
  }),
  verbose: given("verbose", "List every catcher", "v"),
  json: given("json", "Print one JSON object, all catchers in it")
}
