/** Builds the program before tests that start it, unless it is newer than all that it is made from. */
import { execFileSync } from "node:child_process"
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

const modified = (path: string): number => {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? 0 : stat.mtimeMs
}

export const setup = (): void => {
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  const newest = Math.max(
    ...sources.map((name) => modified(join(root, "src", name))),
    modified(join(root, "assembly/parity.ts")),
    modified(join(root, "package.json")),
    modified(join(root, "rolldown.config.ts"))
  )
  if (modified(join(root, "dist/bin.js")) > newest) return
  execFileSync("npm", ["run", "--silent", "build"], { cwd: root, stdio: "inherit" })
}
