/** A destination that keeps in attributes what only root may set. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as Filter from "../../../src/filter/Filter.ts"
import * as Compare from "../../../src/tree/Compare.ts"
import type { Entry } from "../../../src/tree/Entry.ts"
import { load } from "../../../src/system/Libc.ts"
import { accessAcl } from "../../../src/tree/Attributes.ts"
import { statName } from "../../../src/tree/FakeSuper.ts"
import { defaults, type Policy } from "../../../src/tree/Policy.ts"
import {
  asNobody,
  bundle,
  bytes,
  canSwitchUser,
  deliver,
  device,
  dir,
  directory,
  disk,
  fifo,
  file,
  hardLink,
  isLinux,
  isRoot,
  names,
  symlink,
  ways
} from "../Sandbox.ts"
import { acl } from "./acl.ts"
import { sync } from "./syncing.ts"

const sources = { read: () => Result.succeed(undefined), isNulSeparated: false, cvsWords: "" }

/** What is kept of a path; undefined: nothing. */
const keptOf = (path: string) => {
  const value = Option.getOrThrow(load()).attributes!.get({ path: Buffer.from(path), follow: false }, statName)
  return value && Buffer.from(value).toString("latin1")
}

const keep = (path: string, value: string) =>
  Option.getOrThrow(load()).attributes!.set({ path: Buffer.from(path), follow: false }, statName, Buffer.from(value))

/** The same of a mode, of a user's own file. */
const mine = (mode: string) => `${mode} 0,0 ${process.geteuid?.()}:${process.getegid?.()}`

const made = Effect.map(directory, (top) => {
  fs.mkdirSync(`${top}/from/d`, { recursive: true })
  fs.mkdirSync(`${top}/to`)
  fs.writeFileSync(`${top}/from/d/f`, "f")
  fs.symlinkSync("target", `${top}/from/link`)
  fs.chmodSync(`${top}/from/d`, 0o1755)
  return top
})

/** What only root could make: owners, kinds and modes. */
const system = (uid: number, mode: number) => [
  dir("", { uid, gid: 2, mode: 0o3555 }),
  dir("d", { uid, gid: 3, mode: 0o1000 | mode }),
  device("device", (1 << 8) + 3 + (1 << 20), { uid, gid: 4, mode }),
  file("f", 1, { uid, gid: 5, mode: 0o4000 | mode }),
  symlink("link", "target", { uid, gid: 6 }),
  fifo("pipe", { uid, gid: 7, mode }),
  hardLink("z", 4),
  hardLink("zz", 2)
]

const keptOfSystem = (uid: number, mode: string) => [
  ["", `43555 0,0 ${uid}:2`],
  ["d", `41${mode} 0,0 ${uid}:3`],
  ["device", `20${mode} 1,259 ${uid}:4`],
  ["f", `104${mode} 0,0 ${uid}:5`],
  ["link", `120777 0,0 ${uid}:6`],
  ["pipe", `10${mode} 0,0 ${uid}:7`],
  ["z", `120777 0,0 ${uid}:6`],
  ["zz", `20${mode} 1,259 ${uid}:4`]
]

