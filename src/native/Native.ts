/**
 * What is not JavaScript: packages with code of the machine, and our own WebAssembly. They stand beside the program; the single
 * executable has them inside, and says so before it loads the program.
 */
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"

/** What an executable has inside. */
interface Inside {
  /** A package, or a file of one, by its name; throws where there is none. */
  readonly load: (name: string) => unknown
  /** A file of WebAssembly, by its name; throws where there is none. */
  readonly file: (name: string) => Uint8Array
}

const key = Symbol.for("mrsync/native/Inside")

/** Says what is inside of this executable. Only what is loaded after it sees that. */
export const setInside = (inside: Inside): void => void Object.assign(globalThis, { [key]: inside })

// From src/native, dist/native, and from the program's script in dist/bin.
const beside: Inside = {
  load: (name) => createRequire(import.meta.url)(name),
  file: (name) => readFileSync(new URL(`../../dist/${name}`, import.meta.url))
}

const from = (globalThis as { readonly [key]?: Inside })[key] ?? beside

/** A package, or a file of one, as `require` gives it; throws where there is none. */
export const load = from.load

// Neither the language's library nor Node's types have WebAssembly.
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: {
    readonly Module: new (bytes: Uint8Array) => object
    readonly Instance: new (module: object) => { readonly exports: unknown }
  }
}

/** The memory of a module. It grows by pages of 64 KiB. */
export interface Memory {
  readonly buffer: ArrayBuffer
  readonly grow: (pages: number) => number
}

const memoryPageBytes = 65_536

/** Memory for so many bytes; what was seen of it before is gone when it grows. */
export const reserve = (memory: Memory, bytes: number): void => {
  const missing = bytes - memory.buffer.byteLength
  if (missing > 0) memory.grow(Math.ceil(missing / memoryPageBytes))
}

/** Makes instances of a file of WebAssembly, each with a memory of its own; undefined where it cannot be had or run. */
export const wasm = <Exports>(name: string): (() => Exports) | undefined =>
  Result.getOrUndefined(
    Result.try(() => {
      const module = new WebAssembly.Module(from.file(name))
      return () => new WebAssembly.Instance(module).exports as Exports
    })
  )
