/** Extended attributes and ACLs at a destination: rsync -aHAX is the judge. [Y-14] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { type AttributeCalls, load } from "../../../src/system/Libc.ts"
import { accessAcl } from "../../../src/tree/Attributes.ts"
import * as Policy from "../../../src/tree/Policy.ts"
import { canSwitchUser, asNobody, directory, disk, file, isRoot, ways } from "../Sandbox.ts"
import { acl } from "./acl.ts"
import { sync } from "./syncing.ts"

const calls = (): AttributeCalls => Option.getOrThrow(Option.flatMapNullishOr(load(), ({ attributes }) => attributes))
const at = (path: string) => ({ path: Buffer.from(path), follow: false })

const access = acl([1, 6], [2, 7, 1234], [4, 4], [16, 7], [32, 0])
const inherited = acl([1, 7], [2, 5, 77], [4, 5], [8, 7, 78], [16, 7], [32, 5])
const defaultAcl = "system.posix_acl_default"
/** cap_net_raw=ep */
const capability = Buffer.from("0100000200200000000000000000000000000000", "hex")

const hasRsync = /\bACLs\b/.test(spawnSync("rsync", ["--version"], { encoding: "utf8" }).stdout)

const policy = { ...Policy.defaults, carriesAttributes: true, carriesAcls: true }

/** Files, directories and others with attributes of every kind. */
const source = (root: string): void => {
  const { set } = calls()
  fs.mkdirSync(`${root}/d/inner`, { recursive: true })
  fs.mkdirSync(`${root}/plain`)
  for (const name of ["f", "g", "same", "d/inner/x", "bin", "plain/y", "secret"])
    fs.writeFileSync(`${root}/${name}`, name)
  fs.symlinkSync("f", `${root}/l`)
  execFileSync("mkfifo", [`${root}/p`])
  set(at(`${root}/f`), "user.a", Buffer.from("value"))
  set(at(`${root}/f`), "user.empty", Buffer.alloc(0))
  set(at(`${root}/f`), "user.binary \xff", Buffer.from([0, 1, 255]))
  set(at(`${root}/d`), "user.d", Buffer.from("of a directory"))
  set(at(`${root}/d`), defaultAcl, inherited)
  set(at(`${root}/g`), accessAcl, access)
  set(at(`${root}/secret`), "user.secret", Buffer.from("s"))
  fs.chmodSync(`${root}/secret`, 0o400)
  // made after it, so that they have what they inherit
  fs.mkdirSync(`${root}/d/heir`)
  fs.writeFileSync(`${root}/d/heir/z`, "z")
  if (isRoot) {
    for (const name of ["l", "p", "d"]) set(at(`${root}/${name}`), "trusted.t", Buffer.from(name))
    fs.chownSync(`${root}/bin`, 3, 4)
    fs.chmodSync(`${root}/bin`, 0o4755)
    set(at(`${root}/bin`), "security.capability", capability)
  }
  fs.linkSync(`${root}/f`, `${root}/f again`)
  execFileSync("find", [root, "-exec", "touch", "-h", "-d", "2020-02-03 04:05:06.789", "{}", "+"])
}

/** What a catcher has is other, or in the way. */
const change = (root: string): void => {
  const { remove, set } = calls()
  set(at(`${root}/f`), "user.a", Buffer.from("other"))
  set(at(`${root}/f`), "user.more", Buffer.from("more"))
  remove(at(`${root}/f`), "user.empty")
  set(at(`${root}/same`), accessAcl, access)
  remove(at(`${root}/d`), defaultAcl)
  // what is made in it would have an ACL
  set(at(`${root}/plain`), defaultAcl, inherited)
  fs.rmSync(`${root}/plain/y`)
  remove(at(`${root}/secret`), "user.secret")
  if (isRoot) remove(at(`${root}/bin`), "security.capability")
}

const rsyncSays = (from: string, to: string): string =>
  execFileSync("rsync", ["-aHAXSni", "--checksum", "--delete", `${from}/`, `${to}/`], { encoding: "latin1" })

