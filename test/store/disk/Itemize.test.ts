/** Changes in rsync's letters: real rsync is the judge. [Y-7] */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as Filter from "../../../src/filter/Filter.ts"
import { type Given, rulesOf } from "../../../src/filter/Options.ts"
import type { Rule } from "../../../src/filter/Rule.ts"
import { everything } from "../../../src/source/Choice.ts"
import type { Item } from "../../../src/protocol/Words.ts"
import * as DiskSource from "../../../src/source/Disk.ts"
import { Source } from "../../../src/source/Source.ts"
import { load } from "../../../src/system/Libc.ts"
import * as Itemize from "../../../src/tree/Itemize.ts"
import * as Policy from "../../../src/tree/Policy.ts"
import { directory, disk, isRoot } from "../Sandbox.ts"
import { accessAcl } from "../../../src/tree/Attributes.ts"
import { acl } from "./acl.ts"
import { resolve } from "./doubts.ts"

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
  for (const name of ["p", "p2", "p3"]) execFileSync("mkfifo", [`${at}/${name}`])
  special(at)
  attribute(at)
  execFileSync("find", [at, "-exec", "touch", "-h", "-d", "2020-02-03 04:05:06.789", "{}", "+"])
}

/** Extended attributes and ACLs. */
const attribute = (at: string): void => {
  const { set } = Option.getOrThrow(load()).attributes!
  const path = (name: string) => ({ path: Buffer.from(`${at}/${name}`), follow: false })
  for (const name of ["d/9", "d/10", "d/11", "d/sub"]) set(path(name), "user.a", Buffer.from(name))
  set(path("d/11"), accessAcl, acl([1, 6], [2, 7, 1234], [4, 4], [16, 7], [32, 4]))
}

const changeAttributes = (at: string): void => {
  const { remove, set } = Option.getOrThrow(load()).attributes!
  const path = (name: string) => ({ path: Buffer.from(`${at}/${name}`), follow: false })
  set(path("d/9"), "user.a", Buffer.from("other"))
  remove(path("d/10"), "user.a")
  set(path("d/7"), "user.b", Buffer.from("more"))
  set(path("d/11"), accessAcl, acl([1, 6], [2, 6, 1234], [4, 4], [16, 7], [32, 4]))
  set(path("d/sub"), "system.posix_acl_default", acl([1, 7], [4, 5], [32, 5]))
}

/** Sockets and devices, and further names of what is no file. */
const special = (at: string): void => {
  const { mknod } = Option.getOrThrow(load())
  const path = (name: string) => Buffer.from(`${at}/${name}`)
  for (const name of ["s", "s2", "s3"]) mknod(path(name), "Socket", 0o644, 0)
  for (const name of ["s", "p3", "link 2"]) fs.linkSync(`${at}/${name}`, `${at}/${name} again`)
  if (!isRoot) return
  for (const name of ["c", "c2", "c3", "c4"]) mknod(path(name), "CharacterDevice", 0o644, 0x0103)
  for (const name of ["b", "b2"]) mknod(path(name), "BlockDevice", 0o644, 0x0700 + 2 ** 20)
  fs.linkSync(`${at}/c`, `${at}/c again`)
  fs.linkSync(`${at}/c2`, `${at}/c2 again`)
}

/** What becomes of them. */
const changeSpecial = (at: string): void => {
  const { mknod } = Option.getOrThrow(load())
  const path = (name: string) => Buffer.from(`${at}/${name}`)
  fs.rmSync(`${at}/s2`)
  fs.rmSync(`${at}/s3`)
  execFileSync("mkfifo", [`${at}/s3`])
  for (const name of ["s again", "p3 again", "link 2 again"]) fs.rmSync(`${at}/${name}`)
  if (!isRoot) return
  fs.rmSync(`${at}/c again`)
  fs.chmodSync(`${at}/c2`, 0o600)
  for (const name of ["c3", "c4", "b"]) fs.rmSync(`${at}/${name}`)
  mknod(path("c3"), "CharacterDevice", 0o644, 0x0105)
  execFileSync("touch", ["-r", `${at}/c2`, `${at}/c3`])
  mknod(path("b"), "CharacterDevice", 0o644, 0x0700)
}

const change = (at: string): void => {
  changeSpecial(at)
  changeAttributes(at)
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
  // of the same size and time
  fs.writeFileSync(file(8), "content z")
  execFileSync("touch", ["-r", file(9), file(8)])
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
  // for rules
  fs.mkdirSync(`${at}/cache/deep`, { recursive: true })
  for (const name of ["cache/a", "cache/deep/b.o", "d/x.o", "d/extra/y.o", "d/z"])
    fs.writeFileSync(`${at}/${name}`, "x")
  fs.writeFileSync(`${at}/d/.rules`, "P z\n- .rules\n")
}

