/** Small files that have no name before their own, and what is done where that cannot be. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as Confinement from "../../../src/store/disk/Confinement.ts"
import * as Disk from "../../../src/store/disk/Disk.ts"
import { Store } from "../../../src/store/Store.ts"
import * as Errno from "../../../src/system/Errno.ts"
import * as Libc from "../../../src/system/Libc.ts"
import type { Entry } from "../../../src/tree/Entry.ts"
import * as Policy from "../../../src/tree/Policy.ts"
import {
  asNobody,
  bundle,
  canSwitchUser,
  deliver,
  dir,
  directory,
  file,
  isRoot,
  modeOf,
  names,
  receive
} from "../Sandbox.ts"
import { acl } from "./acl.ts"

const loaded = Libc.load()
const hasNameless = Option.getOrUndefined(loaded)?.nameless !== undefined
if (!hasNameless) console.log("Nameless.test.ts: there are no files without a name here: its tests are skipped")

/** The calls, counted. `refused`: of those to files without a name, with the system's code. */
const counted = (refused: { readonly create?: string; readonly link?: string } = {}) => {
  const calls = Option.getOrThrow(loaded)
  const own = calls.nameless
  if (own === undefined) throw new Error("there are none")
  const made = { nameless: 0, linked: 0, named: 0, renamed: 0 }
  const refuse = (code: string | undefined) => {
    if (code !== undefined) throw Errno.toCause(Errno.numberOf(code) ?? 0)
  }
  const nameless: Libc.NamelessCalls = {
    create: (...args) => {
      made.nameless++
      refuse(refused.create)
      return own.create(...args)
    },
    link: (...args) => {
      made.linked++
      refuse(refused.link)
      own.link(...args)
    }
  }
  const openat: Libc.Calls["openat"] = (...args) => {
    made.named++
    return calls.openat(...args)
  }
  const renameat: Libc.Calls["renameat"] = (...args) => {
    made.renamed++
    calls.renameat(...args)
  }
  return { made, libc: Option.some({ ...calls, nameless, openat, renameat }) }
}

const storeWith = Effect.fnUntraced(function* (
  at: string,
  libc: Option.Option<Libc.Calls>,
  options: Disk.Options = {}
) {
  const layer = Layer.provide(Disk.layer(at, options), Layer.succeed(Libc.Libc, libc))
  return Context.get(yield* Layer.build(layer), Store)
})

const tree: ReadonlyArray<Entry> = [dir(""), dir("d"), file("a", 3), file("d/b", 3), file("d/c", 0)]
const content = "aaabbb"
const read = (at: string) => ["a", "d/b", "d/c"].map((name) => fs.readFileSync(`${at}/${name}`, "utf8"))
const whole = ["aaa", "bbb", ""]

