/**
 * The program as a single executable: Node with the program's script, V8's code of it, WebAssembly and packages inside, as
 * scripts/binary.mjs puts them there.
 */
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { getRawAsset } from "node:sea"
import * as Compiled from "./cli/Compiled.ts"
import * as Edge from "./cli/Edge.ts"
import * as Native from "./native/Native.ts"

const script = "program.cjs"

const bytesOf = (name: string): Uint8Array => new Uint8Array(getRawAsset(name))

/** Undefined: there is nothing of that name inside. */
const optional = (name: string): Uint8Array | undefined => {
  try {
    return bytesOf(name)
  } catch {
    return undefined
  }
}

/** A script inside, as it is called in a stack trace. */
const scriptOf = (name: string, bytes: Uint8Array, code?: Uint8Array): Compiled.Source => ({
  // without /proc the executable has the name that it was called by
  file: resolve(process.execPath, name),
  text: Buffer.from(bytes.buffer).toString(),
  code
})

/** A package that was made one script, an addon of such a package, or a module of Node's. */
const load = (name: string): unknown => {
  const addon = optional(`${name}.node`)
  if (addon !== undefined) return open(addon)
  const text = optional(`${name}.cjs`)
  if (text !== undefined) return Compiled.run(scriptOf(`${name}.cjs`, text), load).exports
  const builtIn = process.getBuiltinModule(name)
  if (builtIn === undefined) throw new Error(`there is no ${name} in this executable`)
  return builtIn
}

// Linux's number; O_DIRECTORY is a part of it.
const unnamed = 0o20000000 | constants.O_DIRECTORY

/** Opens an addon, which the system takes from files only: one without a name, where there are such. */
const open = (bytes: Uint8Array): unknown => {
  const module = { exports: {} }
  for (const directory of ["/dev/shm", tmpdir(), "/var/tmp"]) {
    try {
      openFrom(module, directory, bytes)
      return module.exports
    } catch {
      // Not there, full, or nothing may be executed there.
    }
  }
  openNamed(module, bytes)
  return module.exports
}

const openFrom = (module: object, directory: string, bytes: Uint8Array) => {
  const fd = openSync(directory, unnamed | constants.O_RDWR, 0o700)
  try {
    writeFileSync(fd, bytes)
    // It stays open: the loader knows what it has loaded by path, and would take another addon under the same one for this.
    process.dlopen(module, `/proc/self/fd/${fd}`)
  } catch (cause) {
    closeSync(fd)
    throw cause
  }
}

const openNamed = (module: object, bytes: Uint8Array) => {
  const directory = mkdtempSync(join(tmpdir(), "mrsync-"))
  try {
    const file = join(directory, "addon.node")
    writeFileSync(file, bytes, { mode: 0o700 })
    process.dlopen(module, file)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

Native.setInside({ load, file: bytesOf })

Edge.run({
  read: (command) => scriptOf(script, bytesOf(script), optional(Compiled.codeOf(script, command))),
  directory: undefined
})
