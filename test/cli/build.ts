/** Builds the program before tests that start it. */
import { below, build } from "../build.ts"

export const setup = (): void =>
  build("build", "dist/bin.js", [
    ...below("src"),
    ...below("assembly"),
    "package.json",
    "rolldown.config.ts",
    "scripts/warm.mjs"
  ])
