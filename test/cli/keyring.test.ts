/** Where the commands find their keys, in which order, and what they say where there is none. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Library from "effect/cli/Completions"
import * as ConfigProvider from "effect/ConfigProvider"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as EffectPath from "effect/Path"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import * as Arguments from "../../src/cli/Arguments.ts"
import { root } from "../../src/cli/Commands.ts"
import * as Keyring from "../../src/cli/Keyring.ts"
import { Machine } from "../../src/cli/Machine.ts"
import * as Title from "../../src/cli/Title.ts"
import * as Keys from "../../src/seal/Keys.ts"
import * as Phrase from "../../src/seal/Phrase.ts"
import { canSwitchUser } from "../store/Sandbox.ts"

const top = fs.mkdtempSync(Path.join(tmpdir(), "mrsync-keyring-"))
afterAll(() => fs.rmSync(top, { recursive: true }))

const filled = (value: number) => new Uint8Array(Keys.secretBytes).fill(value)
/** One pair of keys for each place where keys are looked for. */
const places = ["option", "environment", "home", "etc", "xdg"] as const
type Place = (typeof places)[number]
const pairs = new Map(places.map((place, at) => [place, Keys.ofSecrets(filled(10 + at), filled(20 + at))]))

let machines = 0
/** A machine with pairs of keys in these places. */
const machine = (...with_: ReadonlyArray<Place>) => {
  const folder = Path.join(top, `${machines++}`)
  const directories = {
    option: Path.join(folder, "option"),
    environment: Path.join(folder, "environment"),
    home: Path.join(folder, "home", ".config", "mrsync"),
    etc: Path.join(folder, "etc", "mrsync"),
    xdg: Path.join(folder, "xdg", "mrsync")
  }
  for (const place of with_) {
    fs.mkdirSync(directories[place], { recursive: true })
    const keys = pairs.get(place)!
    const mode = { mode: 0o600 }
    fs.writeFileSync(Path.join(directories[place], "master.key"), Keys.printMaster(keys), mode)
    fs.writeFileSync(Path.join(directories[place], "catcher.key"), Keys.printCatcher(Keys.forCatchers(keys)), mode)
  }
  return { folder, directories }
}

interface Surroundings {
  readonly variables?: Readonly<Record<string, string>>
  readonly input?: string
  /** Is there a terminal on standard input, on standard output? */
  readonly terminals?: readonly [input: boolean, output: boolean]
  /** What is typed when it asks. */
  readonly typed?: string
}

const around = (folder: string, { input = "", terminals = [false, false], typed = "", variables = {} }: Surroundings) =>
  Layer.mergeAll(
    Layer.succeed(Machine, directoriesIn(folder) as Machine["Service"]),
    SecureRandom.layerWebCrypto,
    ConfigProvider.layer(ConfigProvider.fromEnvRecord(variables)),
    Stdio.layerTest({
      stdin: Stream.make(Buffer.from(input)),
      stdinIsTerminal: Effect.succeed(terminals[0]),
      stdoutIsTerminal: Effect.succeed(terminals[1])
    }),
    FileSystem.layerNoop({}),
    EffectPath.layer,
    Layer.succeed(Terminal.Terminal, typing(typed))
  )

/** All of a machine that is looked at here. */
const directoriesIn = (folder: string): Pick<Machine["Service"], "homeDirectory" | "settingsDirectory"> => ({
  homeDirectory: Path.join(folder, "home"),
  settingsDirectory: Path.join(folder, "etc")
})

/** What the terminal shows is not looked at: the prompt is the library's. */
const typing = (text: string) =>
  Terminal.make({
    columns: Effect.succeed(80),
    rows: Effect.succeed(24),
    size: Effect.die("not asked for"),
    readLine: Effect.die("not asked for"),
    display: () => Effect.void,
    readInput: Effect.gen(function* () {
      const queue = yield* Queue.unbounded<Terminal.UserInput, any>()
      for (const letter of text) {
        const name = letter === "\r" ? "return" : letter
        yield* Queue.offer(queue, {
          input: Option.some(letter),
          key: { name, ctrl: false, meta: false, shift: false }
        })
      }
      yield* Queue.end(queue)
      return queue
    })
  })

