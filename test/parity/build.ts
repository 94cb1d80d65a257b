/** Builds dist/parity.wasm before tests that compare it with its twin, unless it is newer than its source. */
import { execFileSync } from "node:child_process"
import { statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

const modified = (path: string): number => statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0

export const setup = (): void => {
  const sources = Math.max(modified("assembly/parity.ts"), modified("package.json"))
  if (modified("dist/parity.wasm") > sources) return
  execFileSync("npm", ["run", "--silent", "build:parity"], { cwd: root, stdio: "inherit" })
}
