/**
 * Arrows go one way, and time, chance and threads come from Effect. Every rule is also broken once here, on a copy of the
 * sources in memory, so that a rule that sees nothing is found out.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { deadExports, fileLines, functionLines, functionNeeds, type Sources } from "./house.ts"
import { publicModulesOf } from "./public.ts"

const root = fileURLToPath(new URL("../src/", import.meta.url))

const sources: Sources = new Map(
  fs
    .readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => [name.replaceAll("\\", "/"), fs.readFileSync(path.join(root, name), "utf8")])
)

interface Import {
  readonly file: string
  /** The room that imports: a folder, or a module's name at the top. */
  readonly room: string
  /** A path below src, or a package. */
  readonly what: string
  readonly isOurs: boolean
  readonly isType: boolean
}

/** From below to above: docs/architecture.md says what is in each. */
const rooms = [
  ...["native", "parity", "protocol", "tree", "filter", "wire", "system", "transport", "content", "delta", "seal"],
  ...[
    "source",
    "store",
    "report",
    "web",
    "session",
    "phase",
    "catcher",
    "master",
    "simulate",
    "ops",
    "cli",
    "index.ts"
  ],
  ...["bin.ts", "binary.ts"]
]
const heightOf = (room: string) => rooms.indexOf(room)
/** These know nothing of each other, in either direction. */
const isBeside = (room: string, other: string) => room === "master" && other === "catcher"

const roomOf = (file: string) => (file.includes("/") ? file.slice(0, file.indexOf("/")) : file)

// Comments go, strings stay: imports are strings.
const codeOf = (text: string) => text.replace(/\/\*[^]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "")