const nothing: Keyring.Given = { key: undefined, phrase: undefined, insecure: false }
const words = "legal winner thank year wave sausage worth"

/** The pair that both commands find, by the place it is from. */
const found = (
  place: { readonly folder: string },
  given: Partial<Keyring.Given> = {},
  surroundings: Surroundings = {}
) =>
  Effect.gen(function* () {
    const { fresh, protection } = yield* Keyring.forMaster({ ...nothing, ...given }, false)
    assert.isUndefined(fresh)
    const catcher = yield* Keyring.forCatcher({ ...nothing, ...given }, false)
    if (protection._tag === "Insecure" || catcher._tag === "Insecure") {
      assert.deepStrictEqual([protection._tag, catcher._tag], ["Insecure", "Insecure"])
      return "insecure"
    }
    assert.notProperty(catcher.keys, "identity")
    assert.deepStrictEqual(catcher.keys.publicKey, protection.keys.publicKey)
    const fingerprint = Keys.fingerprint(protection.keys.publicKey)
    return [...pairs].find(([, { publicKey }]) => Keys.fingerprint(publicKey) === fingerprint)?.[0] ?? fingerprint
  }).pipe(Effect.provide(around(place.folder, surroundings)))

const refusal = (
  command: "send" | "catch",
  place: { readonly folder: string },
  given: Partial<Keyring.Given> = {},
  surroundings: Surroundings = {}
) => {
  const all = { ...nothing, ...given }
  const protection =
    command === "send" ? Effect.asVoid(Keyring.forMaster(all, false)) : Effect.asVoid(Keyring.forCatcher(all, false))
  return Effect.flip(protection).pipe(
    Effect.provide(around(place.folder, surroundings)),
    Effect.map(({ message }) => message)
  )
}

describe("keys are taken from", () => {
  it.effect("key files in the usual places: first this user's, then those of all users", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* found(machine("home", "etc")), "home")
      assert.strictEqual(yield* found(machine("etc")), "etc")
      const moved = machine("home", "etc", "xdg")
      const variables = { XDG_CONFIG_HOME: Path.join(moved.folder, "xdg") }
      assert.strictEqual(yield* found(moved, {}, { variables }), "xdg")
    })
  )

  it.effect("the environment before those, and an option before the environment", () =>
    Effect.gen(function* () {
      const there = machine("home", "environment", "option")
      // one file cannot be both sides': each is asked with its own
      for (const [command, name] of [
        ["forMaster", "master.key"],
        ["forCatcher", "catcher.key"]
      ] as const) {
        const of = (given: Partial<Keyring.Given>, variables: Record<string, string>) =>
          Effect.map(
            Effect.provide(
              command === "forMaster"
                ? Effect.map(Keyring.forMaster({ ...nothing, ...given }, false), ({ protection }) => protection)
                : Keyring.forCatcher({ ...nothing, ...given }, false),
              around(there.folder, { variables })
            ),
            (protection) => (protection._tag === "Sealed" ? Keys.fingerprint(protection.keys.publicKey) : "")
          )
        const fingerprintOf = (place: Place) => Keys.fingerprint(pairs.get(place)!.publicKey)
        const variables = { MRSYNC_KEY: Path.join(there.directories.environment, name) }
        const key = Path.join(there.directories.option, name)
        assert.strictEqual(yield* of({}, { MRSYNC_KEY: "" }), fingerprintOf("home"))
        assert.strictEqual(yield* of({}, variables), fingerprintOf("environment"))
        assert.strictEqual(yield* of({ key }, variables), fingerprintOf("option"))
      }
    })
  )

  it.effect("a phrase, as an option, from the environment, from standard input, or typed", () =>
    Effect.gen(function* () {
      const there = machine("home")
      const expected = "cfe6-euom-obqi-pxhi-27kh"
      const phrase = Redacted.make(words)
      const dash = Redacted.make("-")
      assert.strictEqual(yield* found(there, { phrase }), expected)
      assert.strictEqual(yield* found(there, {}, { variables: { MRSYNC_PHRASE: words } }), expected)
      assert.strictEqual(yield* found(there, { phrase: dash }, { input: `${words}\n` }), expected)
      const typed = `${words}\r`
      assert.strictEqual(yield* found(there, { phrase: dash }, { terminals: [true, true], typed }), expected)
      const catcher = yield* Effect.provide(
        Keyring.forCatcher(nothing, false),
        around(machine().folder, { terminals: [true, true], typed })
      )
      assert.isTrue(catcher._tag === "Sealed" && Keys.fingerprint(catcher.keys.publicKey) === expected)
    })
  )

  it.effect("a key file on standard input", () =>
    Effect.gen(function* () {
      const input = Keys.printMaster(pairs.get("option")!)
      const { protection } = yield* Effect.provide(
        Keyring.forMaster({ ...nothing, key: "-" }, false),
        around(machine("home").folder, { input })
      )
      assert.isTrue(protection._tag === "Sealed" && protection.keys.publicKey[0] === pairs.get("option")!.publicKey[0])
      const catcher = yield* refusal("catch", machine(), { key: "-" }, { input })
      assert.include(catcher, "standard input: this is a master's key, and a catcher needs catcher.key")
    })
  )

  it.effect("nowhere with --insecure", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* found(machine("home"), { insecure: true }), "insecure")
    })
  )
})

