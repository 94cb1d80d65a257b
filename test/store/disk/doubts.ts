/** What a survey is in doubt of is resolved by contents, as a session does it. */
import * as Effect from "effect/Effect"
import { hash } from "../../../src/master/Hashing.ts"
import { Ledger } from "../../../src/master/Ledger.ts"
import { Source } from "../../../src/source/Source.ts"
import type { Store } from "../../../src/store/Store.ts"
import * as Compare from "../../../src/tree/Compare.ts"
import type { Entry } from "../../../src/tree/Entry.ts"
import * as Hashes from "../../../src/tree/Hashes.ts"
import * as Lacks from "../../../src/tree/Lacks.ts"

/** `source`: of which the entries were scanned. */
export const resolve = Effect.fnUntraced(function* (
  source: Source["Service"],
  entries: ReadonlyArray<Entry>,
  store: Store["Service"],
  changes: Uint16Array
) {
  const doubts = Lacks.among(changes.length, (entry) => Compare.isDoubted(changes[entry]))
  const own = yield* store.hash(doubts, { pageBytes: 1432 })
  const masters = yield* Effect.provideService(hash(new Ledger(entries, []), doubts, 1432), Source, source)
  for (const entry of Lacks.each(doubts))
    changes[entry] = Compare.resolved(changes[entry], Hashes.agree(own, masters, entry))
})
