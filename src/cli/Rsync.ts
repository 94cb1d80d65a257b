/**
 * Options of rsync that `send` takes for those that are used to them: those that ask for what is done anyway, those that have another name
 * here, and those that are refused with a word on what is done instead. Pure.
 */

/** What becomes of an option: it is left out, because that is done anyway; it has this name here; or it is refused. */
type Meaning = "Idle" | { readonly is: string } | { readonly refused: string }

/** Letters that ask for what is done anyway. */
const idleLetters = "alptgoDHSshP4"

/** Long options that do. */
const idle: ReadonlySet<string> = new Set([
  ...["archive", "links", "perms", "times", "owner", "hard-links", "specials", "devices", "numeric-ids", "sparse"],
  ...["secluded-args", "protect-args", "old-args", "human-readable", "progress", "partial", "stats", "no-motd", "ipv4"],
  ...["inc-recursive", "i-r", "no-inc-recursive", "no-i-r"]
])

/** Options without which rsync is as we are: they may be turned off. */
const off = new Set(["human-readable", "h", "secluded-args", "s", "old-args", "P", "ipv4", "4"])

const noDevices =
  "a device is sent as a device, and made by catchers that run as root; nothing is read from one or written to it"
const lackedOnly =
  "of a large file that has grown or changed no more than catchers lack is sent anyway, and it has its name when it is whole"
const keptThere = "what has arrived of a file is kept at each catcher: say it there, mrsync catch --partial-dir DIR"
const telling = "-v, -i and --json say how much is told"
const noShell = "send uses no remote shell: mrsync push does, and starts the catchers itself"
const noPages = "pages are not compressed: they go over the network once, however many machines receive them"
const noLinks = "no symbolic link at a catcher is followed, and none leads out of DEST"
const onlyDest = "a catcher compares with what is in its DEST, and with nothing else"
const fewer = "DIR is sent with all that is in it; --files-from lists paths without that"
const relative = 'names are relative to SOURCE: "DIR/" is what is in DIR, "DIR" is DIR itself; --files-from lists paths'
const deletedLast = "with --delete it is deleted last, when all has arrived"
const hashes = "files are hashed with BLAKE3"
const noDaemon = "nothing is read from an rsync daemon or sent to one: the group and the keys are --group and --key"
const missing = "a SOURCE that is not there ends the program before anything is sent"
const noBatch = "a session is not recorded: a catcher that comes late is sent what it lacks"
const ends = "stop it with Ctrl-C: what has arrived by then stays"
const rootSets = "owners are set by catchers that run as root"

/** Options that are refused: each with its letter, and what is done instead. */
const refused: Readonly<Record<string, readonly [letter: string, instead: string]>> = {
  compress: ["z", noPages],
  "compress-choice": ["", noPages],
  zc: ["", noPages],
  "compress-level": ["", noPages],
  zl: ["", noPages],
  "compress-threads": ["", noPages],
  zt: ["", noPages],
  "skip-compress": ["", noPages],
  rsh: ["e", noShell],
  "rsync-path": ["", noShell],
  "blocking-io": ["", noShell],
  "remote-option": ["M", `${noShell}, with its own options`],
  super: ["", `${rootSets}, and kept in attributes by catch --fake-super`],
  "copy-as": ["", `start mrsync catch as the user that is to own the files; ${rootSets}`],
  atimes: ["U", "access times are not carried"],
  "open-noatime": ["", "files are read as others read them: mount the source with noatime"],
  crtimes: ["N", "times of creation are not carried"],
  relative: ["R", relative],
  "no-implied-dirs": ["", relative],
  dirs: ["d", fewer],
  "old-dirs": ["", fewer],
  "old-d": ["", fewer],
  "list-only": ["", "-n with a catcher tells what it lacks; nothing is listed without one"],
  mkpath: ["", "catch DEST makes DEST in a directory that is there: make that first"],
  append: ["", lackedOnly],
  "append-verify": ["", lackedOnly],
  "block-size": ["B", "blocks of a large file that has changed are as long as its size asks for"],
  "partial-dir": ["", keptThere],
  "no-partial": ["", keptThere],
  "temp-dir": ["T", "a file is written beside its name, and renamed when it is whole"],
  "delay-updates": ["", "each file has its name when it is whole, and what is to be deleted goes last"],
  "compare-dest": ["", onlyDest],
  "copy-dest": ["", onlyDest],
  "link-dest": ["", onlyDest],
  "copy-dirlinks": ["k", "-L sends what symbolic links lead to, those to directories among them"],
  "keep-dirlinks": ["K", noLinks],
  "insecure-links": ["", noLinks],
  "confine-root": ["", noLinks],
  "munge-links": ["", "symbolic links are sent as they are; --no-links leaves them out"],
  "copy-devices": ["", noDevices],
  "write-devices": ["", noDevices],
  "drop-D": ["", "--no-D leaves FIFOs, sockets and devices out"],
  "checksum-choice": ["", hashes],
  cc: ["", hashes],
  "checksum-seed": ["", hashes],
  "delete-before": ["", deletedLast],
  "delete-during": ["", deletedLast],
  del: ["", deletedLast],
  "remove-source-files": [
    "",
    "no file of the source is removed, because a catcher that comes later may need it: when the report says that all are complete, remove it yourself"
  ],
  "ignore-missing-args": ["", missing],
  "delete-missing-args": ["", missing],
  "max-alloc": ["", "memory is bounded as it is"],
  contimeout: ["", "how long to wait for catchers is --wait SECONDS"],
  info: ["", telling],
  debug: ["", telling],
  stderr: ["", "errors go to standard error, and --json to standard output"],
  outbuf: ["", "each line is written at once"],
  "out-format": ["", telling],
  "log-file": ["", telling],
  "log-file-format": ["", telling],
  "8-bit-output": ["8", "names are shown as UTF-8, and other bytes of them escaped; --json has them all"],
  "password-file": ["", noDaemon],
  "early-input": ["", noDaemon],
  port: ["", noDaemon],
  sockopts: ["", "the sockets have what they need"],
  address: ["", "the network interface is --interface NAME|ADDR"],
  ipv6: ["6", "IPv6 is not supported"],
  "trust-sender": ["", "a catcher checks each entry of the manifest"],
  "stop-after": ["", ends],
  "stop-at": ["", ends],
  "write-batch": ["", noBatch],
  "only-write-batch": ["", noBatch],
  "read-batch": ["", noBatch],
  protocol: ["", "the same version runs on both sides"],
  iconv: ["", "names are bytes, and stay as they are"],
  daemon: ["", "a catcher that stays for session after session is mrsync catch --serve DEST"]
}

