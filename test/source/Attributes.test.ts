/** Extended attributes at the source: what is read, what is changed on the way, and what is only told of. [M-13] [Y-14] */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as Limits from "../../src/protocol/Limits.ts"
import { Reader } from "../../src/source/Attributes.ts"
import { type Choice, everything } from "../../src/source/Choice.ts"
import * as DiskSource from "../../src/source/Disk.ts"
import { Source } from "../../src/source/Source.ts"
import * as Errno from "../../src/system/Errno.ts"
import { type Calls, Libc, load } from "../../src/system/Libc.ts"
import * as Acl from "../../src/tree/Acl.ts"
import { accessAcl, capability, carried } from "../../src/tree/Attributes.ts"
import { metadataOf } from "../../src/tree/Entry.ts"
import { display } from "../../src/tree/Names.ts"
import * as Owners from "../../src/tree/Owners.ts"
import { asIs } from "../../src/tree/Wished.ts"
import { acl } from "../store/disk/acl.ts"
import { asNobody, canSwitchUser, directory, isLinux, isRoot } from "../store/Sandbox.ts"

const calls = () => Option.getOrThrow(load()).attributes!
const set = (path: string, name: string, value: Uint8Array) =>
  calls().set({ path: Buffer.from(path), follow: false }, name, value)

const scan = Effect.fnUntraced(function* (at: string, choice: Partial<Choice>) {
  const layer = DiskSource.layer([`${at}/`], { ...everything, ...choice })
  return yield* Context.get(yield* Layer.build(layer), Source).scan
})

const access = acl([1, 6], [2, 7, 1234], [4, 4], [8, 5, 99], [16, 7], [32, 0])

describe.skipIf(!isLinux)("attributes of a source", () => {
  it("XFS's own names of ACLs are not carried: to remove one would remove the ACL", () => {
    for (const carriesAcls of [true, false])
      for (const isRoot of [true, false]) {
        const isCarried = carried({ carriesAttributes: true, carriesAcls }, isRoot)
        assert.isFalse(isCarried("trusted.SGI_ACL_FILE") || isCarried("trusted.SGI_ACL_DEFAULT"))
        assert.strictEqual(isCarried("trusted.SGI_ACL"), isRoot)
        assert.strictEqual(isCarried(accessAcl), carriesAcls)
      }
  })

  it.effect("those that are wished, and one set where they are equal", () =>
    Effect.gen(function* () {
      const base = yield* directory
      for (const name of ["a", "b", "c"]) fs.writeFileSync(`${base}/${name}`, name)
      for (const name of ["a", "b"]) set(`${base}/${name}`, "user.x", Buffer.from("same"))
      set(`${base}/a`, accessAcl, access)
      const attributesOf = Effect.fnUntraced(function* (choice: Partial<Choice>) {
        const { entries } = yield* scan(base, choice)
        return entries.slice(1).map((entry) => metadataOf(entry)?.attributes)
      })
      assert.deepStrictEqual(yield* attributesOf({}), [undefined, undefined, undefined])
      const [a, b, c] = yield* attributesOf({ carriesAttributes: true })
      assert.deepStrictEqual(a, [{ name: "user.x", value: new Uint8Array(Buffer.from("same")) }])
      assert.strictEqual(a, b)
      assert.isUndefined(c)
      const both = yield* attributesOf({ carriesAttributes: true, carriesAcls: true })
      assert.deepStrictEqual(
        both[0]?.map(({ name }) => name),
        [accessAcl, "user.x"]
      )
    })
  )

  it.effect("of those that are not carried a notice tells: of directories, and of files that can be executed", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.mkdirSync(`${base}/d`)
      for (const name of ["plain", "tool", "tool 2"]) fs.writeFileSync(`${base}/d/${name}`, "x")
      assert.isUndefined((yield* scan(base, {})).uncarried)
      set(`${base}/d`, "user.x", Buffer.from("is not told"))
      for (const name of ["tool", "tool 2"]) {
        set(`${base}/d/${name}`, accessAcl, access)
        fs.chmodSync(`${base}/d/${name}`, 0o755)
      }
      set(`${base}/d/plain`, accessAcl, acl([1, 6], [2, 4, 1234], [4, 4], [16, 4], [32, 4]))
      const acls = { count: 2, first: "d/tool", acls: true, capabilities: false, needsRoot: false }
      assert.deepStrictEqual((yield* scan(base, {})).uncarried, acls)
      assert.isUndefined((yield* scan(base, { carriesAcls: true })).uncarried)
      if (!isRoot) return
      set(`${base}/d/tool 2`, capability, Buffer.from("0100000200200000000000000000000000000000", "hex"))
      assert.deepStrictEqual((yield* scan(base, {})).uncarried, { ...acls, capabilities: true })
      const capable = { count: 1, first: "d/tool 2", acls: false, capabilities: true, needsRoot: false }
      assert.deepStrictEqual((yield* scan(base, { carriesAcls: true })).uncarried, capable)
      const all = { carriesAcls: true, carriesAttributes: true }
      assert.isUndefined((yield* scan(base, all)).uncarried)
      // only root carries them
      fs.chmodSync(base, 0o755)
      if (canSwitchUser)
        assert.deepStrictEqual((yield* asNobody(scan(base, all))).uncarried, { ...capable, needsRoot: true })
    })
  )

  it.effect("an entry with more of them than is carried is not sent, and that is said", () =>
    Effect.gen(function* () {
      const base = yield* directory
      for (const name of ["a", "b"]) fs.writeFileSync(`${base}/${name}`, "x")
      const value = new Uint8Array(60_000)
      const names = Array.from({ length: Math.ceil(Limits.attributeBytes / value.length) }, (_, i) => `user.${i}`)
      const isMany = (of: unknown) => JSON.stringify(of).includes("/b")
      const attributes = {
        ...calls(),
        list: (of: unknown) => (isMany(of) ? names : ["user.0"]),
        get: () => value
      } as NonNullable<Calls["attributes"]>
      const libc = Option.map(load(), (all) => ({ ...all, attributes }))
      const layer = DiskSource.layer([`${base}/`], { ...everything, carriesAttributes: true })
      const source = Layer.build(Layer.provide(layer, Layer.succeed(Libc, libc)))
      const { entries, skipped } = yield* Context.get(yield* source, Source).scan
      assert.deepStrictEqual(
        entries.map(({ path }) => display(path)),
        [".", "a"]
      )
      assert.deepStrictEqual(
        skipped.map(({ at, kind, reason }) => [display(at!), kind, reason]),
        [["b", "Unreadable", "it has extended attributes of more than 1048576 bytes (E2BIG)"]]
      )
    })
  )

  it.effect("a file that is taken anew has those that it has then [M-8]", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.writeFileSync(`${base}/f`, "before")
      const layer = DiskSource.layer([`${base}/`], { ...everything, carriesAttributes: true })
      const source = Context.get(yield* Layer.build(layer), Source)
      yield* source.scan
      fs.writeFileSync(`${base}/f`, "after")
      set(`${base}/f`, "user.x", Buffer.from("after"))
      const { retaken } = yield* source.retake([1])
      assert.deepStrictEqual(retaken[0].metadata.attributes, [
        { name: "user.x", value: new Uint8Array(Buffer.from("after")) }
      ])
    })
  )

  it.effect("those that cannot be read are a loss, and no tree without them", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.writeFileSync(`${base}/f`, "x")
      const list = (of: unknown) => {
        if (JSON.stringify(of).includes("/f")) throw Errno.toCause(7)
        throw Errno.toCause(95)
      }
      const libc = Option.map(load(), (all) => ({ ...all, attributes: { ...calls(), list } }))
      const layer = DiskSource.layer([`${base}/`], { ...everything, carriesAttributes: true })
      const source = Layer.build(Layer.provide(layer, Layer.succeed(Libc, libc)))
      const { entries, skipped } = yield* Context.get(yield* source, Source).scan
      assert.deepStrictEqual([entries.length, skipped.map(({ kind }) => kind)], [1, ["Unreadable"]])
    })
  )

  it.effect("without the package koffi they cannot be read: that is an error, and no tree without them", () =>
    Effect.gen(function* () {
      const base = yield* directory
      const layer = DiskSource.layer([`${base}/`], { ...everything, carriesAcls: true })
      const built = yield* Effect.flip(Layer.build(Layer.provide(layer, Layer.succeed(Libc, Option.none()))))
      assert.include(built.message, "koffi")
    })
  )

  it("where nothing is wished nothing is read", () => {
    const reader = new Reader(load(), { carriesAcls: false, carriesAttributes: false, fakesSuper: false })
    assert.isUndefined(reader.at("/"))
  })
})

