/**
 * Three groups of tests, one after the other: those inside one process; those that start the built program, most of them on
 * networks of their own; and those that judge how long it takes, which have the machine to themselves. Of the first as many
 * files run at a time as there are cores, and of the second one more, because these often wait. `.ci/nightly` runs what takes
 * minutes, and nothing else.
 */
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import { isAll } from "./test/seldom.ts"

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

/** These judge how long it takes. */
const alone = ["test/e2e/Attack.test.ts", "test/e2e/Many.test.ts", "test/e2e/Narrow.test.ts"]
/** These put something else in a module's place, or measure memory: they share no process with others. */
const apart = ["test/regressions/names-alike.test.ts", "test/regressions/claimed-manifest.test.ts"]
const program = [
  "test/subpaths.test.ts",
  "test/cli/binary*.test.ts",
  "test/regressions/program-*.test.ts",
  "test/e2e/**/*.test.ts"
]
const nightly = ["test/nightly/**/*.test.ts"]
/** At night only: minutes of one core, and what they show seldom changes. */
const seldom = isAll
  ? []
  : ["test/e2e/Many.test.ts", ...["Failed", "Forecast", "Sealed"].map((name) => `test/simulate/${name}.test.ts`)]
const isNight = process.env["MRSYNC_NIGHTLY"] !== undefined

/**
 * The longest come first in their group, so that no core waits for the last of them. By itself vitest knows how long each takes
 * only where it has run them before.
 */
const longOnes = {
  cli: ["binary"],
  e2e: ["Faults", "Trees", "Page", "Sync", "Push", "Away", "Destination", "Doctor", "Service"],
  filter: ["Judge"],
  regressions: ["slow-catchers", "slow-disks"],
  sessions: ["Session", "Delta"],
  simulate: ["Sweep", "Simulation"]
}
const long = new Set(
  Object.entries(longOnes).flatMap(([place, names]) =>
    names.map((name) => fileURLToPath(new URL(`test/${place}/${name}.test.ts`, import.meta.url)))
  )
)

class LongFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    const group = ({ project }: TestSpecification) => project.config.sequence.groupOrder
    const isLong = ({ moduleId }: TestSpecification) => Number(long.has(moduleId))
    return (await super.sort(files)).sort((a, b) => group(a) - group(b) || isLong(b) - isLong(a))
  }
}

interface Files {
  readonly include: Array<string>
  readonly exclude?: Array<string>
}

const inside = ({ exclude = [], include }: Files) => ({
  extends: true as const,
  test: {
    ...{ name: "inside", include, exclude, maxWorkers: availableParallelism() },
    // to load all modules anew for each file costs a third as much as the tests
    isolate: false,
    globalSetup: ["test/keys.ts", "test/parity/build.ts", "test/delta/build.ts"],
    sequence: { groupOrder: 0 }
  }
})

const onProgram = (name: string, groupOrder: number, maxWorkers: number, { exclude = [], include }: Files) => ({
  extends: true as const,
  test: {
    ...{ name, include, exclude, maxWorkers },
    globalSetup: ["test/keys.ts", "test/cli/build.ts"],
    sequence: { groupOrder }
  }
})

export default defineConfig({
  // examples import the package: here that is its sources, and no second copy of them
  resolve: { alias: [{ find: /^mrsync$/, replacement: fileURLToPath(new URL("src/index.ts", import.meta.url)) }] },
  test: {
    pool: "forks",
    // a MiB each; with 16, the default, garbage is collected more often, and all takes a twentieth longer
    execArgv: ["--max-semi-space-size=64"],
    sequence: { sequencer: LongFirst },
    // these end what hangs; how long something may take is for the test to say, and the machine may be slow
    testTimeout: 240_000,
    hookTimeout: 60_000,
    projects: isNight
      ? [onProgram("nightly", 0, 1, { include: nightly })]
      : [
          inside({ include: ["test/**/*.test.ts"], exclude: [...program, ...apart, ...nightly, ...seldom] }),
          onProgram("program", 1, availableParallelism() + 1, { include: [...program, ...apart], exclude: alone }),
          onProgram("alone", 2, 1, { include: alone, exclude: seldom })
        ]
  }
})
