/** Sealed sessions as a newcomer begins them: a pair of key files of which one is copied, and a phrase that is typed. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Lab from "./Lab.ts"
import * as Trees from "./Trees.ts"

const test = (name: string, count: number, body: (lab: Lab.Lab) => Effect.Effect<void>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(Lab.make(count), body)))

/** A command of a host that has its own place for keys, and variables of its own. */
const on = (lab: Lab.Lab, host: string, variables: ReadonlyArray<string>, ...args: ReadonlyArray<string>) =>
  lab.exec(
    host,
    "env",
    `XDG_CONFIG_HOME=${lab.folder}/keys-${host}`,
    ...variables,
    process.execPath,
    Lab.program,
    ...args
  )

const tree = (lab: Lab.Lab) => {
  const source = join(lab.folder, "source")
  mkdirSync(source)
  Trees.random(join(source, "large"), 1_000_000)
  return source
}

describe.skipIf(Lab.unavailable !== undefined)("keys on real hosts", () => {
  test(
    "keygen, one file copied, catch, send; a catcher with other keys gets nothing, and both sides say why",
    2,
    (lab) =>
      Effect.gen(function* () {
        const source = tree(lab)
        for (const host of ["m", "c2"]) assert.strictEqual((yield* on(lab, host, [], "keygen").ended).status, 0)
        mkdirSync(join(lab.folder, "keys-c1", "mrsync"), { recursive: true })
        const [from, to] = ["m", "c1"].map((host) => join(lab.folder, `keys-${host}`, "mrsync", "catcher.key"))
        copyFileSync(from, to)
        const catchers = [1, 2].map((i) => on(lab, `c${i}`, [], "catch", "--id", `c${i}`, lab.destination(i)))
        for (const catcher of catchers) yield* catcher.says("waiting")
        // c2 is heard, and not waited for
        const master = on(lab, "m", [], "send", "--hosts", "c1,c2", "--at-most", "3", "--at-least", "1", `${source}/`)
        const [sent, first] = yield* Effect.all([master.ended, catchers[0].ended])
        assert.strictEqual(first.status, 0, first.err)
        assert.strictEqual(Lab.rsyncSays(`${source}/`, `${lab.destination(1)}/`), "")
        assert.include(sent.err, "another key")
        yield* catchers[1].says("another key")
        yield* catchers[1].kill("SIGINT")
        const second = yield* catchers[1].ended
        assert.strictEqual(second.status, 20, second.err)
        assert.include(second.err, "another key")
        assert.isFalse(existsSync(lab.destination(2)) && readdirSync(lab.destination(2)).length > 0)
      })
  )

  test(
    "a phrase that send makes is shown to a person once, and stands in no line of --json and no list of processes",
    2,
    (lab) =>
      Effect.gen(function* () {
        const source = tree(lab)
        const master = on(lab, "m", [], "send", "--json", "--catchers", "2", "--wait", "20", `${source}/`)
        const [, phrase = ""] = /mrsync catch --phrase (\S+) DEST/.exec(yield* master.says(" DEST\n")) ?? []
        assert.match(phrase, /^[a-z]+(-[a-z]+){6}$/)
        const catchers = [
          on(lab, "c1", [], "catch", "-v", "--id", "c1", "--phrase", phrase, lab.destination(1)),
          on(
            lab,
            "c2",
            [`MRSYNC_PHRASE=${phrase.replaceAll("-", " ").toUpperCase()}`],
            "catch",
            "-v",
            "--id",
            "c2",
            lab.destination(2)
          )
        ]
        yield* catchers[0].says("waiting")
        const listed = readFileSync(`/proc/${catchers[0].process.pid}/cmdline`, "latin1")
        assert.match(listed, /^mrsync catch -v --id c1 --phrase \.\.\. /)
        // the command has words that a phrase may have, too
        const rest = listed.replace(lab.folder, "").replace(/^mrsync catch -v --id c1 --phrase \.\.\. /, "")
        for (const word of phrase.split("-")) assert.notInclude(rest, word)
        const [sent, ...received] = yield* Effect.all([master.ended, catchers[0].ended, catchers[1].ended])
        assert.deepStrictEqual(
          [sent, ...received].map(({ status }) => status),
          [0, 0, 0],
          sent.err + received[0].err
        )
        for (const i of [1, 2]) assert.strictEqual(Lab.rsyncSays(`${source}/`, `${lab.destination(i)}/`), "")
        assert.lengthOf(sent.err.split(phrase), 2)
        assert.notInclude(sent.out, phrase)
        for (const { err, out } of received)
          assert.notInclude(`${err}${out}`.toLowerCase(), phrase.slice(0, phrase.indexOf("-", 8)))
      })
  )
})
