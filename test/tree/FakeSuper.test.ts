/** What `--fake-super` keeps: values that rsync 3.5.0 has made, and that either way loses nothing. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Attributes from "../../src/tree/Attributes.ts"
import * as FakeSuper from "../../src/tree/FakeSuper.ts"
import { int } from "../protocol/generators.ts"

const text = (value: Uint8Array) => Buffer.from(value).toString("latin1")
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"))
const hex = (value: Uint8Array | undefined) => value && Buffer.from(value).toString("hex")

/** Of files with these, as rsync kept them. */
const files: ReadonlyArray<readonly [string, FakeSuper.Kept]> = [
  ["100765 0,0 1234:55", { kind: "File", mode: 0o765, uid: 1234, gid: 55, ownDevice: 0 }],
  ["41777 0,0 77:88", { kind: "Directory", mode: 0o1777, uid: 77, gid: 88, ownDevice: 0 }],
  ["60644 7,300 0:0", { kind: "BlockDevice", mode: 0o644, uid: 0, gid: 0, ownDevice: (7 << 8) + 44 + (1 << 20) }],
  ["20644 1,3 0:0", { kind: "CharacterDevice", mode: 0o644, uid: 0, gid: 0, ownDevice: 259 }],
  ["10640 0,0 0:0", { kind: "Fifo", mode: 0o640, uid: 0, gid: 0, ownDevice: 0 }],
  ["140755 0,0 0:0", { kind: "Socket", mode: 0o755, uid: 0, gid: 0, ownDevice: 0 }],
  ["120777 0,0 0:0", { kind: "Symlink", mode: 0o777, uid: 0, gid: 0, ownDevice: 0 }]
]

describe("FakeSuper", () => {
  it.each(files)("%s", (value, kept) => {
    assert.strictEqual(text(FakeSuper.format(kept)), value)
    assert.deepStrictEqual(FakeSuper.parse(Buffer.from(value)), kept)
  })

  const kind = Schema.Literals(["File", "Directory", "Symlink", "Fifo", "Socket", "CharacterDevice", "BlockDevice"])
  const id = int(0, 0xffff_ffff)
  const kept = Schema.Struct({ kind, mode: int(0, 0o7777), uid: id, gid: id, ownDevice: id })
  it.prop("what is kept is what is read", [kept], ([wanted]) => {
    assert.deepStrictEqual(FakeSuper.parse(FakeSuper.format(wanted)), wanted)
  })

  it.each([
    "",
    "100644",
    "100644 0,0 0",
    "x00644 0,0 0:0",
    "170644 0,0 0:0",
    "100644 0,0 0:0 ",
    "100644 0,0 -1:0",
    "100644 0,0 0:4294967296"
  ])("%j is none", (value) => assert.isUndefined(FakeSuper.parse(Buffer.from(value))))

  it("a device has no larger number than a device can have", () => {
    const most = FakeSuper.parse(Buffer.from("20644 9999999999,9999999999 0:0"))
    assert.isAtMost(most!.ownDevice, 0xffff_ffff)
  })

  it("a directory stays one, and nothing else becomes one", () => {
    const [[, file], [, directory]] = files
    const status = { kind: "File", mode: 0o600, uid: 5, gid: 5, ownDevice: 0, size: 9 }
    assert.deepStrictEqual(FakeSuper.over(status, file), { ...status, ...file })
    assert.strictEqual(FakeSuper.over(status, directory), status)
    assert.strictEqual(FakeSuper.over(status, undefined), status)
    const folder = { ...status, kind: "Directory" }
    assert.strictEqual(FakeSuper.over(folder, file), folder)
  })

  it("on the disk its owner may do everything, and nothing runs with anybody's rights", () => {
    assert.strictEqual(FakeSuper.diskMode(0o4051, "File"), 0o651)
    assert.strictEqual(FakeSuper.diskMode(0o1077, "Directory"), 0o777)
  })

  it("users' attributes keep their names, others have one of ours", () => {
    const names = [
      ["user.foo", "user.foo"],
      ["security.capability", "user.rsync.security.capability"],
      [Attributes.accessAcl, "user.rsync.%aacl"],
      [Attributes.defaultAcl, "user.rsync.%dacl"]
    ]
    for (const [own, kept] of names) {
      assert.strictEqual(FakeSuper.keptName(own), kept)
      assert.strictEqual(FakeSuper.ownName(kept), own)
    }
    for (const hidden of [FakeSuper.statName, "trusted.foo", "security.selinux"])
      assert.isUndefined(FakeSuper.ownName(hidden))
    // two names that would be one, or none
    for (const name of ["", "user.foo", Attributes.accessAcl])
      assert.isUndefined(FakeSuper.ownName(`user.rsync.${name}`))
  })

  // u::rwx,u:3:rwx,g::r-x,g:4:r--,m::rw-,o::r-x of a file of mode 765, and u::rwx,g::rwx,g:44:r-x,m::rwx,o::rwx
  const acls = [
    [
      Attributes.accessAcl,
      "02000000 01000700ffffffff 0200070003000000 04000500ffffffff 0800040004000000 10000600ffffffff 20000500ffffffff",
      "80000000 05000000 06000000 80000000 0300000007000080 0400000004000000"
    ],
    [
      Attributes.defaultAcl,
      "02000000 01000700ffffffff 04000700ffffffff 080005002c000000 10000700ffffffff 20000700ffffffff",
      "07000000 07000000 07000000 07000000 2c00000005000000"
    ]
  ] as const
  it.each(acls)("%s as rsync keeps it, and back", (name, own, kept) => {
    assert.strictEqual(hex(FakeSuper.keptAcl(name, bytes(own))), kept.replaceAll(" ", ""))
    assert.strictEqual(hex(FakeSuper.ownAcl(name, bytes(kept), 0o765)), own.replaceAll(" ", ""))
  })

  it("an access ACL is that of the mode, whatever is kept, and has a mask where it has names", () => {
    const named = "0300000007000080"
    const own = "02000000 01000600ffffffff 0200070003000000 04000700ffffffff 10000400ffffffff 20000000ffffffff"
    for (const kept of ["07000000 07000000 07000000 07000000", "80000000 07000000 80000000 80000000"])
      assert.strictEqual(
        hex(FakeSuper.ownAcl(Attributes.accessAcl, bytes(kept + named), 0o640)),
        own.replaceAll(" ", "")
      )
  })

  it("what is no ACL is none", () => {
    assert.isUndefined(FakeSuper.ownAcl(Attributes.accessAcl, new Uint8Array(15), 0o644))
    assert.isUndefined(FakeSuper.ownAcl(Attributes.accessAcl, new Uint8Array(17), 0o644))
  })
})
