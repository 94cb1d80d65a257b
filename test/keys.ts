/** A pair of keys for all tests: the commands find it where keys are looked for, so that their sessions are sealed. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Keys from "../src/seal/Keys.ts"

export const setup = (): (() => void) => {
  const configuration = mkdtempSync(join(tmpdir(), "mrsync-keys-"))
  const keys = Keys.ofSecrets(new Uint8Array(Keys.secretBytes).fill(1), new Uint8Array(Keys.secretBytes).fill(2))
  const directory = join(configuration, "mrsync")
  mkdirSync(directory)
  writeFileSync(join(directory, "master.key"), Keys.printMaster(keys), { mode: 0o600 })
  writeFileSync(join(directory, "catcher.key"), Keys.printCatcher(Keys.forCatchers(keys)), { mode: 0o600 })
  // the workers, and the programs that they start, inherit it
  process.env["XDG_CONFIG_HOME"] = configuration
  return () => rmSync(configuration, { recursive: true })
}
