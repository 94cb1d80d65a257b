/** Builds dist/search.wasm before tests that compare it with its reference. */
import { build } from "../build.ts"

export const setup = (): void => build("build:search", "dist/search.wasm", ["assembly/search.ts", "package.json"])
