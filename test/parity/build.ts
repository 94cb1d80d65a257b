/** Builds the modules of WebAssembly before tests that compare them with their twins. */
import { below, build } from "../build.ts"

export const setup = (): void => build("build:wasm", "dist/blake3.wasm", [...below("assembly"), "package.json"])