describe.skipIf(!hasNameless)("files without a name", () => {
  it.effect("have no other name before their own", () =>
    Effect.gen(function* () {
      const at = yield* directory
      const { libc, made } = counted()
      assert.deepStrictEqual(yield* receive(yield* storeWith(at, libc), tree, content), [])
      assert.deepStrictEqual(made, { nameless: 3, linked: 3, named: 0, renamed: 0 })
      assert.deepStrictEqual(read(at), whole)
      assert.deepStrictEqual(names(at), ["a", "d", "d/b", "d/c"])
    })
  )

  it.effect("take the place of what has come to have the name", () =>
    Effect.gen(function* () {
      const at = yield* directory
      const { libc, made } = counted()
      const store = yield* storeWith(at, libc)
      yield* store.prepare(tree)
      fs.writeFileSync(`${at}/a`, "another's")
      fs.mkdirSync(`${at}/d/b`)
      fs.symlinkSync("nowhere", `${at}/d/c`)
      assert.deepStrictEqual(yield* deliver(store, bundle(tree), content), [])
      assert.deepStrictEqual(made, { nameless: 3, linked: 6, named: 0, renamed: 4 })
      assert.deepStrictEqual(read(at), whole)
      assert.deepStrictEqual(names(at), ["a", "d", "d/b", "d/c"])
    })
  )

  it.effect("a directory that is not empty keeps its name, and nothing is left", () =>
    Effect.gen(function* () {
      const at = yield* directory
      const store = yield* storeWith(at, loaded)
      yield* store.prepare(tree)
      fs.mkdirSync(`${at}/d/b/x`, { recursive: true })
      const failures = yield* deliver(store, bundle(tree), content)
      assert.deepStrictEqual(
        failures.map(({ entry }) => entry),
        [3]
      )
      assert.match(failures[0].reason, /not empty/)
      assert.deepStrictEqual(names(at), ["a", "d", "d/b", "d/b/x", "d/c"])
    })
  )

  it.effect("what is known to be there is replaced under a temporary name, and kept as a backup", () =>
    Effect.gen(function* () {
      const at = yield* directory
      fs.writeFileSync(`${at}/a`, "old")
      const { libc, made } = counted()
      const store = yield* storeWith(at, libc)
      const backup = { suffix: Buffer.from("~"), directory: new Uint8Array(0) }
      const policy: Policy.Policy = { ...Policy.defaults, backup }
      yield* store.prepare(tree, { policy, changes: yield* store.survey(tree, policy) })
      // this one comes after the survey
      fs.writeFileSync(`${at}/d/b`, "late")
      assert.deepStrictEqual(yield* deliver(store, bundle(tree), content), [])
      assert.strictEqual(made.named, 1)
      assert.deepStrictEqual(read(at), whole)
      assert.deepStrictEqual(names(at), ["a", "a~", "d", "d/b", "d/b~", "d/c"])
      assert.strictEqual(fs.readFileSync(`${at}/a~`, "utf8"), "old")
      assert.strictEqual(fs.readFileSync(`${at}/d/b~`, "utf8"), "late")
    })
  )

  for (const [refused, once] of [
    [{ create: "EOPNOTSUPP" }, { nameless: 1, linked: 0 }],
    [{ create: "EISDIR" }, { nameless: 1, linked: 0 }],
    [{ link: "EPERM" }, { nameless: 1, linked: 1 }]
  ] as const) {
    for (const syncs of [false, true]) {
      it.effect(
        `where there are none others are made, ${JSON.stringify(refused)}${syncs ? ", with --fsync" : ""}`,
        () =>
          Effect.gen(function* () {
            const at = yield* directory
            const { libc, made } = counted(refused)
            const store = yield* storeWith(at, libc, { syncs })
            assert.deepStrictEqual(yield* receive(store, tree, content), [])
            // all that are waited for together have been made by then
            const expected = syncs && "link" in refused ? { nameless: 3, linked: 3 } : once
            assert.deepStrictEqual(made, { ...expected, named: 3, renamed: 3 })
            assert.deepStrictEqual(read(at), whole)
            assert.deepStrictEqual(names(at), ["a", "d", "d/b", "d/c"])
          })
      )
    }
  }

  it.effect("another refusal is that of the file, and no other way is tried", () =>
    Effect.gen(function* () {
      const at = yield* directory
      const { libc, made } = counted({ link: "ENOSPC" })
      const failures = yield* receive(yield* storeWith(at, libc), tree, content)
      assert.deepStrictEqual(
        failures.map(({ entry, reason }) => `${entry} ${reason}`),
        [2, 3, 4].map((entry) => `${entry} no space left on device (ENOSPC)`)
      )
      assert.deepStrictEqual(made, { nameless: 3, linked: 3, named: 0, renamed: 0 })
      assert.deepStrictEqual(names(at), ["d"])
    })
  )

  it.effect.skipIf(!canSwitchUser)("who may not name a file by its descriptor goes through /proc", () =>
    Effect.gen(function* () {
      const at = yield* directory
      fs.chmodSync(at, 0o777)
      const confined = Confinement.make(Buffer.from(at), true, loaded)
      // the system knows who has opened a file
      const made = confined.nameless(confined.root, 0o600)
      assert.isDefined(made)
      fs.fchownSync(made.fd, 65_534, 65_534)
      yield* asNobody(Effect.sync(() => confined.link(confined.root, made.fd, Buffer.from("a"))))
      assert.deepStrictEqual(names(at), ["a"])
      assert.strictEqual(fs.fstatSync(made.fd).nlink, 1)
      fs.closeSync(made.fd)
      confined.close()
    })
  )

  it("take names, not paths", () => {
    const { link } = Option.getOrThrow(loaded).nameless ?? {}
    for (const name of ["a/b", "../a", "/a", "a\0b", "", ".", ".."])
      assert.throws(() => link?.(0, 0, Buffer.from(name)), /EINVAL/)
  })
})

