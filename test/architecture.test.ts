/**
 * Arrows go one way, and time, chance and threads come from Effect. Every rule is also broken once here, on a copy of the
 * sources in memory, so that a rule that sees nothing is found out.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../src/", import.meta.url))

/** By path below src. */
type Sources = ReadonlyMap<string, string>

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

const top = ["Master.ts", "Catcher.ts", "Ledger.ts", "index.ts", "bin.ts", "cli", "simulate"]

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
  /** A file, and a line that breaks the rule there. */
  readonly breaks: ReadonlyArray<readonly [file: string, line: string]>
}

const checks: ReadonlyArray<Check> = [
  {
    rule: "protocol imports nothing but itself, and types of the messages",
    broken: imports(
      (it) => it.room === "protocol" && !reaches(it, "protocol") && !(it.what === "wire/Message.ts" && it.isType)
    ),
    breaks: [
      ["protocol/Window.ts", 'import * as Effect from "effect/Effect"'],
      ["protocol/Window.ts", 'import * as fs from "node:fs"'],
      ["protocol/Window.ts", 'import { encode } from "../wire/Codec.ts"'],
      ["protocol/Window.ts", 'import { thing, type Runs } from "../wire/Message.ts"'],
      ["protocol/Window.ts", 'export * from "../Manifest.ts"']
    ]
  },
  {
    rule: "wire imports itself, protocol and Result, and Codec.ts the checksum",
    broken: imports(
      (it) =>
        it.room === "wire" &&
        !reaches(it, "wire", "protocol") &&
        it.what !== "effect/Result" &&
        !(it.file === "wire/Codec.ts" && it.what === "node:zlib")
    ),
    breaks: [
      ["wire/Codec.ts", 'import { Transport } from "../transport/Transport.ts"'],
      ["wire/Codec.ts", 'import * as fs from "node:fs"'],
      ["wire/Header.ts", 'import * as zlib from "node:zlib"']
    ]
  },
  {
    rule: "parity is arithmetic: it imports itself, and only Wasm.ts the system",
    broken: imports(
      (it) =>
        it.room === "parity" &&
        !reaches(it, "parity") &&
        !(it.file === "parity/Wasm.ts" && ["node:fs", "effect/Result"].includes(it.what))
    ),
    breaks: [
      ["parity/Code.ts", 'import * as fs from "node:fs"'],
      ["parity/Wasm.ts", 'import * as Limits from "../protocol/Limits.ts"']
    ]
  },
  {
    rule: "the program's edge takes its statuses from a file that loads nothing",
    broken: imports((it) => it.file === "Report.ts" && !it.isType),
    breaks: [["Report.ts", 'import { base64Of } from "./Manifest.ts"']]
  },
  {
    rule: "transport knows nothing of the protocol but its limits",
    broken: imports(
      (it) => it.room === "transport" && it.isOurs && !reaches(it, "transport") && it.what !== "protocol/Limits.ts"
    ),
    breaks: [
      ["transport/Lossy.ts", 'import * as Header from "../wire/Header.ts"'],
      ["transport/Lossy.ts", 'import type { Air } from "../phase/Air.ts"'],
      ["transport/Lossy.ts", 'import { Store } from "../store/Store.ts"']
    ]
  },
  {
    rule: "store knows the manifest, the protocol, parity and the messages, and nothing else of ours",
    broken: imports(
      (it) =>
        it.room === "store" &&
        it.isOurs &&
        !reaches(it, "store", "protocol", "parity", "Manifest.ts") &&
        it.what !== "wire/Message.ts"
    ),
    breaks: [
      ["store/Disk.ts", 'import { Session } from "../phase/Session.ts"'],
      ["store/Disk.ts", 'import { Transport } from "../transport/Transport.ts"'],
      ["store/Disk.ts", 'import * as Codec from "../wire/Codec.ts"']
    ]
  },
  {
    rule: "phases do not know their compositions",
    broken: imports((it) => it.room === "phase" && reaches(it, ...top)),
    breaks: [
      ["phase/Close.ts", 'import * as Master from "../Master.ts"'],
      ["phase/Close.ts", 'import type { Options } from "../Catcher.ts"'],
      ["phase/Close.ts", 'import * as Flags from "../cli/Flags.ts"']
    ]
  },
  {
    rule: "phases run on any transport and store: they know the services, not their layers",
    broken: imports(
      (it) =>
        it.room === "phase" &&
        (/^(node:|@effect\/platform)/.test(it.what) ||
          (reaches(it, "transport") && it.what !== "transport/Transport.ts") ||
          (reaches(it, "store") && /\/(Disk|DiskSource|Memory|Confinement|Descriptor|Libc|Mtime)\.ts$/.test(it.what)))
    ),
    breaks: [
      ["phase/Close.ts", 'import * as fs from "node:fs"'],
      ["phase/Close.ts", 'import * as Datagram from "../transport/Datagram.ts"'],
      ["phase/Close.ts", 'import * as Disk from "../store/Disk.ts"']
    ]
  },
  {
    rule: "only cli and bin.ts import cli",
    broken: imports((it) => reaches(it, "cli") && it.room !== "cli" && it.room !== "bin.ts"),
    breaks: [["Master.ts", 'import * as View from "./cli/View.ts"']]
  },
  {
    rule: "only cli and index.ts import the simulator",
    broken: imports((it) => reaches(it, "simulate") && !["cli", "index.ts", "simulate"].includes(it.room)),
    breaks: [["Master.ts", 'import * as Simulation from "./simulate/Simulation.ts"']]
  },
  {
    rule: "the simulator's checks use nothing of the code that they check",
    broken: imports(
      (it) =>
        it.file === "simulate/Checks.ts" &&
        !it.isType &&
        !["Manifest.ts", "store/Memory.ts", "simulate/Tree.ts", "simulate/Changing.ts"].includes(it.what)
    ),
    breaks: [
      ["simulate/Checks.ts", 'import * as Codec from "../wire/Codec.ts"'],
      ["simulate/Checks.ts", 'import * as Limits from "../protocol/Limits.ts"'],
      ["simulate/Checks.ts", 'import * as Close from "../phase/Close.ts"']
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
      ["Master.ts", 'import * as NodeServices from "@effect/platform-node/NodeServices"'],
      ["transport/Datagram.ts", 'import * as NodeRuntime from "@effect/platform-node/NodeRuntime"']
    ]
  },
  {
    rule: "Effect is imported by subpath, so that the program starts fast",
    broken: imports((it) => it.what === "effect" || it.what === "@effect/platform-node"),
    breaks: [["Master.ts", 'import { Effect } from "effect"']]
  },
  {
    // a view shows the Clock's time as a date
    rule: "time comes from Clock",
    broken: words(/\bDate\.now\b|\bnew Date\((?!clock\.)|\bperformance\.now\b|\bhrtime\b/),
    breaks: [
      ["phase/Air.ts", "const now = () => Date.now()"],
      ["phase/Air.ts", "const now = new Date()"],
      ["phase/Air.ts", "const now = performance.now()"]
    ]
  },
  {
    rule: "chance comes from Random, or from a seed",
    broken: words(/\bMath\.random\b|\brandomBytes\b|\brandomUUID\b|\bgetRandomValues\b/),
    breaks: [["Master.ts", "const id = Math.random()"]]
  },
  {
    rule: "no promises by hand",
    broken: words(/(?<![.\w])(async|await)(?=[\s(])/),
    breaks: [
      ["Master.ts", "const run = async () => 1"],
      ["Master.ts", "const run = async function () {}"],
      ["Master.ts", "await program"]
    ]
  },
  {
    // Main watches signals outside of any fiber, and keeps the process awake while fibers wait; Output ends the process
    rule: "no timers by hand",
    broken: words(/(?<![.\w])(setTimeout|setInterval|setImmediate)\b/, ["cli/Main.ts", "cli/Output.ts"]),
    breaks: [["phase/Air.ts", "setTimeout(() => {}, 1)"]]
  },
  {
    rule: "nothing but the command line touches the process",
    broken: (sources) =>
      words(/\bprocess\.(exit|argv|stdout|stderr|env|on)\b/)(
        new Map([...sources].filter(([file]) => roomOf(file) !== "cli" && file !== "bin.ts"))
      ),
    breaks: [["store/Disk.ts", "process.exit(1)"]]
  }
]

describe("architecture", () => {
  it("there is something to look at", () => {
    assert.isAbove(sources.size, 30)
    assert.isAbove(importsOf(sources).length, 200)
  })

  describe.for(checks)("$rule", ({ breaks, broken }) => {
    it("holds", () => assert.deepStrictEqual(broken(sources), []))

    it.for(breaks)("is broken by, in %s: %s", ([file, line]) => {
      const text = sources.get(file)
      assert.isDefined(text, `${file} is gone: break another file`)
      const wrong = broken(new Map([...sources, [file, `${text}\n${line}\n`]]))
      assert.strictEqual(wrong.length, broken(sources).length + 1)
      assert.isTrue(wrong.some((words) => words.startsWith(file)))
    })
  })
})