describe.skipIf(!isLinux)("an ACL whose mode or owners are changed on the way", () => {
  it.effect("is as the system has it after chmod", () =>
    Effect.gen(function* () {
      const base = yield* directory
      const plain = acl([1, 6], [2, 7, 1234], [4, 4], [16, 7], [32, 0])
      for (const before of [access, plain])
        for (const mode of [0o755, 0o640, 0o000, 0o777]) {
          fs.writeFileSync(`${base}/f`, "")
          set(`${base}/f`, accessAcl, before)
          fs.chmodSync(`${base}/f`, mode)
          const after = calls().get({ path: Buffer.from(`${base}/f`), follow: false }, accessAcl)
          assert.deepStrictEqual(Acl.changed(before, { users: [], groups: [], mode }), after, mode.toString(8))
          fs.rmSync(`${base}/f`)
        }
    })
  )

  it.effect("names the owners that are wished", () =>
    Effect.gen(function* () {
      const base = yield* directory
      fs.writeFileSync(`${base}/f`, "")
      set(`${base}/f`, accessAcl, access)
      const wished = { ...asIs, users: Owners.all(5), groups: Owners.all(6) }
      const { entries } = yield* scan(base, { carriesAcls: true, wished })
      const attributes = metadataOf(entries[1])?.attributes
      const expected = acl([1, 6], [2, 7, 5], [4, 4], [8, 5, 6], [16, 7], [32, 0])
      assert.deepStrictEqual(attributes, [{ name: accessAcl, value: new Uint8Array(expected) }])
    })
  )

  it("stays as it is where it is none", () => {
    for (const length of [0, 3, 5, 13])
      assert.deepStrictEqual(
        Acl.changed(new Uint8Array(length), { users: [], groups: [], mode: 0 }),
        new Uint8Array(length)
      )
  })
})
