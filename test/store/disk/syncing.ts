/** A destination becomes as a source is, by a policy, without a network between them. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as Filter from "../../../src/filter/Filter.ts"
import * as Rules from "../../../src/filter/Text.ts"
import { everything } from "../../../src/source/Choice.ts"
import * as DiskSource from "../../../src/source/Disk.ts"
import { Source } from "../../../src/source/Source.ts"
import * as Compare from "../../../src/tree/Compare.ts"
import type { Policy } from "../../../src/tree/Policy.ts"
import type { Failure } from "../../../src/wire/Message.ts"
import { bundle, disk, ways } from "../Sandbox.ts"
import { resolve } from "./doubts.ts"

const sources = { read: () => Result.succeed(undefined), isNulSeparated: false, cvsWords: "" }

/** All that is in `from` comes into `to`; answers the failures. */
export const sync = Effect.fnUntraced(function* (
  from: string,
  to: string,
  policy: Policy,
  way: (typeof ways)[number] = ways[0],
  options: Parameters<typeof disk>[3] = {}
) {
  const rules = Result.getOrThrow(Rules.decode(policy.rules))
  const { carriesAcls, carriesAttributes } = policy
  const carrying = { carriesAcls, carriesAttributes }
  const source = Context.get(
    yield* Layer.build(DiskSource.layer([`${from}/`], { ...everything, ...carrying, rules })),
    Source
  )
  const { entries, spared } = yield* source.scan
  const { deletesExcluded } = policy
  const filter = Filter.make(rules, { side: "Receiver", root: "", deletesExcluded, sources })
  const store = yield* disk(to, way, undefined, options)
  const changes = yield* store.survey(entries, policy)
  yield* resolve(source, entries, store, changes)
  const failures: Array<Failure> = [...(yield* store.prepare(entries, { policy, changes, filter }))]
  const carried = bundle(entries)
  yield* Effect.scoped(
    Effect.gen(function* () {
      const writer = yield* store.open(carried)
      for (const { entry, offset } of carried.members)
        yield* writer.write(offset, fs.readFileSync(`${from}/${Buffer.from(entries[entry].path).toString()}`))
      failures.push(...(yield* writer.commit((at) => !Compare.isLacked(changes[carried.members[at].entry]))))
    })
  )
  if (policy.deletes)
    failures.push(...(yield* store.deleteOthers({ isDry: false, spared, most: Infinity, filter })).failures)
  return [...failures, ...(yield* store.finish)]
})
