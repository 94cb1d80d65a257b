/** Key files on a real disk: what is refused, and that nothing is overwritten or left half made. */
import { assert, describe, it } from "@effect/vitest"
import { afterAll } from "vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import * as Limits from "../../src/protocol/Limits.ts"
import * as KeyFile from "../../src/seal/KeyFile.ts"
import * as Keys from "../../src/seal/Keys.ts"

const top = fs.mkdtempSync(Path.join(tmpdir(), "mrsync-keys-"))
afterAll(() => fs.rmSync(top, { recursive: true }))

let count = 0
const place = () => Path.join(top, `${count++}`, "keys")
const modeOf = (path: string) => (fs.statSync(path).mode & 0o777).toString(8)
const filled = (value: number) => new Uint8Array(Keys.secretBytes).fill(value)
const known = Keys.ofSecrets(filled(1), filled(2))

const reasonOf = <A>(effect: Effect.Effect<A, Keys.KeyError>) => Effect.map(Effect.flip(effect), ({ reason }) => reason)

/** A file with this text, mode and owner. */
const file = (text: string | Uint8Array, mode = 0o600, owner?: number) => {
  const path = place()
  fs.mkdirSync(Path.dirname(path), { recursive: true })
  fs.writeFileSync(path, text)
  fs.chmodSync(path, mode)
  if (owner !== undefined) fs.chownSync(path, owner, owner)
  return path
}

describe("writing", () => {
  it.effect("makes a pair that belongs together, which nobody else can read", () =>
    Effect.gen(function* () {
      const before = process.umask(0)
      const directory = place()
      const written = yield* KeyFile.write(directory, known)
      process.umask(before)
      assert.deepStrictEqual(written, {
        master: Path.join(directory, "master.key"),
        catcher: Path.join(directory, "catcher.key")
      })
      assert.deepStrictEqual([directory, written.master, written.catcher].map(modeOf), ["700", "600", "600"])
      const [master, catcher] = [yield* KeyFile.read(written.master), yield* KeyFile.read(written.catcher)]
      assert.deepStrictEqual([master._tag, catcher._tag], ["Master", "Catcher"])
      for (const { keys } of [master, catcher]) {
        assert.deepStrictEqual(keys.publicKey, known.publicKey)
        assert.deepStrictEqual(Redacted.value(keys.joinSecret), filled(2))
      }
    })
  )

  it.effect("into a directory that is there leaves its mode", () =>
    Effect.gen(function* () {
      const directory = place()
      fs.mkdirSync(directory, { recursive: true, mode: 0o755 })
      yield* KeyFile.write(directory, known)
      assert.strictEqual(modeOf(directory), "755")
    })
  )

  for (const name of ["master.key", "catcher.key"]) {
    it.effect(`where ${name} is there overwrites nothing, and leaves nothing`, () =>
      Effect.gen(function* () {
        const directory = place()
        fs.mkdirSync(directory, { recursive: true })
        fs.writeFileSync(Path.join(directory, name), "precious")
        const error = yield* Effect.flip(KeyFile.write(directory, known))
        assert.deepStrictEqual([error.path, error.code], [Path.join(directory, name), "EEXIST"])
        assert.include(error.message, "no key is overwritten")
        assert.deepStrictEqual(fs.readdirSync(directory), [name])
        assert.strictEqual(fs.readFileSync(Path.join(directory, name), "utf8"), "precious")
      })
    )
  }

  it.effect("follows no link to elsewhere", () =>
    Effect.gen(function* () {
      const directory = place()
      fs.mkdirSync(directory, { recursive: true })
      fs.symlinkSync("../elsewhere", Path.join(directory, "master.key"))
      assert.strictEqual((yield* Effect.flip(KeyFile.write(directory, known))).code, "EEXIST")
      assert.isFalse(fs.existsSync(Path.join(directory, "../elsewhere")))
    })
  )

  it.effect("where no directory can be says why", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(KeyFile.write(Path.join(file(""), "keys"), known))
      assert.strictEqual(error.code, "ENOTDIR")
    })
  )
})

