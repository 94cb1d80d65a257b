/** Changes in rsync's letters: real rsync is the judge. [Y-7] */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import type { Item } from "../../../src/protocol/Words.ts"
import * as DiskSource from "../../../src/source/Disk.ts"
import { Source } from "../../../src/source/Source.ts"
import * as Itemize from "../../../src/tree/Itemize.ts"
import * as Policy from "../../../src/tree/Policy.ts"
import { directory, disk, isRoot } from "../Sandbox.ts"

const hasRsync = spawnSync("rsync", ["--version"]).status === 0

const source = (at: string): void => {
  fs.mkdirSync(`${at}/d/sub/deep`, { recursive: true })
  for (let i = 0; i < 12; i++) fs.writeFileSync(`${at}/d/${i}`, `content ${i}`)
  fs.symlinkSync("d/1", `${at}/link`)
  fs.symlinkSync("d/2", `${at}/link 2`)
  for (const i of [1, 2, 3]) {
    fs.writeFileSync(`${at}/h${i} leader`, "led")
    fs.linkSync(`${at}/h${i} leader`, `${at}/h${i} other`)
  }
  for (const name of ["p", "p2"]) execFileSync("mkfifo", [`${at}/${name}`])
  execFileSync("find", [at, "-exec", "touch", "-h", "-d", "2020-02-03 04:05:06.789", "{}", "+"])
}

const change = (at: string): void => {
  const file = (i: number) => `${at}/d/${i}`
  fs.writeFileSync(file(0), "content x")
  fs.writeFileSync(file(1), "longer than that")
  fs.utimesSync(file(2), 5, 5)
  fs.chmodSync(file(3), 0o600)
  if (isRoot) fs.chownSync(file(4), 3, 4)
  fs.rmSync(file(5))
  fs.symlinkSync("nowhere", file(5))
  fs.rmSync(file(6))
  fs.chmodSync(file(7), 0o600)
  fs.writeFileSync(file(7), "more and other")
  fs.rmSync(`${at}/link`)
  fs.symlinkSync("elsewhere", `${at}/link`)
  execFileSync("touch", ["-h", "-d", "2021-01-01", `${at}/link 2`])
  fs.rmSync(`${at}/h1 other`)
  fs.copyFileSync(`${at}/h1 leader`, `${at}/h1 other`)
  execFileSync("touch", ["-r", `${at}/h1 leader`, `${at}/h1 other`])
  fs.rmSync(`${at}/h2 other`)
  fs.chmodSync(`${at}/d/sub`, 0o700)
  fs.rmSync(`${at}/d/sub/deep`, { recursive: true })
  fs.chmodSync(`${at}/p`, 0o600)
  fs.rmSync(`${at}/p2`)
  fs.writeFileSync(`${at}/p2`, "no FIFO")
  fs.mkdirSync(`${at}/d/extra/in it`, { recursive: true })
  fs.writeFileSync(`${at}/d/extra/in it/file`, "x")
  fs.symlinkSync("..", `${at}/extra link`)
}

const options: ReadonlyArray<readonly [rsync: string, policy: Partial<Policy.Policy>]> = [
  ["-aHni", {}],
  ["-aHni --delete", { deletes: true }],
  ["-aHni --size-only", { compare: "Size" }],
  ["-aHniI", { compare: "Nothing" }],
  ["-aHniu", { keepsNewer: true }],
  ["-aHni --existing", { onlyExisting: true }],
  ["-aHni --ignore-existing", { keepsExisting: true }],
  ["-aHni --modify-window=99999999", { windowSeconds: 99_999_999 }],
  ["-aHni --modify-window=-1", { windowSeconds: -1 }]
]

describe.skipIf(!hasRsync)("in rsync's letters", () => {
  it.effect.each(options)("as rsync %s has them", ([args, wished]) =>
    Effect.gen(function* () {
      const top = yield* directory
      fs.mkdirSync(`${top}/source`)
      source(`${top}/source`)
      execFileSync("cp", ["-a", `${top}/source`, `${top}/destination`])
      change(`${top}/destination`)
      const said = execFileSync("rsync", [...args.split(" "), `${top}/source/`, `${top}/destination/`], {
        encoding: "utf8"
      })
      const policy = { ...Policy.defaults, ...wished }
      const scanned = yield* Effect.flatMap(
        Layer.build(DiskSource.layer([`${top}/source/`])),
        (context) => Context.get(context, Source).scan
      )
      const store = yield* disk(`${top}/destination`)
      const items: Array<Item> = [...(yield* store.survey(scanned.entries, policy))].flatMap(
        (change, entry): Array<Item> => (change === 0 ? [] : [{ _tag: "Change", entry, change }])
      )
      const told = (path: Uint8Array, isDirectory: boolean) => void items.push({ _tag: "Deletion", path, isDirectory })
      if (policy.deletes) yield* store.deleteOthers({ isDry: true, spared: [], most: Infinity, told })
      const ours = items.flatMap((item) => {
        const line = Itemize.lineOf(item, scanned.entries)
        const arrow = line?.changes.startsWith("h") === true ? "=>" : "->"
        return line === undefined
          ? []
          : [`${line.changes.padEnd(11)} ${line.path}${line.to === undefined ? "" : ` ${arrow} ${line.to}`}`]
      })
      assert.deepStrictEqual(
        ours.toSorted(),
        said
          .split("\n")
          .filter((line) => line !== "")
          .toSorted()
      )
    })
  )
})
