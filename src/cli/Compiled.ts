/**
 * A script that is run as Node's loader would, with the code that V8 made of it at build time: to compile it takes longer than all else
 * of a start. The code is of one version of Node on one kind of machine; elsewhere, and where it does not fit, V8 compiles the script
 * as always. A script with such code cannot use `import()`. Imports nothing that takes time to load.
 */
import { existsSync, readFileSync } from "node:fs"
import Module, { createRequire } from "node:module"
import { dirname } from "node:path"
import { Script } from "node:vm"

/** A script's text, and V8's code of it, where there is any. `file` is where it stands, for stack traces and for what it requires. */
export interface Source {
  readonly file: string
  readonly text: string
  readonly code?: Uint8Array | undefined
}

/** A script that has run. */
interface Compiled {
  readonly exports: object
  readonly script: Script
}

/** The name of a script's code as it is after a command has run: its functions are in it. */
export const codeOf = (script: string, command: string): string =>
  `${script}.${command}-${process.version}-${process.platform}-${process.arch}`

/** A script in a file, of ASCII characters alone, with the code in another where that is there. */
export const read = (file: string, code: string): Source => ({
  file,
  text: readFileSync(file, "latin1"),
  code: existsSync(code) ? readFileSync(code) : undefined
})

/** Runs a script, with another `require` than its file's if one is given. */
export const run = (
  { code, file, text }: Source,
  require: (name: string) => unknown = createRequire(file)
): Compiled => {
  const script = new Script(Module.wrap(text), { filename: file, ...(code === undefined ? {} : { cachedData: code }) })
  const module = { exports: {} }
  script.runInThisContext()(module.exports, require, module, file, dirname(file))
  return { exports: module.exports, script }
}
