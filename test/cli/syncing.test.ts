/** Wishes of a policy. --fsync: of a catcher it is an option of its store, of a master a wish of its policy. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Choice } from "../../src/source/Choice.ts"
import { policyOf } from "../../src/cli/Send.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inTime } from "../phase/Rig.ts"
import { mrsync } from "./Rig.ts"

describe("-X and -A", () => {
  const policy = (wished: object) => policyOf({ windowSeconds: 0, ...wished } as Parameters<typeof policyOf>[0], [])
  it.each([
    [{}, [false, false]],
    [{ xattrs: true }, [true, false]],
    [{ acls: true }, [false, true]],
    [{ archiveAll: true }, [true, true]]
  ] as const)("%j", (wished, expected) => {
    const { carriesAcls, carriesAttributes } = Result.getOrThrow(
      policy({ xattrs: false, acls: false, archiveAll: false, ...wished })
    )
    assert.deepStrictEqual([carriesAttributes, carriesAcls], expected)
  })

  it("an ACL has the mode in it", () => {
    for (const wished of [{ acls: true }, { archiveAll: true }])
      assert.isTrue(Result.isFailure(policy({ ...wished, noPerms: true })))
    assert.isTrue(Result.isSuccess(policy({ xattrs: true, noPerms: true })))
  })
})

describe("--fsync", () => {
  it.effect.each([
    [[], false],
    [["--fsync"], true]
  ] as const)("catch %j", ([words, expected]) =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const heard: Array<boolean | undefined> = []
      const host = { network, synced: (syncs: boolean | undefined) => heard.push(syncs) }
      yield* inTime(mrsync(host, "catch", "--insecure", "--wait", "1", ...words, "DEST"))
      assert.deepStrictEqual(heard, [expected])
    })
  )

  it.effect("send", () =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      let isChosen = false
      yield* mrsync({ network, chosen: () => void (isChosen = true) }, "send", "--insecure", "--fsync", "s/")
      assert.isTrue(isChosen)
      for (const fsync of [false, true]) {
        const input = { windowSeconds: 0, fsync } as Parameters<typeof policyOf>[0]
        assert.strictEqual(Result.getOrThrow(policyOf(input, [])).syncs, fsync)
      }
    })
  )
})

describe("a wish that has an option", () => {
  it.effect.each([
    ["--fuzzy", "fuzzy", "isFuzzy"],
    ["-y", "fuzzy", "isFuzzy"],
    ["--preallocate", "preallocate", "preallocates"],
    ["--inplace", "inplace", "isInPlace"]
  ] as const)("send %s", ([option, name, wish]) =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      let isChosen = false
      yield* mrsync({ network, chosen: () => void (isChosen = true) }, "send", "--insecure", option, "s/")
      assert.isTrue(isChosen)
      for (const isGiven of [false, true]) {
        const input: Partial<Parameters<typeof policyOf>[0]> = { windowSeconds: 0, [name]: isGiven }
        assert.strictEqual(Result.getOrThrow(policyOf(input as Parameters<typeof policyOf>[0], []))[wish], isGiven)
      }
    })
  )
})

describe("--fake-super", () => {
  it.effect.each([
    [[], false],
    [["--fake-super"], true]
  ] as const)("%j: of a catcher's store, and of what a master reads", ([words, expected]) =>
    Effect.gen(function* () {
      const network = yield* Simulated.make({ seed: 1 })
      const heard: Array<boolean | undefined> = []
      const faked = (fakesSuper: boolean | undefined) => heard.push(fakesSuper)
      yield* inTime(mrsync({ network, faked }, "catch", "--insecure", "--wait", "1", ...words, "DEST"))
      const chosen = (choice: Choice | undefined) => heard.push(choice?.fakesSuper)
      yield* mrsync({ network, chosen }, "send", "--insecure", ...words, "s/")
      assert.deepStrictEqual(heard, [expected, expected])
    })
  )
})
