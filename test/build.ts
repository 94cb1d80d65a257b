/** Builds what tests need, unless it is newer than all that it is made from. Paths are below the package. */
import { execFileSync } from "node:child_process"
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

const modified = (path: string): number => statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Every file and directory below a directory. */
export const below = (directory: string): ReadonlyArray<string> =>
  readdirSync(join(root, directory), { recursive: true, encoding: "utf8" }).map((name) => join(directory, name))

export const build = (script: string, made: string, from: ReadonlyArray<string>): void => {
  if (modified(made) > Math.max(...from.map(modified))) return
  execFileSync("npm", ["run", "--silent", script], { cwd: root, stdio: "inherit" })
}
