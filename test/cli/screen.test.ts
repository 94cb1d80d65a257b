/** The screen's bytes: pictures are drawn over, lines that stay go above them, and the cursor comes back. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Screen } from "../../src/cli/Screen.ts"

const terminal = (columns: number) => {
  const written: Array<string> = []
  const sink = { write: (text: string) => written.push(text), isTTY: true, columns, rows: 10 }
  return { written, sink }
}

const run = (
  out: ReturnType<typeof terminal>["sink"] | { write: (text: string) => unknown },
  use: (screen: Screen["Service"]) => void,
  err: { write: (text: string) => unknown; isTTY?: boolean } = out
) =>
  Effect.gen(function* () {
    use(yield* Screen)
  }).pipe(Effect.provide(Screen.layer({ out, err, term: "xterm", atExit: () => {} })))

describe("Screen", () => {
  it.effect("draws over its picture and restores the cursor in the end", () =>
    Effect.gen(function* () {
      const { sink, written } = terminal(40)
      yield* run(sink, (screen) => {
        screen.print("out", "first")
        screen.draw(["a", "b"])
        screen.print("err", "line")
        screen.draw(["c"])
      })
      assert.deepStrictEqual(written, [
        "first\n",
        "\x1b[?25la\nb\n",
        "\x1b[2A\r\x1b[Jline\na\nb\n",
        "\x1b[2A\r\x1b[Jc\n",
        "\x1b[1A\r\x1b[J\x1b[?25h"
      ])
    })
  )

  it.effect("counts the rows of a picture that a narrower terminal has wrapped", () =>
    Effect.gen(function* () {
      const { sink, written } = terminal(40)
      yield* run(sink, (screen) => {
        screen.draw(["x".repeat(30)])
        sink.columns = 10
        screen.draw(["y"])
      })
      assert.strictEqual(written[1], "\x1b[3A\r\x1b[Jy\n")
    })
  )

  it.effect("counts the row of an Enter that was typed below it", () =>
    Effect.gen(function* () {
      const { sink, written } = terminal(40)
      yield* run(sink, (screen) => {
        screen.entered()
        screen.draw(["x"])
        screen.entered()
        screen.draw(["y"])
        screen.draw(["z"])
      })
      assert.deepStrictEqual(written.slice(1, 3), ["\x1b[2A\r\x1b[Jy\n", "\x1b[1A\r\x1b[Jz\n"])
    })
  )

  it.effect("draws nothing on a pipe", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const errors: Array<string> = []
      yield* run(
        { write: (text) => written.push(text) },
        (screen) => {
          screen.draw(["picture"])
          screen.print("out", "line")
          screen.print("err", "error")
        },
        { write: (text) => errors.push(text) }
      )
      assert.deepStrictEqual(written, ["line\n"])
      assert.deepStrictEqual(errors, ["error\n"])
    })
  )
})