const importsOf = (sources: Sources): ReadonlyArray<Import> =>
  [...sources].flatMap(([file, text]) =>
    [...codeOf(text).matchAll(/\b(import|export)\b([^"';]*?\bfrom\s*)?\(?\s*"([^"]+)"/g)].map((match) => {
      const [, , clause = "", name] = match
      const isOurs = name.startsWith(".")
      const names = /\{([^}]*)\}/.exec(clause)?.[1].split(",") ?? [clause]
      const isType = /^\s*type\b/.test(clause) || names.every((name) => /^\s*(type\b|$)/.test(name))
      const what = isOurs ? path.posix.normalize(path.posix.join(path.posix.dirname(file), name)) : name
      return { file, room: roomOf(file), what, isOurs, isType }
    })
  )

/** What breaks a rule, one line each. */
type Rule = (sources: Sources) => ReadonlyArray<string>

/** The imports that a room may not have. */
const imports =
  (isWrong: (imported: Import) => boolean): Rule =>
  (sources) =>
    importsOf(sources)
      .filter(isWrong)
      .map(({ file, what }) => `${file} imports ${what}`)

const reaches = ({ isOurs, what }: Import, ...rooms: ReadonlyArray<string>) => isOurs && rooms.includes(roomOf(what))

/** Words that belong to Effect's Clock, Random and fibers. */
const words = (word: RegExp, except: ReadonlyArray<string> = []): Rule => {
  return (sources) =>
    [...sources]
      .filter(([file, text]) => !except.includes(file) && word.test(codeOf(text)))
      .map(([file, text]) => `${file}: ${word.exec(codeOf(text))?.[0]}`)
}

interface Check {
  readonly rule: string
  readonly broken: Rule
  /** A file, and a line that breaks the rule there; or a change of it that does, under a name. */
  readonly breaks: ReadonlyArray<readonly [file: string, line: string, change?: (text: string) => string]>
}

// ---- exceptions: these lists only shrink ----

/** Nothing is longer than this, in lines; doc comments of a file are not counted. */
const longest = { function: 70, file: 500 }

/** Parameters and services of a function, together. */
const mostNeeds = 6

/** A page's header is written in place, field by field: an object a page costs more than its header. */
const needyFunctions: ReadonlyArray<string> = ["wire/Header.ts put"]

/** A listed length may lag behind the true one by fewer lines than this. */
const slackLines = 10

const longFunctions: Readonly<Record<string, number>> = {}

const longFiles: Readonly<Record<string, number>> = {}

/** Exports that scripts and tests use, and the sources do not. */
const forTests: ReadonlyArray<string> = [
  "cli/Picture.ts rateOf",
  "cli/Status.ts incompleteReason",
  "parity/Code.ts parityPages",
  "delta/Wasm.ts load",
  "ops/CrowdFindings.ts rules",
  "parity/Wasm.ts load",
  "simulate/Sweep.ts judge",
  "simulate/Sweep.ts run",
  "store/disk/Mtime.ts toDouble",
  "system/Aes.ts load",
  "system/Aes.ts portable",
  "system/Hmac.ts load",
  "system/Hmac.ts portable",
  "system/Libc.ts load"
]

/** The door: messages are encoded and decoded in Exchange, and pages written and taken in place. Forger, Injector and Intruder forge. */
const codecUsers: ReadonlyArray<string> = [
  "seal/Insecure.ts",
  "seal/Layout.ts",
  "session/Exchange.ts",
  "simulate/Forger.ts",
  "simulate/Injector.ts",
  "simulate/Intruder.ts"
]
const headerUsers: ReadonlyArray<string> = [
  ...["phase/PageStream.ts", "session/Exchange.ts", "session/Incoming.ts", "session/Openings.ts"]
]

/** What is told of a session, as functions of what is passed: the page draws with these too. */
const toldPurely: ReadonlySet<string> = new Set([
  "report/ExitStatus.ts",
  "report/Format.ts",
  "report/Summary.ts",
  "report/Watched.ts",
  "report/Words.ts"
])

/** The rooms of a session; those above only look at headers, to lose datagrams on purpose or to count them. */
const sessionRooms: ReadonlySet<string> = new Set(["session", "phase", "master", "catcher"])

/** The members of a transport through which datagrams go. */
const transportDoors =
  /\btransport\.(send|sendTo|receive)\b|\b(send|sendTo|receive)\b[^{}=]*\}\)?\s*(=>|= (yield\* )?Transport\b)/i

// ---- what is told to a reader ----

/** What the package exports: the modules of index.ts, and the protocol by its paths. */
const publicFiles = (sources: Sources): ReadonlyArray<readonly [file: string, text: string]> => {
  const named = new Set(publicModulesOf(sources.get("index.ts")!).map(({ file }) => file))
  return [...sources].filter(([file]) => named.has(file) || roomOf(file) === "protocol")
}

/** Exports without a doc comment right above; of what is exported from another file, it is there. */
const undocumented: Rule = (sources) => {
  const isBare = (text: string, at: number) => !/\/\*\*(?:(?!\*\/)[^])*\*\/\n$/.test(text.slice(0, at))
  const bareIn = (file: string, text: string, names?: ReadonlyArray<string>): ReadonlyArray<string> =>
    [
      ...text.matchAll(
        /^export (?:(?:type )?\{([^}]*)\} from "([^"]+)"|.*?\b(?!(?:abstract|const|class|function|interface|type)\b)(\w+)\b.*)/gm
      )
    ].flatMap(({ 0: line, 1: list, 2: from = "", 3: name, index }) => {
      if (list === undefined) {
        return (names === undefined || names.includes(name)) && isBare(text, index) ? [`${file}: ${line}`] : []
      }
      const passed = list.split(",").map((one) => one.replace(/\btype\b/, "").trim())
      const wanted = passed.filter((one) => names === undefined || names.includes(one))
      const other = path.posix.join(path.posix.dirname(file), from)
      return bareIn(other, sources.get(other)!, wanted).map((bare) => `${file} passes on ${bare}`)
    })
  return publicFiles(sources).flatMap(([file, text]) => bareIn(file, text))
}

