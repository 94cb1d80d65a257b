#!/usr/bin/env node
/** The program as a package has it: beside its script, and with V8's code of that in files. */
import { fileURLToPath } from "node:url"
import * as Compiled from "./cli/Compiled.ts"
import * as Edge from "./cli/Edge.ts"

const script = fileURLToPath(new URL("bin/program.cjs", import.meta.url))

Edge.run({
  read: (command) => Compiled.read(script, Compiled.codeOf(script, command)),
  // The package's: this file is in its dist.
  directory: fileURLToPath(new URL("..", import.meta.url))
})
