/** What is sent, and what is kept from being deleted, against rsync itself: the same trees, the same rules, the same lists. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { rulesOf } from "../../src/filter/Options.ts"
import { Dice } from "../../src/simulate/Dice.ts"
import { directory } from "../store/Sandbox.ts"
import { choiceOf, copied, kept, left, listed, options, plant, rsync, rulesText, selected, shown } from "./stories.ts"

export const hasRsync = spawnSync("rsync", ["--version"]).status === 0
/** Cases of one tree. */
const [sends, deletions, texts] = [56, 8, 12]

/** Programs that run at one time. */
const concurrency = 4

/** Both lists without what is the same in them. */
const differing = (theirs: ReadonlyArray<string>, ours: ReadonlyArray<string>) => ({
  theirs: theirs.filter((path) => !ours.includes(path)),
  ours: ours.filter((path) => !theirs.includes(path))
})
const isSame = ({ ours, theirs }: ReturnType<typeof differing>) => ours.length + theirs.length === 0

/** The tests of trees with these seeds. */
export const judge = (seeds: ReadonlyArray<number>): void => {
  it.live.each(seeds)("of what is sent of the tree of seed %i", (seed) =>
    Effect.gen(function* () {
      const dice = new Dice(seed)
      const { base } = plant(dice, yield* directory)
      const cases = Array.from({ length: sends }, () => ({
        given: options(dice),
        excludesCvs: dice.hits(0.1),
        source: dice.pick("s/", "s/", "s")
      }))
      let lines = 0
      const differences = yield* Effect.forEach(
        cases,
        Effect.fnUntraced(function* ({ excludesCvs, given, source }) {
          const args = [...shown(given), ...(excludesCvs ? ["-C"] : []), source]
          const theirs = yield* rsync(base, "-n", "-a", "--out-format=%n", ...args, "e/")
          assert.strictEqual(theirs.status, 0, `${args.join(" ")}: ${theirs.err}`)
          lines += listed(theirs).length
          const ours = yield* selected(choiceOf(base, given, excludesCvs), `${base}/${source}`)
          return { args, ...differing(listed(theirs), ours) }
        }),
        { concurrency }
      )
      assert.isAbove(lines, sends)
      assert.deepStrictEqual(
        differences.filter((one) => !isSame(one)),
        []
      )
    })
  )

  it.live.each(seeds)("of what is deleted of the tree of seed %i", (seed) =>
    Effect.gen(function* () {
      const dice = new Dice(seed + 1000)
      const { base } = plant(dice, yield* directory)
      const cases = Array.from({ length: deletions }, () => ({
        given: options(dice),
        excludesCvs: dice.hits(0.3),
        deletesExcluded: dice.hits(0.15)
      }))
      const differences = yield* Effect.forEach(
        cases,
        Effect.fnUntraced(function* ({ deletesExcluded, excludesCvs, given }) {
          const cvs = excludesCvs ? ["-C"] : []
          const args = [...shown(given), ...cvs, deletesExcluded ? "--delete-excluded" : "--delete"]
          const copy = yield* copied(base)
          const choice = choiceOf(base, given, excludesCvs)
          const sent = yield* selected(choice, `${base}/s/`)
          const ours = left(base, copy, choice.rules, { sent, deletesExcluded })
          const theirs = yield* kept(base, copy, ...args)
          assert.strictEqual(theirs.status, 0, `${args.join(" ")}: ${theirs.err}`)
          return { args, ...differing(theirs.left, ours) }
        }, Effect.scoped),
        { concurrency }
      )
      assert.deepStrictEqual(
        differences.filter((one) => !isSame(one)),
        []
      )
    })
  )

  it.live("of what is a rule", () =>
    Effect.gen(function* () {
      const base = yield* directory
      for (const name of ["s", "e", "home"]) fs.mkdirSync(`${base}/${name}`)
      fs.writeFileSync(`${base}/m`, "- a\n")
      const dice = new Dice(seeds[0])
      const cases = Array.from({ length: texts * seeds.length }, () => rulesText(dice))
      const read = (file: string) => Result.succeed(file === "m" ? "- a\n" : undefined)
      const sources = { read, isNulSeparated: false, cvsWords: "" }
      const differences = yield* Effect.forEach(
        cases,
        Effect.fnUntraced(function* (value) {
          const { status } = yield* rsync(base, "-n", "-a", `--filter=${value}`, "s/", "e/")
          const ours = rulesOf([{ option: "filter", value }], false, sources)
          // 11: a rule that names a file which is not there, and could be read
          return { value, theirs: status === 1, ours: Result.isFailure(ours) && ours.failure._tag === "BadRule" }
        }),
        { concurrency }
      )
      assert.isAbove(differences.filter(({ theirs }) => theirs).length, cases.length / 10)
      assert.isAbove(differences.filter(({ theirs }) => !theirs).length, cases.length / 10)
      assert.deepStrictEqual(
        differences.filter(({ ours, theirs }) => ours !== theirs),
        []
      )
    })
  )
}