/** The compiler leaves a header out of the .d.ts where an import that it leaves out comes right after it. */
const headless: Rule = (sources) =>
  publicFiles(sources)
    .filter(([, text]) => !/^\/\*\*(?:(?!\*\/)[^])*\*\/\n\n/.test(text))
    .map(([file]) => `${file} has no header with an empty line after it`)

/** Where a user begins. */
const beginnings: ReadonlyArray<string> = [
  ...["master/Master.ts", "catcher/Catcher.ts", "transport/Transport.ts", "store/Store.ts", "source/Source.ts"],
  ...["report/Progress.ts", "simulate/Simulation.ts"]
]
const withoutExample: Rule = (sources) =>
  beginnings.filter((file) => !sources.get(file)?.includes("* ```ts\n")).map((file) => `${file} has no example`)

/** The lengths above `most` are those that are listed, and none has grown. */
const lengths =
  (
    measured: (sources: Sources) => ReadonlyMap<string, number>,
    most: number,
    listed: Readonly<Record<string, number>>
  ): Rule =>
  (sources) => {
    const lines = measured(sources)
    const grown = [...lines].filter(([name, count]) => count > Math.max(most, listed[name] ?? 0))
    const shrunk = Object.entries(listed).filter(([name, least]) => {
      const count = lines.get(name) ?? 0
      return count <= most || count <= least - slackLines
    })
    return [
      ...grown.map(([name, count]) => `${name} has ${count} lines, and may have ${listed[name] ?? most}`),
      ...shrunk.map(([name]) => `${name} has ${lines.get(name) ?? 0} lines: correct the list of exceptions`)
    ]
  }

/** What is found is what is listed. */
const listed =
  (found: (sources: Sources) => ReadonlyArray<string>, exceptions: ReadonlyArray<string>): Rule =>
  (sources) => {
    const all = new Set(found(sources))
    return [
      ...[...all].filter((name) => !exceptions.includes(name)),
      ...exceptions.filter((name) => !all.has(name)).map((name) => `${name} needs no exception: correct the list`)
    ]
  }

/** Lines that are comments and nothing else. */
const comments =
  (isWrong: (line: string, file: string) => boolean): Rule =>
  (sources) =>
    [...sources].flatMap(([file, text]) =>
      text
        .split("\n")
        .filter((line) => /^\s*(\/\/|\/?\*)/.test(line) && isWrong(line, file))
        .map((line) => `${file}: ${line.trim()}`)
    )

const mostColumns = 100
/** The other rooms follow. */
const hasNarrowComments = (file: string) => sessionRooms.has(roomOf(file)) || file === "protocol/Limits.ts"

const emptied = () => ""
const fileOf = (name: string) => name.split(" ")[0]
/** The first exception of a list, where it has one, with its file emptied. */
const without = (exceptions: ReadonlyArray<string>) =>
  exceptions.slice(0, 1).map((name) => [fileOf(name), "what has become short stays listed", emptied] as const)
const statements = (count: number) => "  void 0\n".repeat(count)