/** Modes, owners and directories by which a file comes with something else than it is to have. */
const modes = [0, 0o400, 0o600, 0o644, 0o666, 0o755, 0o1644, 0o2755, 0o4755, 0o6711]
const owners = isRoot ? [undefined, 65_534] : [undefined]
const made: ReadonlyArray<Entry> = [
  dir("", { mode: 0o755 }),
  dir("plain"),
  dir("group", { mode: 0o2755 }),
  dir("acl"),
  ...["plain", "group", "acl"].flatMap((parent) =>
    owners.flatMap((id) =>
      modes.map((mode) =>
        file(`${parent}/${mode.toString(8)}-${id ?? "own"}`, 1, {
          mode,
          ...(id === undefined ? {} : { uid: id, gid: id })
        })
      )
    )
  )
]

/** Their modes, owners and ACLs, when they have come. */
const described = Effect.fnUntraced(function* (libc: Option.Option<Libc.Calls>, policy: Policy.Policy) {
  const at = yield* directory
  fs.mkdirSync(`${at}/group`)
  fs.chmodSync(`${at}/group`, 0o2755)
  if (isRoot) fs.chownSync(`${at}/group`, 0, 4)
  fs.mkdirSync(`${at}/acl`)
  const attributes = Option.getOrUndefined(loaded)?.attributes
  const inherited = acl([1, 6], [2, 7, 65_534], [4, 5], [16, 7], [32, 1])
  const place = { path: Buffer.from(`${at}/acl`), follow: false }
  attributes?.set(place, "system.posix_acl_default", inherited)
  const store = yield* storeWith(at, libc)
  yield* store.prepare(made, { policy, changes: yield* store.survey(made, policy) })
  // directories have their own metadata in the end only
  attributes?.set(place, "system.posix_acl_default", inherited)
  const failures = yield* deliver(store, bundle(made), "x".repeat(made.length - 4))
  assert.deepStrictEqual(failures, [])
  return made.slice(4).map(({ path }) => {
    const text = Buffer.from(path).toString()
    const { gid, uid } = fs.statSync(`${at}/${text}`)
    const own = { path: Buffer.from(`${at}/${text}`), follow: false }
    const list = attributes?.get(own, "system.posix_acl_access")
    const access = list === undefined ? "" : Buffer.from(list).toString("hex")
    return [text, modeOf(`${at}/${text}`).toString(8), uid, gid, access].join(" ")
  })
})

describe.skipIf(!hasNameless)("what a file without a name has from its directory", () => {
  for (const [name, policy] of [
    ["all is carried", Policy.defaults],
    ["no modes", { ...Policy.defaults, leavesMode: true }],
    ["no owners", { ...Policy.defaults, leavesOwner: true, leavesGroup: true }],
    ["ACLs", { ...Policy.defaults, carriesAcls: true }]
  ] as const) {
    it.effect(`is the same as when all of it is set: ${name}`, () =>
      Effect.gen(function* () {
        const { libc, made: count } = counted()
        const found = yield* described(libc, policy)
        assert.strictEqual(count.nameless, found.length)
        assert.deepStrictEqual(found, yield* described(counted({ create: "EOPNOTSUPP" }).libc, policy))
      })
    )
  }

  it.effect.skipIf(!canSwitchUser)("a mode that an attribute needed is not what stays", () =>
    Effect.gen(function* () {
      const at = yield* directory
      fs.chownSync(at, 65_534, 65_534)
      const attributes = [{ name: "user.a", value: Buffer.from("a") }]
      const entries = [dir(""), file("a", 1, { mode: 0o400, attributes })]
      const policy = { ...Policy.defaults, carriesAttributes: true }
      yield* asNobody(
        Effect.gen(function* () {
          const { libc, made } = counted()
          const store = yield* storeWith(at, libc)
          yield* store.prepare(entries, { policy, changes: yield* store.survey(entries, policy) })
          assert.deepStrictEqual(yield* deliver(store, bundle(entries), "x"), [])
          assert.strictEqual(made.linked, 1)
        })
      )
      assert.strictEqual(modeOf(`${at}/a`), 0o400)
    })
  )
})
