/**
 * A property test of the reducer: pages come in any order, some of them twice, and questions come in between; the file is
 * ready when, and only when, all of its pages have come. The program checks it with Effect's own Arbitrary.
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { FileState, Layout } from "mrsync"

const layout = Layout.make({ size: 10_000, pageBytes: 512, blockPages: 4 })
const root = new Uint8Array(32)

const Page = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: layout.pages - 1 }))
const Happening = Schema.Union([
  Schema.TaggedStruct("Pages", { indices: Schema.Array(Page) }),
  Schema.TaggedStruct("Asked", { span: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })) })
])
export const Happenings = Schema.Array(Happening).check(Schema.isMaxLength(30))

/** A batch as the reducer sees it: it looks at the indices only. */
const pages = (indices: ReadonlyArray<number>): FileState.Event => ({
  _tag: "Pages",
  batch: { indices, payloads: indices.map(() => new Uint8Array(0)) }
})

/** Steps, and plays a store in which every hash agrees. */
const step = (state: FileState.State, event: FileState.Event): FileState.State => {
  const [next, commands] = FileState.step(state, event)
  return commands.reduce((state, command) => {
    if (command._tag === "OpenStore") return step(state, { _tag: "Opened" })
    if (command._tag === "Verify") return step(state, { _tag: "Verified", blocks: [], trailer: false })
    return state
  }, next)
}

export const isReadyWithAllPages = (happenings: typeof Happenings.Type): boolean => {
  const came = new Set<number>()
  let round = 0
  let state = step(FileState.initial, { _tag: "Open", layout })
  for (const happening of happenings) {
    if (happening._tag === "Pages") {
      for (const page of happening.indices) came.add(page)
      state = step(state, pages(happening.indices))
    } else {
      const span = { first: happening.span * layout.spanPages, count: layout.spanPages }
      state = step(state, { _tag: "Eof", round: ++round, ...span, root, counts: false })
    }
    if (FileState.invariants(state).length > 0) return false
    if (state._tag === "DataReady" && came.size < layout.pages) return false
  }
  // whatever is missing still comes, and the question once more
  state = step(state, pages(Array.from({ length: layout.pages }, (_, page) => page)))
  return step(state, { _tag: "Eof", round: ++round, first: 0, count: 1, root, counts: false })._tag === "DataReady"
}

export const program = Arbitrary.checkEffect(Arbitrary.schema(Happenings), (happenings) =>
  Effect.succeed(isReadyWithAllPages(happenings))
)
