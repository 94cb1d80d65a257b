/** Lines for systemd's journal. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { closeSync, fstatSync, openSync } from "node:fs"
import * as Journal from "../../src/cli/Journal.ts"
import { Screen } from "../../src/cli/Screen.ts"

describe("the journal", () => {
  it("is where the stream of the environment is", () => {
    const fd = openSync("/dev/null", "r")
    const { dev, ino } = fstatSync(fd)
    assert.isTrue(Journal.isJournal(fd, `${dev}:${ino}`))
    assert.isFalse(Journal.isJournal(fd, `${dev}:${ino + 1}`))
    assert.isFalse(Journal.isJournal(fd, undefined))
    closeSync(fd)
    assert.isFalse(Journal.isJournal(fd, `${dev}:${ino}`))
  })
  it.effect("takes from each line how much it matters, and only where it is the journal", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const sink = { write: (text: string) => said.push(text) }
      const layer = Screen.layer({
        ...{ out: sink, err: sink, term: undefined, atExit: () => {} },
        isJournal: { out: true, err: false }
      })
      const { print } = yield* Effect.provide(Effect.flatMap(Screen, Effect.succeed), layer)
      print("out", "receiving")
      print("json", "{}", Journal.levelOf("Failed"))
      print("out", "one\ntwo", "Error")
      print("err", "not the journal", "Error")
      assert.deepStrictEqual(said, ["<6>receiving\n", "<4>{}\n", "<3>one\n<3>two\n", "not the journal\n"])
    })
  )
})
