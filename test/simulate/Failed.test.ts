/** Seeds of sweeps that have failed. Most of what was wrong has a smaller test of its own; these are run at night. */
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Faults from "../../src/simulate/Faults.ts"
import { check } from "./check.ts"

type Failed = readonly [what: string, ...seeds: ReadonlyArray<number>]

/** What was wrong, by how the sessions were settled. Most were found in the open, where their stories are as they were. */
const failed: ReadonlyArray<readonly [Faults.Settled, ReadonlyArray<Failed>]> = [
  [
    { isSync: true },
    [
      [
        "a file that is changed before it is described, links of a file that is kept away, a revision of what is kept, and what is right is touched",
        232,
        239,
        318,
        567
      ]
    ]
  ],
  [
    { isDelta: true },
    [
      ["a revision that came before what stands was counted made a catcher mute", 7_000_819],
      ["a frozen catcher's answer to an earlier opening let a file begin that it ignored", 9_100_063],
      ["of a wait rounding left too little for virtual time to move", 7_000_142],
      ["somebody else replaced the leader of a hard link that was right", 7_001_481],
      ["a late word of a dead master came just before the wait ended", 3_839_781_287],
      ["of two that were behind each waited for the other, and nothing was sent to either", 7_000_346],
      ["of what was spoiled the digests filled a short queue before the pages, in each round", 3_902_002_821]
    ]
  ],
  [
    { isSealed: true, lies: true },
    [
      ["a liar claimed in a session what it had overheard in the one before", 3_825_002_289, 9_100_070],
      ["a catcher that was welcomed too late waited in a slot that was another's", 9_100_086]
    ]
  ],
  [
    { isSealed: false, isSync: false },
    [
      ["a catcher's hint that it has no key was taken for word of another master", 3_770_026_000, 3_770_026_069],
      ["no page reached it until 10 s, and it had been judged by then", 575],
      ["the report counted files that every catcher refuses", 16],
      ["the commit of the tree did not wait for directories and links", 192],
      ["a path that was probed under bursts of loss passed for one that takes pages", 402_667],
      ["a link that others kept full passed for one that takes no pages", 800_072],
      ["a name that was damaged on the way", 205_580],
      ["a join between the last words", 206_466],
      ["given up before it had heard of its slot", 402_386, 420_290],
      ["a hard link to a file that went away was no failure for the master", 402_520, 402_612],
      ["dead while its path was probed", 420_212],
      ["a stranger ended a session that was not heard yet", 403_501, 403_498],
      ["a catcher that was frozen spoke for a dead master", 402_683],
      ["a catcher that was frozen spoke for a dead master, once it was excused for its own silence", 400_497],
      ["a file that was gone when it was looked for, both times", 400_714],
      ["a catcher that was deaf until a short session had ended", 400_934],
      ["a catcher that never heard of the manifest was taken to have opened it", 401_481],
      ["a catcher that was frozen before its welcome spoke for a dead master", 405_753],
      ["a catcher behind a link that was clogged spoke for a dead master", 900_295],
      ["the same, of a master that was heard once before the link was clogged", 406_421],
      ["the same, of a master whose words came between late calls of another", 411_970],
      ["a catcher with a slow store was silent while it worked", 414_628],
      ["a revision whose opening was lost was never answered", 417_536],
      ["what was refused became complete with a revision", 407_007, 417_910],
      ["the last catcher started shortly before the end of the wait, and heard no call", 408_755],
      ["all were dead, and were lost one after the other", 601_120],
      ["two times out of reach, each of them short", 413_251],
      ["all were dead before the last one was started", 403_485]
    ]
  ]
]

describe("seeds that have failed", () => {
  for (const [settled, all] of failed)
    for (const [what, ...seeds] of all)
      it.effect(`${seeds.join(", ")}: ${what}`, () =>
        Effect.forEach(seeds, (seed) => check(seed, settled), { discard: true })
      )
})
