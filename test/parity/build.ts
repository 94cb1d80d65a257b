/** Builds dist/parity.wasm before tests that compare it with its reference. */
import { build } from "../build.ts"

export const setup = (): void => build("build:parity", "dist/parity.wasm", ["assembly/parity.ts", "package.json"])
