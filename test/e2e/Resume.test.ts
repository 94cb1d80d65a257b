/** A large file whose session broke off: the same commands again send what has not arrived. [Y-15] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import * as Lab from "./Lab.ts"

const megabyte = 1024 * 1024
/** By hand with more of them: both are run then, and the pages told. */
const megabytes = process.env["RESUME_MB"]
const size = Number(megabytes ?? 32) * megabyte
const pageBytes = 1400

/** So slow that there is time to kill everything after it was told that 80 % have arrived. */
const rate = megabytes === undefined ? "100mbit" : "600mbit"

const random = (path: string) => execFileSync("sh", ["-c", `head -c ${size} /dev/urandom > "${path}"`])

/** A hundred stretches, 1 % of all, are others. */
const changeInPlace = (path: string) => {
  const file = fs.openSync(path, "r+")
  const length = Math.floor(size / 10_000)
  for (let i = 0; i < 100; i++)
    fs.writeSync(file, new Uint8Array(length).fill(i), 0, length, Math.floor((i * size) / 100))
  fs.closeSync(file)
}

/** An older version of an image: its data is another, and there is some where the image has a hole. */
const older = (image: string, path: string) => {
  const content = fs.readFileSync(image)
  fs.writeFileSync(path, content.fill(1, 0, 32 * megabyte))
  fs.utimesSync(path, 1, 1)
}

/** The options and the source of both sessions. */
const argsOf = (source: string) => ["--page-size", String(pageBytes), `${source}/`]

/** A session whose sides are all killed as soon as the master tells that so many bytes have arrived. */
const breaksOff = Effect.fnUntraced(function* (
  { catchers, mrsync }: Lab.Lab,
  arrivedBytes: number,
  ...args: ReadonlyArray<string>
) {
  const receiving = yield* catchers(2)
  const master = mrsync("m", "send", "--json", "--catchers", "2", ...args)
  yield* master.sees(({ _tag, bytes }) => _tag === "Tick" && bytes > arrivedBytes)
  for (const running of [master, ...receiving]) yield* running.kill("SIGKILL")
  for (const running of [master, ...receiving]) yield* running.ended
})

describe.skipIf(Lab.unavailable !== undefined)("a session with --inplace that is killed [F-11]", () => {
  it.live("and begun again: the file is mended where it stands, also where it has holes", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { lab, source } = yield* Lab.withSource(2)
        const image = join(source, "image")
        execFileSync("sh", ["-c", `head -c ${16 * megabyte} /dev/urandom > "${image}"`])
        fs.truncateSync(image, 64 * megabyte)
        fs.appendFileSync(image, "end")
        const paths = [1, 2].map((i) => join(lab.destination(i), "image"))
        for (const path of paths) {
          fs.mkdirSync(join(path, ".."), { recursive: true })
          older(image, path)
        }
        const before = paths.map((path) => fs.statSync(path).ino)
        const args = ["--inplace", ...argsOf(source)]
        yield* breaksOff(lab, 8 * megabyte, "--bwlimit", "50mbit", ...args)
        for (const path of paths) assert.notStrictEqual(Lab.rsyncSays(`${source}/`, `${join(path, "..")}/`), "")
        const { report } = yield* Lab.session(lab, yield* lab.catchers(2), ...args)
        for (const [i, path] of paths.entries()) {
          const at = lab.destination(i + 1)
          assert.strictEqual(Lab.rsyncSays(`${source}/`, `${at}/`), "")
          assert.deepStrictEqual(fs.readdirSync(at), ["image"])
          assert.strictEqual(fs.statSync(path).ino, before[i])
          assert.isAtMost(fs.statSync(path).blocks, fs.statSync(image).blocks)
        }
        // half of it had arrived
        const { needed, repaired } = report.pages
        assert.isBelow(needed + repaired, (9 * megabyte) / pageBytes)
      })
    )
  )
})

describe.skipIf(Lab.unavailable !== undefined)(
  "a file that another program writes to while it is written in place [F-11]",
  () => {
    it.live("is told as changed meanwhile where that was, and the next session mends it", () =>
      Effect.scoped(
        Effect.gen(function* () {
          const { lab, source } = yield* Lab.withSource(2)
          const image = join(source, "image")
          random(image)
          const paths = [1, 2].map((i) => join(lab.destination(i), "image"))
          for (const path of paths) {
            fs.mkdirSync(join(path, ".."), { recursive: true })
            fs.copyFileSync(image, path)
            // half of it is to come
            execFileSync(
              "dd",
              ["if=/dev/zero", `of=${path}`, "bs=1M", `count=${size / megabyte / 2}`, "conv=notrunc"],
              {
                stdio: "ignore"
              }
            )
            fs.utimesSync(path, 1, 1)
          }
          const args = ["--inplace", ...argsOf(source)]
          const receiving = yield* lab.catchers(2)
          const master = lab.mrsync("m", "send", "--json", "--catchers", "2", "--bwlimit", "100mbit", ...args)
          yield* master.sees(({ _tag, bytes }) => _tag === "Tick" && bytes > 4 * megabyte)
          // it was right from the beginning
          const file = fs.openSync(paths[0], "r+")
          fs.writeSync(file, "other", size - 100_000)
          fs.closeSync(file)
          assert.strictEqual((yield* master.ended).status, 23)
          const ended = yield* Effect.forEach(receiving, (catcher) => catcher.ended)
          assert.deepStrictEqual(
            ended.map(({ status }) => status),
            [23, 0]
          )
          assert.match(ended[0].out, /image.*changed at the destination while the session ran/)
          execFileSync("cmp", [image, paths[1]])
          yield* Lab.session(lab, yield* lab.catchers(2), ...args)
          for (const path of paths) execFileSync("cmp", [image, path])
        })
      )
    )
  }
)

describe.skipIf(Lab.unavailable !== undefined)("a session that is killed at 80 % of a large file [Y-15]", () => {
  for (const isChanged of megabytes === undefined ? [true] : [false, true]) {
    it.live(`and begun again${isChanged ? " with a changed source" : ""}: at most a quarter is sent`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const { lab, source } = yield* Lab.withSource(2)
          const image = join(source, "image")
          random(image)
          const args = argsOf(source)
          const destinations = [1, 2].map(lab.destination)
          yield* breaksOff(lab, 0.8 * size, "--bwlimit", rate, ...args)
          for (const at of destinations) assert.isFalse(fs.existsSync(join(at, "image")))
          if (isChanged) changeInPlace(image)
          const { report } = yield* Lab.session(lab, yield* lab.catchers(2), ...args)
          for (const at of destinations) {
            execFileSync("cmp", [image, join(at, "image")])
            assert.deepStrictEqual(fs.readdirSync(at), ["image"])
          }
          const { needed, repaired } = report.pages
          if (megabytes !== undefined) console.warn({ needed, repaired, pages: size / pageBytes })
          assert.isBelow(needed + repaired, 0.25 * (size / pageBytes))
        })
      )
    )
  }
})
