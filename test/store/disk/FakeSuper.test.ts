/** A destination that keeps in attributes what only root may set. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { load } from "../../../src/system/Libc.ts"
import { statName } from "../../../src/tree/FakeSuper.ts"
import { defaults, type Policy } from "../../../src/tree/Policy.ts"
import { directory, isLinux, isRoot, names, ways } from "../Sandbox.ts"
import { sync } from "./syncing.ts"

/** What is kept of a path; undefined: nothing. */
const keptOf = (path: string) => {
  const value = Option.getOrThrow(load()).attributes!.get({ path: Buffer.from(path), follow: false }, statName)
  return value && Buffer.from(value).toString("latin1")
}

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

describe.skipIf(!isLinux)("a disk with --fake-super", () => {
  const keep = (top: string, policy: Partial<Policy> = {}) =>
    sync(`${top}/from`, `${top}/to`, { ...defaults, ...policy }, ways[0], { fakesSuper: true })

  it.effect("modes that are not carried stay as they are kept, those of directories and links, too", () =>
    Effect.gen(function* () {
      const top = yield* made
      assert.deepStrictEqual(yield* keep(top), [])
      const { uid } = fs.statSync(top)
      fs.chmodSync(`${top}/from/d`, 0o700)
      fs.writeFileSync(`${top}/from/d/new`, "new")
      fs.symlinkSync("target", `${top}/from/new`)
      fs.utimesSync(`${top}/from/d`, 1, 1)
      assert.deepStrictEqual(yield* keep(top, { leavesMode: true }), [])
      assert.strictEqual(keptOf(`${top}/to/d`), mine("41755"))
      for (const link of ["link", "new"]) assert.strictEqual(keptOf(`${top}/to/${link}`), mine("120777"))
      assert.deepInclude(fs.statSync(`${top}/to/d`), { mode: 0o40755, uid })
    })
  )

  it.effect("a real link becomes a file that stands for it, also where nothing else differs", () =>
    Effect.gen(function* () {
      const top = yield* made
      fs.symlinkSync("target", `${top}/to/link`)
      execFileSync("touch", ["-h", "-r", `${top}/from/link`, `${top}/to/link`])
      assert.deepStrictEqual(yield* keep(top), [])
      assert.strictEqual(fs.lstatSync(`${top}/to/link`).isSymbolicLink(), false)
      assert.strictEqual(fs.readFileSync(`${top}/to/link`, "utf8"), "target")
      const { ino } = fs.lstatSync(`${top}/to/link`)
      assert.deepStrictEqual(yield* keep(top), [])
      assert.strictEqual(fs.lstatSync(`${top}/to/link`).ino, ino)
    })
  )

  it.effect.skipIf(!isRoot)("a directory of backups keeps what that of the tree has kept", () =>
    Effect.gen(function* () {
      const top = yield* made
      fs.chownSync(`${top}/from/d`, 77, 88)
      fs.chmodSync(`${top}/from/d`, 0o1755)
      assert.deepStrictEqual(yield* keep(top), [])
      fs.rmSync(`${top}/from/d`, { recursive: true })
      const backup = { directory: Buffer.from("old"), suffix: Buffer.alloc(0) }
      assert.deepStrictEqual(yield* keep(top, { backup, deletes: true }), [])
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
      const failures = yield* keep(top)
      assert.strictEqual(failures.length, 2)
      for (const { reason } of failures) assert.include(reason, "ENOSPC")
      assert.deepStrictEqual(names(`${top}/to`), ["full", "link"])
      assert.strictEqual(fs.readFileSync(`${top}/to/link`, "utf8"), "older")
    })
  )
})