describe("reading", () => {
  const text = Keys.printCatcher(Keys.forCatchers(known))

  it.effect("a link to a good file is fine", () =>
    Effect.gen(function* () {
      const link = `${file(text, 0o400)}-link`
      fs.symlinkSync("keys", link)
      assert.strictEqual((yield* KeyFile.read(link))._tag, "Catcher")
    })
  )

  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o601, 0o777]) {
    it.effect(`a file of mode ${mode.toString(8)} is refused, with what mends it`, () =>
      Effect.gen(function* () {
        const path = file(text, mode)
        const octal = mode.toString(8)
        assert.strictEqual(
          yield* reasonOf(KeyFile.read(path)),
          `others can read or change it (mode 0${octal}): take that from them with "chmod 600 ${path}"`
        )
        assert.strictEqual(spawnSync("chmod", ["600", path]).status, 0)
        assert.strictEqual((yield* KeyFile.read(path))._tag, "Catcher")
      })
    )
  }

  it.effect.skipIf(process.getuid?.() !== 0)("a file of another user is refused", () =>
    Effect.gen(function* () {
      const reason = yield* reasonOf(KeyFile.read(file(text, 0o600, 1234)))
      assert.include(reason, "it belongs to another user (1234), and a key file must be yours (0)")
    })
  )

  it.effect("what is no key file says so, with its path", () =>
    Effect.gen(function* () {
      const path = file("hello\n")
      const error = yield* Effect.flip(KeyFile.read(path))
      assert.deepStrictEqual([error._tag, error.path, error.code], ["KeyError", path, undefined])
      assert.match(error.message, /\/keys: line 1: this is no key file/)
    })
  )

  it.effect("what is not there, is a directory, or does not end", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(KeyFile.read(place()))).code, "ENOENT")
      assert.strictEqual((yield* Effect.flip(KeyFile.read(top))).code, "EISDIR")
      assert.strictEqual(yield* reasonOf(KeyFile.read(file(Buffer.alloc(KeyFile.mostBytes + 1, "#")))), KeyFile.tooLong)
      const long = text + "#".repeat(KeyFile.mostBytes - text.length)
      assert.strictEqual((yield* KeyFile.read(file(long)))._tag, "Catcher")
    })
  )

  /** A pipe into which this shell command writes. */
  const pipe = (command: string) => {
    const path = place()
    fs.mkdirSync(Path.dirname(path), { recursive: true })
    assert.strictEqual(spawnSync("mkfifo", ["-m", "600", path]).status, 0)
    if (command !== "") spawn("sh", ["-c", `exec > ${path}; ${command}`], { stdio: "ignore" }).unref()
    return path
  }

  it.live("a pipe may be slow, and come piece by piece", () =>
    Effect.gen(function* () {
      const [good, [first, ...others]] = [file(text), text.split("\n")]
      fs.writeFileSync(`${good}-end`, others.join("\n"))
      const path = pipe(`sleep 0.2; echo '${first}'; sleep 0.2; cat ${good}-end`)
      assert.strictEqual((yield* KeyFile.read(path))._tag, "Catcher")
    })
  )

  for (const [what, command, seconds] of [
    ["has no writer", "", Limits.keyWriterMillis / 1000],
    ["is left without a word", "exit", Limits.keyWriterMillis / 1000],
    ["has a writer that never writes", "exec sleep 5", Limits.keyWrittenMillis / 1000]
  ] as const) {
    it.effect(`a pipe that ${what} is refused after ${seconds} s`, () =>
      Effect.gen(function* () {
        const path = pipe(command)
        if (command !== "") yield* TestClock.withLive(Effect.sleep(300))
        const reading = yield* Effect.forkChild(reasonOf(KeyFile.read(path)))
        let millis = 0
        while (reading.pollUnsafe() === undefined && millis < 2 * Limits.keyWrittenMillis) {
          yield* TestClock.withLive(Effect.sleep(1))
          yield* TestClock.adjust(Limits.keyPollMillis)
          millis += Limits.keyPollMillis
        }
        assert.include(yield* Fiber.join(reading), `no key came out of it within ${seconds} s`)
      })
    )
  }

  it.effect("what is neither a file nor a pipe is refused", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* reasonOf(KeyFile.read("/dev/null")), "it is no file, and no pipe")
    })
  )
})
