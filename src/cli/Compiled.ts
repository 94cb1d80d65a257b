/**
 * A script that is run as Node's loader would, with the code that V8 made of it at build time: to compile it takes longer than all else
 * of a start. The code is of one version of Node on one kind of machine; elsewhere, and where it does not fit, V8 compiles the script
 * as always. A script with such code cannot use `import()`. Imports nothing that takes time to load.
 */
import { existsSync, readFileSync } from "node:fs"
import Module, { createRequire } from "node:module"
import { dirname } from "node:path"
import { Script } from "node:vm"

/** A script that has run. */
interface Compiled {
  readonly exports: object
  readonly script: Script
}

/** The file of a script's code as it is after a command has run: its functions are in it. */
export const codeOf = (file: string, command: string): string =>
  `${file}.${command}-${process.version}-${process.platform}-${process.arch}`

/** Runs the script of a file, with the code in another where that is there. */
export const run = (file: string, code: string): Compiled => {
  const source = Module.wrap(readFileSync(file, "utf8"))
  const script = new Script(source, {
    filename: file,
    ...(existsSync(code) ? { cachedData: readFileSync(code) } : {})
  })
  const module = { exports: {} }
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file))
  return { exports: module.exports, script }
}
