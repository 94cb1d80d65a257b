/** Groups of hard links where the policy keeps some of their names: real rsync is the judge. [Y-2] */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as DiskSource from "../../../src/source/Disk.ts"
import { Source } from "../../../src/source/Source.ts"
import * as Compare from "../../../src/tree/Compare.ts"
import * as Policy from "../../../src/tree/Policy.ts"
import { directory, disk } from "../Sandbox.ts"

const hasRsync = spawnSync("rsync", ["--version"]).status === 0

/** What stands under a name: nothing, a newer or an older file, the right one, or the file of the name before. */
const states = ["absent", "newer", "older", "right", "linked"] as const
type State = (typeof states)[number]
const names = ["a", "b", "c"]
const groups = states.flatMap((a) => states.flatMap((b) => states.map((c) => [a, b, c] as const)))

const wanted = "of the source"
const wantedSeconds = 1_600_000_000

const stand = (at: string, state: State, before: string | undefined): boolean => {
  if (state === "absent" || (state === "linked" && before === undefined)) return false
  if (state === "linked" && before !== undefined) fs.linkSync(before, at)
  else {
    fs.writeFileSync(at, state === "right" ? wanted : state)
    const seconds =
      wantedSeconds + { right: 0, newer: 1000, older: -1000, linked: 0 }[state as Exclude<State, "absent">]
    fs.utimesSync(at, seconds, seconds)
  }
  return true
}

const make = (source: string, destination: string) => {
  groups.forEach((states, group) => {
    for (const at of [source, destination]) fs.mkdirSync(`${at}/${group}`, { recursive: true })
    let before: string | undefined
    names.forEach((name, i) => {
      const [from, to] = [`${source}/${group}/${name}`, `${destination}/${group}/${name}`]
      if (i > 0) fs.linkSync(`${source}/${group}/a`, from)
      else {
        fs.writeFileSync(from, wanted)
        fs.utimesSync(from, wantedSeconds, wantedSeconds)
      }
      if (stand(to, states[i], before)) before = to
    })
  })
}

/** The contents of each group's names. */
const contents = (at: string) =>
  groups.map((_, group) =>
    names.map((name) => {
      const path = `${at}/${group}/${name}`
      return fs.existsSync(path) ? fs.readFileSync(path, "utf8") : undefined
    })
  )

/** With the share of the groups that end exactly as rsync leaves them. */
const policies = [
  ["--ignore-existing", { keepsExisting: true }, 0.8],
  ["--existing", { onlyExisting: true }, 0.7],
  ["-u", { keepsNewer: true }, 0.65],
  ["-H", {}, 1]
] as const

describe.skipIf(!hasRsync)("groups of hard links", () => {
  it.effect.each(policies)("with %s: as rsync, where the first name is not kept", ([option, wished, least]) =>
    Effect.gen(function* () {
      const top = yield* directory
      make(`${top}/source`, `${top}/destination`)
      const before = contents(`${top}/destination`)
      const scanned = yield* Effect.flatMap(
        Layer.build(DiskSource.layer([`${top}/source/`])),
        (context) => Context.get(context, Source).scan
      )
      const store = yield* disk(`${top}/destination`)
      const words = yield* store.survey(scanned.entries, { ...Policy.defaults, ...wished })
      const wordOf = (group: number, name: string) =>
        words[scanned.entries.findIndex(({ path }) => Buffer.from(path).toString() === `${group}/${name}`)]
      const expected = groups.map((_, group) => {
        const contentOf = (name: string, standing: string | undefined) =>
          Compare.isLacked(wordOf(group, name)) ? wanted : standing
        const leaders = contentOf("a", before[group][0])
        // a link that is right is one with its leader, and follows it
        return names.map((name, i) => (wordOf(group, name) === 0 ? leaders : contentOf(name, before[group][i])))
      })
      execFileSync("rsync", ["-aH", option, `${top}/source/`, `${top}/destination/`])
      const after = contents(`${top}/destination`)
      // docs/filters.md lists these: a group is decided by its first name, and what is newer stays under each
      const isDocumented = (group: number, i: number) => {
        const [first, standing] = [expected[group][0], before[group][i]]
        return expected[group][i] === standing && (first !== wanted || (option === "-u" && standing === "newer"))
      }
      const same = groups.filter((_, group) => expected[group].every((content, i) => content === after[group][i]))
      const differing = groups.flatMap((states, group) => {
        const isOther = expected[group].some((content, i) => content !== after[group][i] && !isDocumented(group, i))
        return isOther ? [{ states, ours: expected[group], rsyncs: after[group] }] : []
      })
      assert.deepStrictEqual(differing, [])
      assert.isAtLeast(same.length, groups.length * least)
    })
  )
})