describe("where there is no key", () => {
  it.effect("a master makes a phrase, another each time, that gives its catchers the same keys", () =>
    Effect.gen(function* () {
      const [a, b] = [yield* Keyring.forMaster(nothing, false), yield* Keyring.forMaster(nothing, false)]
      assert.notStrictEqual(Redacted.value(a.fresh!), Redacted.value(b.fresh!))
      assert.lengthOf(Redacted.value(a.fresh!).split("-"), Phrase.freshWords)
      const catcher = yield* Keyring.forCatcher({ ...nothing, phrase: a.fresh }, false)
      assert.isTrue(catcher._tag === "Sealed" && a.protection._tag === "Sealed")
      if (catcher._tag === "Sealed" && a.protection._tag === "Sealed") {
        assert.deepStrictEqual(catcher.keys.publicKey, a.protection.keys.publicKey)
      }
    }).pipe(Effect.provide(around(machine().folder, {})))
  )

  it.effect("a catcher says three ways to one, in three lines", () =>
    Effect.gen(function* () {
      const lines = (yield* refusal("catch", machine())).split("\n")
      assert.lengthOf(lines, 3)
      for (const [line, way] of [
        [0, "--phrase WORDS"],
        [1, "--key FILE"],
        [2, "--insecure"]
      ] as const) {
        assert.include(lines[line], way)
      }
    })
  )

  it.effect("an option that is empty is a mistake", () =>
    Effect.gen(function* () {
      for (const command of ["send", "catch"] as const)
        assert.include(yield* refusal(command, machine("home"), { key: "" }), "--key is empty")
    })
  )

  it.effect.skipIf(!canSwitchUser)("one's own key that cannot be read is no reason to take another", () =>
    Effect.gen(function* () {
      const place = machine("home", "etc")
      execFileSync("chmod", ["-R", "go+rX", top])
      for (const name of ["master.key", "catcher.key"]) fs.chmodSync(Path.join(place.directories.home, name), 0o600)
      const user = process.geteuid!()
      process.seteuid!(65_534)
      const refusals = yield* Effect.ensuring(
        Effect.all([refusal("send", place), refusal("catch", place)]),
        Effect.sync(() => process.seteuid!(user))
      )
      for (const reason of refusals) assert.include(reason, "permission denied")
    })
  )

  it.effect("nobody is asked where nobody could answer or see the question", () =>
    Effect.gen(function* () {
      const typed = `${words}\r`
      for (const terminals of [
        [true, false],
        [false, true]
      ] as const) {
        assert.include(yield* refusal("catch", machine(), {}, { terminals, typed }), "there is no key")
      }
      const phrase = Redacted.make("-")
      const blind = yield* refusal("catch", machine(), { phrase }, { terminals: [true, false], typed })
      assert.include(blind, "the phrase cannot be asked for")
    })
  )
})

