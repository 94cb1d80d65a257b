/** The room of a whole file is taken when it is opened. [F-10] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Memory from "../../src/store/Memory.ts"
import type { Store } from "../../src/store/Store.ts"
import type { Entry } from "../../src/tree/Entry.ts"
import * as Policy from "../../src/tree/Policy.ts"
import { directory, disk, file, names, none, single } from "./Sandbox.ts"

const prepare = Effect.fnUntraced(function* (
  store: Store["Service"],
  tree: ReadonlyArray<Entry>,
  preallocates: boolean
) {
  const policy = { ...Policy.defaults, preallocates }
  yield* store.prepare(tree, { policy, changes: yield* store.survey(tree, policy) })
})

describe("room that is taken first", () => {
  it.effect("in memory: what has none is refused when it is opened, and what is given up gives it back", () =>
    Effect.gen(function* () {
      const tree = [file("a", 60), file("b", 60)]
      for (const preallocates of [false, true]) {
        const { store, volume } = Memory.make({ capacityBytes: 100 })
        yield* prepare(store, tree, preallocates)
        const both = Effect.scoped(
          Effect.gen(function* () {
            yield* store.open(single(tree, 0))
            return yield* Effect.result(store.open(single(tree, 1)))
          })
        )
        assert.strictEqual((yield* both)._tag, preallocates ? "Failure" : "Success")
        assert.strictEqual(volume.usedBytes, 0)
        const alone = Effect.flatMap(store.open(single(tree, 1)), (writer) => writer.commit(none))
        assert.deepStrictEqual(yield* Effect.scoped(alone), [])
        assert.strictEqual(volume.usedBytes, preallocates ? 60 : 0)
      }
    })
  )
  it.effect("room alone is no part that is kept [Y-15]", () =>
    Effect.gen(function* () {
      const top = yield* directory
      const tree = [file("large", Limits.partialBytes + 10)]
      const store = yield* disk(top)
      yield* prepare(store, tree, true)
      yield* Effect.scoped(Effect.flatMap(store.open(single(tree)), (writer) => writer.write(0, new Uint8Array([1]))))
      assert.deepStrictEqual(names(top), [])
    })
  )
})