describe.skipIf(!hasRsync).each(ways.filter(({ koffi }) => koffi))("attributes, $name", (way) => {
  it.effect("arrive as rsync -aHAX has them, at an empty destination and over what is there [Y-14]", () =>
    Effect.gen(function* () {
      const base = yield* directory
      const [from, to] = [`${base}/from`, `${base}/to`]
      fs.mkdirSync(from)
      source(from)
      fs.mkdirSync(to)
      // what is made below it would inherit this
      calls().set(at(to), defaultAcl, inherited)
      assert.deepStrictEqual(yield* sync(from, to, policy, way), [])
      assert.strictEqual(rsyncSays(from, to), "")
      if (isRoot)
        assert.deepStrictEqual(calls().get(at(`${to}/bin`), "security.capability"), new Uint8Array(capability))
      change(to)
      assert.notStrictEqual(rsyncSays(from, to), "")
      const inode = fs.statSync(`${to}/f`).ino
      assert.deepStrictEqual(yield* sync(from, to, policy, way), [])
      assert.strictEqual(rsyncSays(from, to), "")
      // what is right is not touched
      const stamps = () =>
        ["f", "g", "d", "bin", "l"].map((name) => fs.lstatSync(`${to}/${name}`, { bigint: true }).ctimeNs)
      const before = stamps()
      assert.deepStrictEqual(yield* sync(from, to, policy, way), [])
      assert.deepStrictEqual(stamps(), before)
      // put right where it stands
      assert.strictEqual(fs.statSync(`${to}/f`).ino, inode)
    })
  )

  it.effect("are left alone where they are not carried, and one kind without the other", () =>
    Effect.gen(function* () {
      const base = yield* directory
      const [from, to] = [`${base}/from`, `${base}/to`]
      fs.mkdirSync(from)
      source(from)
      execFileSync("rsync", ["-aHAX", `${from}/`, `${to}/`])
      change(to)
      const names = () =>
        ["f", "same", "d", "g"].map((name) =>
          calls()
            .list(at(`${to}/${name}`))
            .toSorted()
        )
      const before = names()
      fs.utimesSync(`${to}/f`, 1, 1)
      assert.deepStrictEqual(yield* sync(from, to, Policy.defaults, way), [])
      assert.deepStrictEqual(names(), before)
      assert.deepStrictEqual(yield* sync(from, to, { ...policy, carriesAttributes: false }, way), [])
      assert.deepStrictEqual(names()[0], before[0])
      assert.notInclude(names()[1], accessAcl)
      assert.deepStrictEqual(yield* sync(from, to, { ...policy, carriesAcls: false }, way), [])
      assert.deepStrictEqual(
        names()[0].toSorted(),
        calls()
          .list(at(`${from}/f`))
          .toSorted()
      )
    })
  )
})

describe.skipIf(!isRoot)("attributes that are refused", () => {
  const entry = (...attributes: ReadonlyArray<{ readonly name: string; readonly value: Uint8Array }>) => {
    const plain = file("f", 1)
    return { ...plain, metadata: { ...plain.metadata, attributes } }
  }
  const value = Buffer.from("v")

  const received = Effect.fnUntraced(function* (to: string, one: ReturnType<typeof entry>) {
    const store = yield* disk(to)
    const changes = yield* store.survey([one], policy)
    const failures = [...(yield* store.prepare([one], { policy, changes }))]
    return [...failures, ...(yield* receiveRest(store, one))]
  })

  const receiveRest = Effect.fnUntraced(function* (
    store: Effect.Success<ReturnType<typeof disk>>,
    one: ReturnType<typeof entry>
  ) {
    const carried = { file: 1, kind: "Bundle", size: 1, members: [{ entry: 0, offset: 0, size: 1 }] } as const
    return yield* Effect.scoped(
      Effect.gen(function* () {
        const writer = yield* store.open(carried)
        yield* writer.write(0, Buffer.from("x"))
        return yield* writer.commit(() => one === undefined)
      })
    )
  })

  it.effect("are failures of their entry, which has all the rest", () =>
    Effect.gen(function* () {
      const base = yield* directory
      const [failure, ...others] = yield* received(base, entry({ name: "nowhere.x", value }, { name: "user.a", value }))
      assert.deepStrictEqual(others, [])
      assert.match(
        failure.reason,
        /^its attribute nowhere\.x cannot be set: its file system has none like it \(E(NOTSUP|OPNOTSUPP)\)$/
      )
      assert.strictEqual(fs.readFileSync(`${base}/f`, "latin1"), "x")
      assert.strictEqual(Math.floor(fs.statSync(`${base}/f`).mtimeMs), 1_600_000_000_123)
      assert.deepStrictEqual(calls().list(at(`${base}/f`)), ["user.a"])
    })
  )

  it.effect.skipIf(!canSwitchUser)("are set by its owner where its mode lets nobody write to it", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.chmodSync(base, 0o777)
      const one = entry({ name: "user.a", value })
      const closed = { ...one, metadata: { ...one.metadata, mode: 0o400, uid: 65_534, gid: 65_534 } }
      assert.deepStrictEqual(yield* asNobody(received(base, closed)), [])
      calls().remove(at(`${base}/f`), "user.a")
      const store = yield* disk(base)
      const prepared = Effect.gen(function* () {
        const changes = yield* store.survey([closed], policy)
        return yield* store.prepare([closed], { policy, changes })
      })
      assert.deepStrictEqual(yield* asNobody(prepared), [])
      assert.deepStrictEqual(calls().list(at(`${base}/f`)), ["user.a"])
      assert.strictEqual(fs.statSync(`${base}/f`).mode & 0o777, 0o400)
    })
  )

  it.effect("the system's own are not set, whatever the master says, nor is any but a user's by another user", () =>
    Effect.gen(function* () {
      const base = yield* directory
      const all = ["security.capability", "system.nfs4_acl", "user.a", "user.rsync.%stat"]
      const one = entry(...all.map((name) => ({ name, value: name.startsWith("sec") ? capability : value })))
      assert.deepStrictEqual(yield* received(base, one), [])
      assert.deepStrictEqual(
        calls()
          .list(at(`${base}/f`))
          .toSorted(),
        ["security.capability", "user.a"]
      )
      if (!canSwitchUser) return
      fs.chmodSync(base, 0o777)
      fs.rmSync(`${base}/f`)
      assert.deepStrictEqual(yield* asNobody(received(base, one)), [])
      assert.deepStrictEqual(calls().list(at(`${base}/f`)), ["user.a"])
    })
  )
})
