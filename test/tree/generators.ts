/** Any entries, as the tests of the tree draw them. */
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import type { Attributes } from "../../src/tree/Attributes.ts"
import type { Entry } from "../../src/tree/Entry.ts"
import type { Metadata } from "../../src/tree/Metadata.ts"

export const whole = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

export const data = (maxLength: number) =>
  Arbitrary.map(Arbitrary.array(whole(0, 255), { maxLength }), (bytes) => Uint8Array.from(bytes))

/** Sets of attributes, some of which are shared by many entries. */
const sets: ReadonlyArray<Attributes | undefined> = [
  ...[undefined, undefined, undefined],
  [{ name: "user.a", value: Uint8Array.of(1, 2) }],
  [
    { name: "system.posix_acl_access", value: new Uint8Array(44) },
    { name: "user.\xff", value: new Uint8Array(0) }
  ]
]

const anyMetadata: Arbitrary.Arbitrary<Metadata> = Arbitrary.map(
  Arbitrary.all({
    set: whole(0, sets.length),

    mode: whole(0, 0o7777),
    mtimeSeconds: whole(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
    mtimeNanos: whole(0, 999_999_999),
    uid: whole(0, 0xffff_ffff),
    gid: whole(0, 0xffff_ffff)
  }),
  ({ set, ...metadata }) => {
    const attributes =
      set === sets.length ? [{ name: "user.own", value: Uint8Array.of(metadata.mode & 0xff) }] : sets[set]
    return attributes === undefined ? metadata : { ...metadata, attributes }
  }
)

const anyEntry: Arbitrary.Arbitrary<Entry> = Arbitrary.map(
  Arbitrary.all({
    kind: whole(0, 9),
    path: data(40),
    target: data(40),
    metadata: anyMetadata,
    size: whole(0, Number.MAX_SAFE_INTEGER - 9),
    leader: whole(0, 0xffff_ffff)
  }),
  ({ kind, leader, metadata, path, size, target }): Entry =>
    [
      { _tag: "Directory", path, metadata } as const,
      { _tag: "File", path, metadata, size } as const,
      { _tag: "Symlink", path, metadata, target } as const,
      { _tag: "HardLink", path, leader } as const,
      { _tag: "Fifo", path, metadata } as const,
      { _tag: "Socket", path, metadata } as const,
      { _tag: "CharacterDevice", path, metadata, device: leader } as const,
      { _tag: "BlockDevice", path, metadata, device: leader } as const,
      { _tag: "File", path, metadata, size, usedBytes: Math.floor(size / 2) } as const,
      { _tag: "File", path, metadata, size: size + 9, usedBytes: size, data: [0, 1, 3, 2, size + 8, 1] } as const
    ][kind]
)

export const anyEntries = Arbitrary.array(anyEntry, { maxLength: 30 })