describe("refused are", () => {
  it.effect("several at once", () =>
    Effect.gen(function* () {
      const phrase = Redacted.make(words)
      const both = "--key, --phrase and --insecure contradict each other: give one of them"
      for (const given of [
        { key: "k", phrase },
        { key: "k", insecure: true },
        { insecure: true, phrase }
      ]) {
        assert.strictEqual(yield* refusal("send", machine(), given), both)
      }
      const variables = { MRSYNC_KEY: "k", MRSYNC_PHRASE: words }
      const set = "MRSYNC_KEY and MRSYNC_PHRASE contradict each other: set one of them"
      assert.strictEqual(yield* refusal("send", machine(), {}, { variables }), set)
    })
  )

  it.effect("keys of the other side, damaged ones and weak phrases, each with where it is from", () =>
    Effect.gen(function* () {
      const { directories, ...there } = machine("option", "home")
      const master = Path.join(directories.option, "master.key")
      const catcher = Path.join(directories.option, "catcher.key")
      assert.include(yield* refusal("send", there, { key: catcher }), `${catcher}: this is a catcher's key`)
      assert.include(yield* refusal("catch", there, { key: master }), `${master}: this is a master's key`)
      // a usual file that is there and wrong is not passed over
      const usual = Path.join(directories.home, "catcher.key")
      fs.chmodSync(usual, 0o644)
      assert.include(yield* refusal("catch", there), `${usual}: others can read or change it`)
      const variables = { MRSYNC_PHRASE: "too short" }
      assert.include(yield* refusal("catch", there, {}, { variables }), "MRSYNC_PHRASE: it has 2 words")
      const weak = { phrase: Redacted.make("hunter2") }
      const said = yield* refusal("catch", there, weak)
      assert.include(said, "--phrase: it has 1 word")
      assert.notInclude(said, "hunter2")
      assert.include(yield* refusal("catch", there, { key: "/nonexistent/k" }), "no such file or directory")
    })
  )

  it.each([
    [["catch", "--phrase", "one", "two", "three", "dest"]],
    [["send", "-v", "--phrase=one", "two", "dest"]],
    [["send", "--phrase", "", "dest"]]
  ])("a phrase that the shell has torn: %j", (args) => {
    const normal = Arguments.normal(args, Library.fromCommand(root))
    const reason = Result.getOrThrow(Result.flip(normal)).reason
    assert.include(reason, "a phrase of several words is one argument")
    assert.notMatch(reason, /one two|three|dest/)
  })

  it.each([
    [["catch", "--phrase", "-", "dest"]],
    [["catch", "--phrase", "one two", "dest"]],
    [["catch", "--phrase=one-two", "dest"]],
    [["send", "dest", "--", "--phrase", "x"]]
  ])("but not one that is whole: %j", (args) =>
    assert.isTrue(Result.isSuccess(Arguments.normal(args, Library.fromCommand(root))))
  )
})

describe("the list of processes", () => {
  it.each([
    [["catch", "--phrase", words, "dest"], "mrsync catch --phrase ... dest"],
    [["send", `--phrase=${words}`, "-v", "x"], "mrsync send --phrase=... -v x"],
    [["catch", "--phrase", "-", "dest"], undefined],
    [["catch", "dest"], undefined]
  ])("%j", (args, shown) => assert.strictEqual(Title.withoutPhrase(args), shown))
})
