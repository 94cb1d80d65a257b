/** Metadata that `send` is asked to change on the way: what reaches the source, and what is said of mistakes. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Choice } from "../../src/source/Choice.ts"
import * as Chmod from "../../src/tree/Chmod.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { mrsync } from "./Rig.ts"

const said = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const network = yield* Simulated.make({ seed: 1 })
  const all: Array<Choice | undefined> = []
  const host = { network, chosen: (choice: Choice | undefined) => all.push(choice) }
  const ended = yield* mrsync(host, "send", "--insecure", ...args, "s/")
  return { ...ended, wished: all[0]?.wished }
})

describe("metadata on the way", () => {
  it.effect("modes are changed in the order of their options, and names become numbers", () =>
    Effect.gen(function* () {
      const { wished } = yield* said("--chmod=D755,F644", "--chmod", "u+s", "--chown=root:12", "--verbose")
      assert.deepStrictEqual(
        [0o600, 0o750].map((mode) => Chmod.apply(wished?.modes ?? [], mode, mode === 0o750)),
        [0o4644, 0o4755]
      )
      assert.deepStrictEqual(
        wished?.users.map(({ to }) => to),
        [0]
      )
      assert.deepStrictEqual(
        wished?.groups.map(({ to }) => to),
        [12]
      )
    })
  )

  it.effect.each([
    [["--chmod=a+x,Dq"], /^--chmod "a\+x,Dq": "Dq" is wrong: expected items such as/],
    [["--chown=nobody-there"], /^--chown "nobody-there": there is no user "nobody-there" on this machine/],
    [["--chown", "0:-g"], /^--chown "0:-g": there is no group "-g"/],
    [["--chown=:"], /^--chown ":": expected USER:GROUP, USER or :GROUP/],
    [["--chown=4294967295"], /^--chown "4294967295": 4294967295 is no number of a user or group/],
    [["--chown=1:2", "--usermap=*:1"], /--usermap and --groupmap say it already/],
    [["--groupmap=1"], /^--groupmap "1": expected FROM:TO/]
  ] as const)("%j is refused with the reason", ([args, reason]) =>
    Effect.gen(function* () {
      const { err, status } = yield* said(...args)
      assert.strictEqual(status, 1)
      assert.match(err.join("\n").replace(/^mrsync: /, ""), reason)
    })
  )
})