/** Other names of ours. */
const same: Readonly<Record<string, string>> = {
  "delete-after": "delete",
  "delete-delay": "delete",
  "ignore-non-existing": "existing",
  "no-o": "no-owner",
  "no-g": "no-group",
  "no-p": "no-perms",
  "no-t": "no-times",
  "no-l": "no-links",
  "no-H": "no-hard-links"
}

/** Negated ones that are refused although the option is done anyway, by their names without "no-". */
const always: Readonly<Record<string, string>> = {
  recursive: fewer,
  r: fewer,
  "numeric-ids": "numbers of users and groups travel, the same for all catchers",
  sparse: "holes stay holes, and long runs of zeros become holes",
  S: "holes stay holes, and long runs of zeros become holes"
}

const byLetter = new Map([...Object.values(refused), ["w", refused["contimeout"][1]] as const])

/** What a letter is to send, where it is no option of its own. */
export const letter = (one: string): Meaning | undefined => {
  const instead = byLetter.get(one)
  if (instead !== undefined) return { refused: instead }
  return idleLetters.includes(one) ? "Idle" : undefined
}

/** What a long option is to send, where it is no option of its own. */
export const long = (word: string): Meaning | undefined => {
  const name = /^--([^=]+)/.exec(word)?.[1]
  if (name === undefined) return undefined
  if (Object.hasOwn(same, name)) return { is: `--${same[name]}` }
  if (Object.hasOwn(refused, name)) return { refused: refused[name][1] }
  if (idle.has(name)) return "Idle"
  const negated = /^no-(.+)/.exec(name)?.[1]
  return negated === undefined ? undefined : without(negated)
}

/** An option that is turned off: most are off anyway. */
const without = (name: string): Meaning | undefined => {
  if (Object.hasOwn(always, name)) return { refused: always[name] }
  return Object.hasOwn(refused, name) || byLetter.has(name) || off.has(name) ? "Idle" : undefined
}

/** What of a tree is carried: rsync's letter, its option, and ours that leaves it out. */
const carried = [
  ["l", "--links", "symbolic links", "--no-links"],
  ["p", "--perms", "modes", "--no-perms"],
  ["t", "--times", "times", "--no-times"],
  ["g", "", "groups", "--no-group"],
  ["o", "--owner", "owners", "--no-owner"],
  ["D", "--specials", "special files", "--no-D"]
] as const

/** Is a word that option, or another name of it? */
const isCalled = (word: string, option: string): boolean =>
  word === option || (word.startsWith("--no-") && `--${same[word.slice(2)]}` === option)

/** What is sent beyond what some words ask for, as a sentence: rsync's options without -a ask for less. */
export const beyond = (words: ReadonlyArray<string>): string | undefined => {
  const clusters = words.flatMap((word) => /^-([a-zA-Z0]+)/.exec(word)?.[1] ?? [])
  // what follows an f is a rule
  const letters = clusters.map((cluster) => cluster.replace(/f.*/, "")).join("")
  const asks = (letter: string, option: string) => letters.includes(letter) || words.includes(option)
  const isList = words.some((word) => /^--files-from(?:=|$)/.test(word))
  const asked = carried.filter(([letter, option]) => asks(letter, option))
  const isAsked = asked.length > 0 || (asks("r", "--recursive") && !isList)
  if (asks("a", "--archive") || !isAsked) return undefined
  const more = carried.filter((one) => !asked.includes(one) && !words.some((word) => isCalled(word, one[3])))
  const list = (of: ReadonlyArray<string>) => of.join(", ").replace(/, ([^,]*)$/, " and $1")
  const leaveOut = `${list(more.map(([, , , without]) => without))} ${more.length === 1 ? "leaves" : "leave"} them out`
  return more.length === 0
    ? undefined
    : `${list(more.map(([, , what]) => what))} are carried as well, as always (it is -aH that is meant): ${leaveOut}`
}