describe.skipIf(!isLinux)("a disk with --fake-super", () => {
  const filter = Filter.make([], { side: "Receiver", root: "", deletesExcluded: false, sources })
  const asUser = <A, E, R>(effect: Effect.Effect<A, E, R>) => (canSwitchUser ? asNobody(effect) : effect)
  const own = Effect.tap(directory, (at) =>
    Effect.sync(() => canSwitchUser && execFileSync("chown", ["65534:65534", at]))
  )

  /** A session of another process; answers what the survey has found. */
  const session = Effect.fnUntraced(function* (
    at: string,
    entries: ReadonlyArray<Entry>,
    wish: Partial<Policy> = {},
    meanwhile = () => {}
  ) {
    const policy = { ...defaults, ...wish }
    const store = yield* disk(at, ways[0], undefined, { fakesSuper: true })
    const changes = yield* store.survey(entries, policy)
    const failures = [...(yield* store.prepare(entries, { policy, changes, filter }))]
    if (changes.some((change, index) => entries[index]._tag === "File" && Compare.isLacked(change)))
      failures.push(...(yield* deliver(store, bundle(entries), "f")))
    meanwhile()
    assert.deepStrictEqual([...failures, ...(yield* store.finish)], [])
    return [...changes]
  })

  it.effect("a plain user keeps all of it, sees it so, and puts right what differs where it stands", () =>
    Effect.gen(function* () {
      const at = `${yield* own}/to`
      const kept = () => keptOfSystem(0, "").map(([name]) => [name, keptOf(`${at}/${name}`)])
      const inodes = () => names(at).map((name) => fs.lstatSync(`${at}/${name}`).ino)
      const { Group, Mode, Owner } = Compare.change
      yield* asUser(
        Effect.gen(function* () {
          const dry = yield* disk(at, ways[0], undefined, { fakesSuper: true })
          const told = yield* dry.survey(system(70_000, 0o311), { ...defaults, isDryRun: true })
          assert.isTrue(told.every((change) => change === (Compare.change.Content | Compare.change.New)))
          yield* session(at, system(70_000, 0o311))
          assert.deepStrictEqual(kept(), keptOfSystem(70_000, "311"))
          assert.strictEqual(fs.lstatSync(`${at}/f`).mode, 0o100711)
          assert.strictEqual(fs.lstatSync(`${at}/d`).mode, 0o40711)
          assert.strictEqual(fs.readFileSync(`${at}/z`, "utf8"), "target")
          const before = inodes()
          assert.deepStrictEqual(yield* session(at, system(70_000, 0o311)), [0, 0, 0, 0, 0, 0, 0, 0])
          const both = Owner | Mode
          assert.deepStrictEqual(yield* session(at, system(9, 0o640)), [Owner, both, both, both, Owner, both, 0, 0])
          assert.deepStrictEqual(kept(), keptOfSystem(9, "640"))
          assert.deepStrictEqual(inodes(), before)
          yield* session(at, system(9, 0o640), {}, () => keep(`${at}/pipe`, "10640 0,0 1:1"))
          assert.deepStrictEqual(kept(), keptOfSystem(9, "640"))
          // what is not carried stays
          yield* session(at, system(10, 0o600), { leavesOwner: true, leavesGroup: true })
          assert.deepStrictEqual(kept(), keptOfSystem(9, "600"))
          const ofGroup = system(9, 0o600).with(3, file("f", 1, { uid: 9, gid: 8, mode: 0o4600 }))
          assert.strictEqual((yield* session(at, ofGroup))[3], Group)
          assert.strictEqual(keptOf(`${at}/f`), "104600 0,0 9:8")
          // what the disk itself has need not be kept
          const mineBut = (gid: object) => system(0, 0).with(3, file("f", 1, { mode: 0o644, ...gid }))
          yield* session(at, mineBut({ gid: 8 }))
          assert.strictEqual(keptOf(`${at}/f`), mine("100644").replace(/\d+$/, "8"))
          assert.strictEqual((yield* session(at, mineBut({})))[3], Group)
          assert.isUndefined(keptOf(`${at}/f`))
        })
      )
    })
  )

  const received = (top: string, policy: Partial<Policy> = {}) =>
    sync(`${top}/from`, `${top}/to`, { ...defaults, ...policy }, ways[0], { fakesSuper: true })

  it.effect("where the disk does not let its user write to a directory, that is opened, whatever is kept", () =>
    Effect.gen(function* () {
      const at = `${yield* own}/to`
      const directories = [dir(""), dir("d", { uid: 9, gid: 9 })]
      yield* asUser(
        Effect.gen(function* () {
          yield* session(at, directories)
          fs.chmodSync(`${at}/d`, 0o500)
          yield* session(at, [...directories, file("d/f", 1)])
          assert.strictEqual(keptOf(`${at}/d`), "40755 0,0 9:9")
        })
      )
    })
  )

  it.effect("ACLs and attributes of root's are kept, and seen with the mode that is kept", () =>
    Effect.gen(function* () {
      const at = yield* own
      const wish = { carriesAcls: true, carriesAttributes: true }
      const held = { name: "trusted.held", value: bytes("only root") }
      const tree = (mode: number) => {
        const [owner, group] = [mode >> 6, (mode >> 3) & 7]
        const value = acl([1, owner], [2, 7, 3], [4, 0], [16, group], [32, 0])
        const options = { uid: 9, gid: 9, mode, attributes: [{ name: accessAcl, value }, held] }
        return [
          dir("", { uid: 9 }),
          dir("d", options),
          file("f", 1, options),
          symlink("l", "to", { uid: 9, attributes: [held] }),
          fifo("p", options)
        ]
      }
      yield* asUser(
        Effect.gen(function* () {
          yield* session(at, tree(0o440), wish)
          assert.deepStrictEqual(yield* session(at, tree(0o440), wish), [0, 0, 0, 0, 0])
          const { Acl, Mode } = Compare.change
          const found = yield* session(at, tree(0o060), wish)
          assert.deepStrictEqual(found, [0, Acl | Mode, Acl | Mode, 0, Acl | Mode])
          assert.deepStrictEqual(yield* session(at, tree(0o060), wish), [0, 0, 0, 0, 0])
        })
      )
    })
  )

  it.effect("modes that are not carried stay as they are kept, those of directories and links, too", () =>
    Effect.gen(function* () {
      const top = yield* made
      for (const name of ["f", "touched"]) {
        fs.writeFileSync(`${top}/from/d/${name}`, "f")
        fs.chmodSync(`${top}/from/d/${name}`, 0o4711)
      }
      assert.deepStrictEqual(yield* received(top), [])
      const { uid } = fs.statSync(top)
      fs.utimesSync(`${top}/from/d/touched`, 1, 1)
      fs.writeFileSync(`${top}/from/d/f`, "another")
      for (const name of ["f", "touched"]) fs.chmodSync(`${top}/from/d/${name}`, 0o600)
      fs.chmodSync(`${top}/from/d`, 0o700)
      fs.writeFileSync(`${top}/from/d/new`, "new")
      fs.symlinkSync("target", `${top}/from/new`)
      fs.utimesSync(`${top}/from/d`, 1, 1)
      assert.deepStrictEqual(yield* received(top, { leavesMode: true }), [])
      assert.strictEqual(keptOf(`${top}/to/d`), mine("41755"))
      for (const name of ["f", "touched"]) assert.strictEqual(keptOf(`${top}/to/d/${name}`), mine("104711"))
      for (const link of ["link", "new"]) assert.strictEqual(keptOf(`${top}/to/${link}`), mine("120777"))
      assert.deepInclude(fs.statSync(`${top}/to/d`), { mode: 0o40755, uid })
    })
  )

  it.effect("a real link becomes a file that stands for it, also where nothing else differs", () =>
    Effect.gen(function* () {
      const top = yield* made
      fs.symlinkSync("target", `${top}/to/link`)
      execFileSync("touch", ["-h", "-r", `${top}/from/link`, `${top}/to/link`])
      assert.deepStrictEqual(yield* received(top), [])
      assert.strictEqual(fs.lstatSync(`${top}/to/link`).isSymbolicLink(), false)
      assert.strictEqual(fs.readFileSync(`${top}/to/link`, "utf8"), "target")
      const { ino } = fs.lstatSync(`${top}/to/link`)
      assert.deepStrictEqual(yield* received(top), [])
      assert.strictEqual(fs.lstatSync(`${top}/to/link`).ino, ino)
    })
  )

  it.effect.skipIf(!isRoot)("a directory of backups keeps what that of the tree has kept", () =>
    Effect.gen(function* () {
      const top = yield* made
      fs.chownSync(`${top}/from/d`, 77, 88)
      fs.chmodSync(`${top}/from/d`, 0o1755)
      assert.deepStrictEqual(yield* received(top), [])
      fs.rmSync(`${top}/from/d`, { recursive: true })
      const backup = { directory: Buffer.from("old"), suffix: Buffer.alloc(0) }
      assert.deepStrictEqual(yield* received(top, { backup, deletes: true }), [])
      assert.strictEqual(keptOf(`${top}/to/old/d`), "41755 0,0 77:88")
      assert.deepInclude(fs.statSync(`${top}/to/old/d`), { mode: 0o40755, uid: 0, gid: 0 })
    })
  )

  it.effect.skipIf(!isRoot)("where there is no room for the target of a link, nothing is left of it", () =>
    Effect.gen(function* () {
      const top = yield* made
      yield* Effect.acquireRelease(
        Effect.sync(() => execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", `${top}/to`])),
        () => Effect.sync(() => void spawnSync("umount", ["-l", `${top}/to`]))
      )
      fs.rmSync(`${top}/from/d`, { recursive: true })
      fs.symlinkSync("target", `${top}/from/new`)
      fs.writeFileSync(`${top}/to/link`, "older")
      spawnSync("dd", ["if=/dev/zero", `of=${top}/to/full`, "bs=4k"], { stdio: "ignore" })
      const failures = yield* received(top)
      assert.strictEqual(failures.length, 2)
      for (const { reason } of failures) assert.include(reason, "ENOSPC")
      assert.deepStrictEqual(names(`${top}/to`), ["full", "link"])
      assert.strictEqual(fs.readFileSync(`${top}/to/link`, "utf8"), "older")
    })
  )
})