const options: ReadonlyArray<readonly [rsync: string, policy: Partial<Policy.Policy>]> = [
  ["-aHni", {}],
  ["-aHni --delete", { deletes: true }],
  ["-aHni --size-only", { compare: "Size" }],
  ["-aHniI", { compare: "Nothing" }],
  ["-aHnic", { compare: "Content" }],
  ["-aHnicu --delete", { compare: "Content", keepsNewer: true, deletes: true }],
  ["-aHniu", { keepsNewer: true }],
  ["-aHni --existing", { onlyExisting: true }],
  ["-aHni --ignore-existing", { keepsExisting: true }],
  ["-aHni --modify-window=99999999", { windowSeconds: 99_999_999 }],
  ["-aHni --modify-window=-1", { windowSeconds: -1 }],
  ["-aHni --delete --exclude=*.o", { deletes: true }],
  ["-aHni --delete --exclude=/cache/ --exclude=/link", { deletes: true }],
  ["-aHni --delete --filter=P_*.o --filter=-p_deep/", { deletes: true }],
  ["-aHni --delete --delete-excluded --exclude=*.o --filter=P_/cache/a", { deletes: true, deletesExcluded: true }],
  ["-aHni --delete --filter=:_.rules", { deletes: true }],
  ["-aHni --delete --max-size=10", { deletes: true }],
  ["-aHni --no-perms", { leavesMode: true }],
  ["-aHni --no-perms -E", { leavesMode: true, carriesExecutability: true }],
  ["-aHni --no-owner", { leavesOwner: true }],
  ["-aHni --no-group --no-owner", { leavesOwner: true, leavesGroup: true }],
  ["-aHni --no-times", { leavesTimes: true }],
  ["-aHniO", { leavesDirectoryTimes: true }],
  ["-aHniJ", { leavesLinkTimes: true }],
  ["-aHXAni", { carriesAttributes: true, carriesAcls: true }],
  ["-aHXni", { carriesAttributes: true }],
  ["-aHAnic", { carriesAcls: true, compare: "Content" }],
  ["-aHniOJ --no-times --no-perms", { leavesTimes: true, leavesMode: true }]
]

const sources = { read: () => Result.succeed(undefined), isNulSeparated: false, cvsWords: "" }

/** The rules among rsync's options. */
const rulesIn = (args: string): ReadonlyArray<Rule> => {
  const given = [...args.matchAll(/--(exclude|filter)=(\S+)/g)].map(([, option, value]) => ({
    option: option as Given["option"],
    value
  }))
  return Result.getOrThrow(rulesOf(given, false, sources))
}

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
      const rules = rulesIn(args)
      const policy = { ...Policy.defaults, ...wished }
      const { carriesAcls, carriesAttributes } = policy
      const choice = {
        ...everything,
        carriesAcls,
        carriesAttributes,
        rules,
        ...(args.includes("max-size") ? { maxBytes: 10 } : {})
      }
      const found = Context.get(yield* Layer.build(DiskSource.layer([`${top}/source/`], choice)), Source)
      const scanned = yield* found.scan
      const store = yield* disk(`${top}/destination`)
      const changes = yield* store.survey(scanned.entries, policy)
      yield* resolve(found, scanned.entries, store, changes)
      const items: Array<Item> = [...changes].flatMap((change, entry): Array<Item> =>
        change === 0 ? [] : [{ _tag: "Change", entry, change }]
      )
      const told = (path: Uint8Array, isDirectory: boolean) => void items.push({ _tag: "Deletion", path, isDirectory })
      const { deletesExcluded } = policy
      const filter = Filter.make(rules, { side: "Receiver", root: "", deletesExcluded, sources })
      const deleting = { isDry: true, spared: scanned.spared, most: Infinity, told, filter }
      if (policy.deletes) yield* store.deleteOthers(deleting)
      const ours = items.flatMap((item) => {
        const line = Itemize.lineOf(item, scanned.entries, policy)
        const arrow = line?.changes.startsWith("h") === true ? "=>" : "->"
        return line === undefined
          ? []
          : [`${line.changes.padEnd(11)} ${line.path}${line.to === undefined ? "" : ` ${arrow} ${line.to}`}`]
      })
      // rsync sends a missing link of a file that it leaves alone as a file of its own, and we link it
      const isLinked = (line: string) => policy.keepsExisting && /h2 other| again/.test(line)
      // of a directory that keeps something it says both that it goes and that it cannot
      const stays = new Set([...said.matchAll(/^cannot delete non-empty directory: (.*)$/gm)].map(([, path]) => path))
      const isStaying = (line: string) =>
        stays.has(line.replace(/^\*deleting {3}|\/$/g, "")) || line.startsWith("cannot")
      // of a file of another time rsync says that it sends it, and finds then that nothing differs
      const isTimeOnly = (line: string) => policy.compare === "Time" && /^[.>]f\.\.t\S* d\/2$/i.test(line)
      // rsync tells this change at both names of what has two
      const isTwice = (line: string) => line === "hD...p..... c2 again"
      const isJudged = (line: string) =>
        line !== "" && !isTwice(line) && !isLinked(line) && !isStaying(line) && !isTimeOnly(line)
      assert.deepStrictEqual(ours.filter(isJudged).toSorted(), said.split("\n").filter(isJudged).toSorted())
    })
  )
})
