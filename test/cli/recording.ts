/** A screen that keeps what is said, line by line. */
import { Screen } from "../../src/cli/Screen.ts"

export const recording = () => {
  const said = { out: new Array<string>(), err: new Array<string>() }
  const screen = Screen.of({
    print: (to, line) => void said[to === "json" ? "out" : to].push(line),
    isBehind: () => false,
    drawable: false,
    size: () => ({ columns: 80, rows: 24 }),
    draw: () => {},
    entered: () => {},
    erase: () => {}
  })
  return { said, screen }
}
