/** The public modules, as src/index.ts names them. */
import { readFileSync } from "node:fs"

export interface PublicModule {
  readonly name: string
  /** The path below src. */
  readonly file: string
}

export const publicModulesOf = (index: string): ReadonlyArray<PublicModule> =>
  [...index.matchAll(/^export (.*)$/gm)].map(([, line]) => {
    const match = /^\* as (\w+) from "\.\/(.+\.ts)"$/.exec(line)
    if (match === null) throw new Error(`index.ts exports modules, and nothing else: ${line}`)
    return { name: match[1], file: match[2] }
  })

export const publicModules = publicModulesOf(readFileSync(new URL("../src/index.ts", import.meta.url), "utf8"))