const checks: ReadonlyArray<Check> = [
  {
    rule: "a room imports only rooms that stand below it",
    broken: imports(({ isOurs, room, what }) => {
      if (!isOurs || what.startsWith("..")) return false
      const target = roomOf(what)
      return target !== room && (heightOf(target) >= heightOf(room) || isBeside(room, target))
    }),
    breaks: [
      ["protocol/pace/Window.ts", 'import { encode } from "../../wire/Codec.ts"'],
      ["protocol/pace/Window.ts", 'export * from "../../tree/Manifest.ts"'],
      ["protocol/Limits.ts", 'import type { Runs } from "../wire/Message.ts"'],
      ["parity/Wasm.ts", 'import * as Limits from "../protocol/Limits.ts"'],
      ["filter/Filter.ts", 'import { Source } from "../source/Source.ts"'],
      ["tree/Names.ts", 'import { compile } from "../filter/Pattern.ts"'],
      ["wire/Codec.ts", 'import { Transport } from "../transport/Transport.ts"'],
      ["transport/Lossy.ts", 'import type { Sender } from "../session/Sender.ts"'],
      ["transport/Lossy.ts", 'import { Store } from "../store/Store.ts"'],
      ["store/disk/Disk.ts", 'import { Session } from "../../session/Session.ts"'],
      ["session/Sender.ts", 'import * as Close from "../phase/Close.ts"'],
      ["phase/Close.ts", 'import * as Master from "../master/Master.ts"'],
      ["phase/Close.ts", 'import type { Options } from "../catcher/Catcher.ts"'],
      ["master/Master.ts", 'import * as Catcher from "../catcher/Catcher.ts"'],
      ["catcher/Catcher.ts", 'import { Ledger } from "../master/Ledger.ts"'],
      ["master/Master.ts", 'import * as View from "../cli/View.ts"'],
      ["master/Master.ts", 'import * as Simulation from "../simulate/Simulation.ts"']
    ]
  },
  {
    rule: "what decides is pure: no service, no system, no packages but Result",
    broken: imports(
      (it) =>
        ["parity", "protocol", "tree", "filter", "wire"].includes(it.room) &&
        !it.isOurs &&
        it.what !== "effect/Result" &&
        !(it.file === "wire/Codec.ts" && it.what === "node:zlib")
    ),
    breaks: [
      ["protocol/pace/Window.ts", 'import * as Effect from "effect/Effect"'],
      ["protocol/pace/Window.ts", 'import * as fs from "node:fs"'],
      ["wire/Codec.ts", 'import * as fs from "node:fs"'],
      ["filter/Parse.ts", 'import * as fs from "node:fs"'],
      ["wire/Header.ts", 'import * as zlib from "node:zlib"'],
      ["parity/Code.ts", 'import * as fs from "node:fs"']
    ]
  },
  {
    rule: "the program's edge takes its statuses from a file that loads nothing",
    broken: imports((it) => it.file === "report/ExitStatus.ts" && !it.isType),
    breaks: [["report/ExitStatus.ts", 'import { Report } from "./Report.ts"']]
  },
  {
    rule: "the page imports what is told, as pure functions, and two packages; nothing imports the page",
    broken: imports(
      (it) =>
        (it.room === "web" &&
          !it.isType &&
          !reaches(it, "web") &&
          !toldPurely.has(it.what) &&
          !["lit-html", "uplot"].includes(it.what)) ||
        (toldPurely.has(it.file) && !it.isType && !(it.isOurs && reaches(it, "report"))) ||
        (it.room !== "web" && reaches(it, "web"))
    ),
    breaks: [
      ["web/Page.ts", 'import * as Line from "../report/Line.ts"'],
      ["web/Page.ts", 'import * as Effect from "effect/Effect"'],
      ["report/Words.ts", 'import * as Effect from "effect/Effect"'],
      ["report/Watched.ts", 'import * as Limits from "../protocol/Limits.ts"'],
      ["cli/Send.ts", 'import * as Rows from "../web/Rows.ts"']
    ]
  },
  {
    rule: "transport knows nothing of the protocol but its limits and its addresses",
    broken: imports(
      (it) =>
        it.room === "transport" &&
        it.isOurs &&
        !reaches(it, "transport", "system") &&
        !["protocol/Limits.ts", "protocol/Address.ts"].includes(it.what)
    ),
    breaks: [["transport/Lossy.ts", 'import * as Header from "../wire/Header.ts"']]
  },
  {
    rule: "sources and stores send nothing: they know no transport, and of the wire its types",
    broken: imports(
      (it) =>
        ["source", "store", "content"].includes(it.room) &&
        (reaches(it, "transport") || (reaches(it, "wire") && !(it.what === "wire/Message.ts" && it.isType)))
    ),
    breaks: [
      ["store/disk/Disk.ts", 'import { Transport } from "../../transport/Transport.ts"'],
      ["source/Disk.ts", 'import * as Codec from "../wire/Codec.ts"']
    ]
  },
  {
    rule: "sessions, phases and their compositions run on any transport and store: they know the services, not their layers",
    broken: imports(
      (it) =>
        ["session", "phase", "master", "catcher"].includes(it.room) &&
        (/^(node:|@effect\/platform)/.test(it.what) ||
          reaches(it, "system") ||
          (reaches(it, "transport") && it.what !== "transport/Transport.ts") ||
          (reaches(it, "store") && it.what !== "store/Store.ts") ||
          (reaches(it, "source") && !["source/Source.ts", "source/Unread.ts"].includes(it.what)))
    ),
    breaks: [
      ["phase/Close.ts", 'import * as fs from "node:fs"'],
      ["phase/Close.ts", 'import * as Datagram from "../transport/Datagram.ts"'],
      ["session/Sender.ts", 'import * as Sockets from "../system/Sockets.ts"'],
      ["master/Master.ts", 'import * as Disk from "../source/Disk.ts"'],
      ["catcher/Catcher.ts", 'import * as Disk from "../store/disk/Disk.ts"']
    ]
  },
  {
    rule: "the simulator's checks use nothing of the code that they check",
    broken: imports(
      (it) =>
        ["simulate/Checks.ts", "simulate/Stood.ts"].includes(it.file) &&
        !it.isType &&
        !["tree/Names.ts", "store/Memory.ts"].includes(it.what) &&
        !["simulate/Tree.ts", "simulate/Changing.ts", "simulate/Stood.ts"].includes(it.what)
    ),
    breaks: [
      ["simulate/Checks.ts", 'import * as Codec from "../wire/Codec.ts"'],
      ["simulate/Checks.ts", 'import * as Limits from "../protocol/Limits.ts"'],
      ["simulate/Checks.ts", 'import * as Close from "../phase/Close.ts"'],
      ["simulate/Stood.ts", 'import * as Compare from "../tree/Compare.ts"']
    ]
  },
  {
    rule: "only bin.ts and cli take the layers of Node; the socket belongs to Datagram",
    broken: imports(
      (it) =>
        it.what.startsWith("@effect/platform") &&
        it.room !== "cli" &&
        it.room !== "bin.ts" &&
        !(it.file === "transport/Datagram.ts" && it.what === "@effect/platform-node/NodeDatagramSocket")
    ),
    breaks: [
      ["master/Master.ts", 'import * as NodeServices from "@effect/platform-node/NodeServices"'],
      ["transport/Datagram.ts", 'import * as NodeRuntime from "@effect/platform-node/NodeRuntime"']
    ]
  },
  {
    rule: "code of the machine is loaded in one place, which knows whether it is inside of the executable",
    broken: words(/\bcreateRequire\b|\bWebAssembly\b/, ["native/Native.ts", "cli/Compiled.ts"]),
    breaks: [["system/Libc.ts", 'createRequire(import.meta.url)("koffi")']]
  },
  {
    rule: "Effect is imported by subpath, so that the program starts fast",
    broken: imports((it) => it.what === "effect" || it.what === "@effect/platform-node"),
    breaks: [["master/Master.ts", 'import { Effect } from "effect"']]
  },
  {
    // a view shows the Clock's time as a date
    rule: "time comes from Clock",
    broken: words(/\bDate\.now\b|\bnew Date\((?!clock\.)|\bperformance\.now\b|\bhrtime\b/),
    breaks: [
      ["session/Sender.ts", "const now = () => Date.now()"],
      ["session/Sender.ts", "const now = new Date()"],
      ["session/Sender.ts", "const now = performance.now()"]
    ]
  },
  {
    // nobody may guess a key or a token: Keys and LivePage take their bytes from Effect's SecureRandom, a handshake from the system
    rule: "chance comes from Random, or from a seed",
    broken: words(/\bMath\.random\b|\brandomBytes\b|\brandomUUID\b|\bgetRandomValues\b/, [
      "seal/Keys.ts",
      "seal/Primitives.ts",
      "ops/LivePage.ts"
    ]),
    breaks: [["master/Master.ts", "const id = Math.random()"]]
  },
  {
    rule: "no promises by hand",
    broken: words(/(?<![.\w])(async|await)(?=[\s(])/),
    breaks: [
      ["master/Master.ts", "const run = async () => 1"],
      ["master/Master.ts", "const run = async function () {}"],
      ["master/Master.ts", "await program"]
    ]
  },
  {
    // Main watches signals outside of any fiber, and keeps the process awake while fibers wait; Output ends the process
    rule: "no timers by hand",
    broken: words(/(?<![.\w])(setTimeout|setInterval|setImmediate)\b/, ["cli/Main.ts", "cli/Output.ts"]),
    breaks: [["session/Sender.ts", "setTimeout(() => {}, 1)"]]
  },
  {
    rule: "nothing but the command line touches the process",
    broken: (sources) =>
      words(/\bprocess\.(exit|argv|stdout|stderr|env|on)\b/)(
        new Map([...sources].filter(([file]) => roomOf(file) !== "cli" && file !== "bin.ts"))
      ),
    breaks: [["store/disk/Disk.ts", "process.exit(1)"]]
  },
  {
    rule: "no function is longer than 70 lines",
    broken: lengths(functionLines, longest.function, longFunctions),
    breaks: [
      ["tree/Room.ts", "a function of 71", (text) => `${text}const long = () => {\n${statements(69)}}\n`],
      ["tree/Room.ts", "a method of 71", (text) => `${text}class Long {\n  long() {\n${statements(69)}  }\n}\n`],
      [
        "tree/Room.ts",
        "one inside of another",
        (text) => `${text}f(() => {\n  const g = function* () {\n${statements(69)}  }\n})\n`
      ],
      ...without(Object.keys(longFunctions))
    ]
  },
  {
    rule: "no function needs more than 6 parameters and services together",
    broken: listed(
      (sources) => [...functionNeeds(sources)].flatMap(([name, needs]) => (needs > mostNeeds ? [name] : [])),
      needyFunctions
    ),
    breaks: [
      ["tree/Room.ts", "const needy = (a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7) => [a, b, c, d, e, f, g]; needy"],
      [
        "phase/Close.ts",
        "function* needy(a: 1, b: 2, c: 3, d: 4, e: 5) { yield* Members; yield* Session.Lanes; return [a, b, c, d, e] }"
      ],
      ...without(needyFunctions)
    ]
  },
  {
    rule: "no file is longer than 500 lines",
    broken: lengths(fileLines, longest.file, longFiles),
    breaks: [
      ["tree/Room.ts", "500 more lines", (text) => text + statements(500)],
      ...Object.keys(longFiles)
        .slice(0, 1)
        .map((file) => [file, "ten more lines", (text: string) => text + statements(10)] as const),
      ...without(Object.keys(longFiles))
    ]
  },
  {
    rule: "comments are about catchers, masters and the like, never about who",
    broken: comments((line) => /\b(who|whoever|whom|for ever)\b/i.test(line)),
    breaks: [
      ["phase/Close.ts", "// whoever asks"],
      ["protocol/pace/Window.ts", "/** Who asks. */"],
      ["tree/Room.ts", " * they wait for ever"]
    ]
  },
  {
    rule: `comments of a session are within ${mostColumns} columns`,
    broken: comments((line, file) => hasNarrowComments(file) && line.length > mostColumns),
    breaks: [
      ["phase/Close.ts", `// ${"word ".repeat(20)}`],
      ["protocol/Limits.ts", `/** ${"word ".repeat(19)} */`]
    ]
  },
  {
    rule: "every export is used by another file",
    broken: listed(deadExports, forTests),
    breaks: [
      ["tree/Room.ts", "export const unused = 1"],
      ["tree/Room.ts", "export type Unused = 1"],
      ["tree/Room.ts", "const unused = 1; export { unused }"],
      ["cli/Session.ts", 'export const alsoUnused = 1; import * as Flags from "./Flags.ts"; void Flags'],
      ...without(forTests)
    ]
  },
  {
    rule: "every export of a public module has a doc comment",
    broken: undocumented,
    breaks: [
      ["protocol/pace/Window.ts", "export const bare = 1"],
      ["protocol/Table.ts", "export interface Bare {}"],
      ["transport/Datagram.ts", 'export { closed } from "./Udp.ts"'],
      ["store/Memory.ts", "/* no doc comment */\nexport class Bare {}"],
      [
        "master/Master.ts",
        "no doc of run",
        (text) => text.replace(/ \*\/\nexport const run/, " */\n\nexport const run")
      ]
    ]
  },
  {
    rule: "every public module has a header, which the compiler keeps",
    broken: headless,
    breaks: [
      ["master/Master.ts", "an import right after it", (text) => text.replace(" */\n\nimport", " */\nimport")],
      ["protocol/Words.ts", "none", (text) => text.slice(text.indexOf("*/") + 2)]
    ]
  },
  {
    rule: "where a user begins there is an example",
    broken: withoutExample,
    breaks: beginnings.map((file) => [file, "none", (text: string) => text.replaceAll("```ts", "```")] as const)
  },
  {
    rule: "datagrams have one door: the wire's codec is the seal's and the exchange's",
    broken: listed(
      (sources) =>
        importsOf(sources)
          .filter(({ room, what }) => what === "wire/Codec.ts" && room !== "wire" && room !== "index.ts")
          .map(({ file }) => file),
      codecUsers
    ),
    breaks: [
      ["master/Master.ts", 'import * as Codec from "../wire/Codec.ts"'],
      ["cli/Send.ts", 'import { encode } from "../wire/Codec.ts"'],
      ...without(codecUsers)
    ]
  },
  {
    rule: "in a session the door alone reads and writes headers",
    broken: listed(
      (sources) =>
        importsOf(sources)
          .filter(({ room, what }) => what === "wire/Header.ts" && sessionRooms.has(room))
          .map(({ file }) => file),
      headerUsers
    ),
    breaks: [["phase/Announce.ts", 'import * as Header from "../wire/Header.ts"'], ...without(headerUsers)]
  },
  {
    rule: "in a session the door alone sends and receives",
    broken: (sources) =>
      words(transportDoors, ["session/Exchange.ts"])(
        new Map([...sources].filter(([file]) => sessionRooms.has(roomOf(file))))
      ),
    breaks: [
      ["master/Master.ts", "yield* transport.send({ bytes, datagramBytes })"],
      ["phase/Announce.ts", "const { local, sendTo } = yield* Transport"],
      ["catcher/Catcher.ts", "const pull = yield* pullOf(transport.receive)"],
      ["session/Unsent.ts", "Effect.flatMap(Transport, ({ send }) => send(batch))"]
    ]
  }
]

describe("architecture", () => {
  it("there is something to look at", () => {
    assert.isAbove(sources.size, 30)
    assert.isAbove(importsOf(sources).length, 200)
    assert.deepStrictEqual(
      [...sources.keys()].filter((file) => !rooms.includes(roomOf(file))),
      [],
      "each file is in a room of the list"
    )
  })

  describe.for(checks)("$rule", ({ breaks, broken }) => {
    it("holds", () => assert.deepStrictEqual(broken(sources), []))

    it.for(breaks)("is broken by, in %s: %s", ([file, line, change]) => {
      const text = sources.get(file)
      assert.isDefined(text, `${file} is gone: break another file`)
      const wrong = broken(new Map([...sources, [file, change?.(text) ?? `${text}\n${line}\n`]]))
      const before = broken(sources)
      if (change === undefined) assert.strictEqual(wrong.length, before.length + 1)
      assert.isAbove(wrong.length, before.length)
      assert.isTrue(wrong.some((words) => words.startsWith(file) && !before.includes(words)))
    })
  })
})
