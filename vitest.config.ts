/**
 * Two groups of tests: those inside one process, which run in parallel, and those that start the built program or lay
 * hands on the machine's network, which run after them and one at a time.
 */
import { defineConfig } from "vitest/config"

// vitest says what failed with the help of this, and Node 20 has it not.
if (!("groupBy" in Map)) {
  const groupBy = <K, T>(items: Iterable<T>, keyOf: (item: T, index: number) => K): Map<K, Array<T>> => {
    const groups = new Map<K, Array<T>>()
    let index = 0
    for (const item of items) {
      const key = keyOf(item, index++)
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [item])
      else group.push(item)
    }
    return groups
  }
  Object.assign(Map, { groupBy })
}

const program = [
  "test/cli/binary*.test.ts",
  "test/regressions/program-*.test.ts",
  "test/e2e/**/*.test.ts",
  "test/lab/**/*.test.ts"
]
/** What takes minutes: `.ci/nightly` asks for it. */
const nightly = ["test/nightly/**/*.test.ts"]
const wanted = process.env["MRSYNC_NIGHTLY"] === undefined ? program : nightly

export default defineConfig({
  test: {
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "inside",
          include: ["test/**/*.test.ts"],
          exclude: [...program, ...nightly],
          globalSetup: ["test/parity/build.ts"],
          sequence: { groupOrder: 0 }
        }
      },
      {
        extends: true,
        test: {
          name: "program",
          include: wanted,
          globalSetup: ["test/cli/build.ts"],
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 120_000,
          sequence: { groupOrder: 1 }
        }
      }
    ]
  }
})
