/**
 * The content of a carried file at the master: a single file stays on disk, a bundle is read into
 * memory, and its unreadable members are left out.
 */
import * as Effect from "effect/Effect"
import type * as Bundles from "../content/Bundles.ts"
import * as PageStream from "../phase/PageStream.ts"
import * as Layout from "../protocol/file/Layout.ts"
import * as Limits from "../protocol/Limits.ts"
import { isList } from "../protocol/Words.ts"
import { Source, SourceError } from "../source/Source.ts"
import * as Unread from "../source/Unread.ts"
import { display } from "../tree/Names.ts"
import * as Plan from "../tree/Plan.ts"
import type { Checked } from "./Deltas.ts"
import type { Ledger } from "./Ledger.ts"

/** The content, for pages of that size. A bundle's memory lasts as long as the scope. */
export const open = Effect.fnUntraced(function* (
  ledger: Ledger,
  pageBytes: number,
  carried: Plan.CarriedFile,
  bundles: Bundles.Bundles,
  checked: Checked | undefined
) {
  const { file, kind, size } = carried
  const layout = Layout.make({ size, pageBytes, members: Plan.bundled(carried), signed: checked?.signed })
  if (isList(kind)) return PageStream.inMemory(file, layout, ledger.list(file))
  if (kind === "Single") return yield* single(ledger, carried, layout, checked)
  return yield* bundle(ledger, carried, layout, bundles)
})

const single = Effect.fnUntraced(function* (
  ledger: Ledger,
  { file, members }: Plan.CarriedFile,
  layout: Layout.Layout,
  checked: Checked | undefined
) {
  const source = yield* Source
  if (layout.pages > Limits.maxPages) {
    const reason = `more than ${Limits.maxPages} pages of ${layout.pageBytes} bytes`
    return yield* new SourceError({ code: "EFBIG", path: display(ledger.entries[members[0].entry].path), reason })
  }
  const { changed, hasGrown, isUntouched, read } = yield* source.open(members[0].entry)
  return PageStream.content({ file, layout, read, isUntouched, hasGrown, changed, signature: checked?.blocks })
})

const bundle = Effect.fnUntraced(function* (
  ledger: Ledger,
  carried: Plan.CarriedFile,
  layout: Layout.Layout,
  bundles: Bundles.Bundles
) {
  const source = yield* Source
  const { file, members, size } = carried
  const bytes = yield* bundles.take(size)
  // what a revision carries since is left out
  const wanted = members.flatMap(({ entry }, member) => (ledger.isSuperseded(entry, file) ? [] : [member]))
  if (wanted.length < members.length) bytes.fill(0)
  const failed = yield* source.readMembers(
    wanted.map((member) => members[member]),
    bytes
  )
  for (const { error, member } of failed) {
    const { entry, offset, size } = members[wanted[member]]
    ledger.unread(carried, [entry], error)
    // [L-3] in the place of its content
    if (size > 0) bytes[offset] = Unread.markOf(error)
  }
  const unread = new Set(members.keys())
  for (const member of wanted) unread.delete(member)
  for (const { member } of failed) unread.add(wanted[member])
  return PageStream.inMemory(file, layout, bytes, [...unread])
})
