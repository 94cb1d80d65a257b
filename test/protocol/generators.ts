/**
 * What properties of the reducer are fed with: small files, and events of every kind, sensible and senseless.
 */
import * as Schema from "effect/Schema"
import * as FileState from "../../src/protocol/file/FileState.ts"
import * as Layout from "../../src/protocol/file/Layout.ts"
import * as Limits from "../../src/protocol/Limits.ts"

/** 5 pages of content in 3 blocks, 3 pages of trailer; spans of 2 pages. */
export const layout = Layout.make({ size: 160, pageBytes: 32, blockPages: 2 })
export const emptyLayout = Layout.make({ size: 0, pageBytes: 32, blockPages: 2 })

export const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const indices = Schema.Array(int(0, layout.pages + 2)).check(Schema.isMaxLength(10))

/** Pairs of block and index, some beyond what there is. */
const parity = Schema.Array(
  Schema.Tuple([int(0, layout.blocks), Schema.Union([int(0, 3), Schema.Literals([253, 254, 255])])])
).check(Schema.isMaxLength(6))

/** Most pages do not say theirs. */
const opening = Schema.Union([Schema.Undefined, Schema.Undefined, int(1, 2)])

/** An event as data; `eventOf` makes the reducer's event of it. */
export const AnyEvent = Schema.Union([
  Schema.TaggedStruct("Open", { empty: Schema.Boolean, opening: int(1, 2), rooted: Schema.Boolean }),
  Schema.TaggedStruct("Opened", {}),
  Schema.TaggedStruct("Recognised", {}),
  Schema.TaggedStruct("OpenFailed", {}),
  Schema.TaggedStruct("Pages", { indices, isDigested: Schema.Boolean, opening }),
  Schema.TaggedStruct("Digests", { first: int(0, layout.pages), count: int(0, 4), opening }),
  Schema.TaggedStruct("Parity", { parity, opening }),
  Schema.TaggedStruct("Eof", {
    round: int(0, 6),
    first: int(0, 9),
    count: int(0, 8),
    last: Schema.Boolean,
    counts: Schema.Boolean
  }),
  Schema.TaggedStruct("Verified", {
    blocks: Schema.Array(int(0, 2)).check(Schema.isMaxLength(3)),
    trailer: Schema.Boolean
  }),
  Schema.TaggedStruct("Compared", { wrong: Schema.Array(int(0, layout.pages - 1)).check(Schema.isMaxLength(3)) }),
  Schema.TaggedStruct("StoreFailed", {}),
  Schema.TaggedStruct("Close", { from: int(0, 3) }),
  Schema.TaggedStruct("Committed", {}),
  Schema.TaggedStruct("Abort", {})
])
export const AnyEvents = Schema.Array(AnyEvent).check(Schema.isMaxLength(40))

export const root = new Uint8Array(32).fill(7)

/** What the payload of a page hashes to, when it is the master's. */
export const digestOf = (page: number): Uint8Array => new Uint8Array(Limits.digestBytes).fill(page + 1)

/** With digests the pages are the master's, or, with `digests` given, somebody else's. */
export const pagesOf = (
  indices: ReadonlyArray<number>,
  digests?: ReadonlyArray<Uint8Array | undefined>,
  opening?: number
): Extract<FileState.Event, { _tag: "Pages" }> => ({
  _tag: "Pages",
  batch: { opening, indices, payloads: indices.map(() => new Uint8Array(32)) },
  ...(digests === undefined ? {} : { digests })
})

/** As the master tells them, of so many pages. */
export const digestsOf = (first: number, count: number, opening?: number): FileState.Digests => ({
  _tag: "Digests",
  opening,
  first,
  digests: Buffer.concat(Array.from({ length: count }, (_, i) => digestOf(first + i)))
})

export const parityOf = (
  parity: ReadonlyArray<readonly [block: number, index: number]>,
  opening?: number
): FileState.Event => ({
  _tag: "Parity",
  batch: {
    opening,
    blocks: parity.map(([block]) => block),
    indices: parity.map(([, index]) => index),
    payloads: parity.map(() => new Uint8Array(32))
  }
})

export const eventOf = (event: typeof AnyEvent.Type): FileState.Event => {
  switch (event._tag) {
    case "Open": {
      const { empty, opening, rooted } = event
      return { _tag: "Open", layout: empty ? emptyLayout : layout, opening, root: rooted ? root : undefined }
    }
    case "OpenFailed":
    case "StoreFailed":
      return { _tag: event._tag, reason: "no", about: "File" }
    case "Pages":
      return pagesOf(event.indices, event.isDigested ? event.indices.map(digestOf) : undefined, event.opening)
    case "Digests":
      return digestsOf(event.first, event.count, event.opening)
    case "Parity":
      return parityOf(event.parity, event.opening)
    case "Eof":
      return { ...event, root: event.last ? root : undefined }
    case "Committed":
      return { _tag: "Committed", failures: [{ entry: 2, reason: "no" }] }
    default:
      return event
  }
}

/** Steps through events; the state, and every command on the way. */
export const run = (
  events: Iterable<FileState.Event>,
  from: FileState.State = FileState.initial
): readonly [FileState.State, ReadonlyArray<FileState.Command>] => {
  let state = from
  const out: Array<FileState.Command> = []
  for (const event of events) {
    const [next, commands] = FileState.step(state, event)
    state = next
    out.push(...commands)
  }
  return [state, out]
}

/** Shuffles by a list of numbers, so that a property's input says how. */
export const shuffled = <A>(items: ReadonlyArray<A>, by: ReadonlyArray<number>): ReadonlyArray<A> => {
  const out = [...items]
  for (let i = out.length - 1; i > 0; i--) {
    const other = (by.length === 0 ? 0 : by[i % by.length] + i) % (i + 1)
    const kept = out[i]
    out[i] = out[other]
    out[other] = kept
  }
  return out
}
