/** The doctor with catchers, on networks in memory that are ill in one way each. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import * as CrowdFindings from "../../src/ops/CrowdFindings.ts"
import * as Examining from "../../src/ops/Examining.ts"
import type { Crowd } from "../../src/report/Diagnosis.ts"
import { Progress } from "../../src/report/Progress.ts"
import * as Keys from "../../src/seal/Keys.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { inJumps } from "../phase/Rig.ts"

interface Story {
  readonly catchers?: number
  readonly network?: Partial<Simulated.Options>
  readonly options?: Partial<Examining.Options>
  /** What befalls the network, beside the doctor. */
  readonly meanwhile?: (network: Simulated.Network) => Effect.Effect<void>
  readonly keys?: Keys.MasterKeys
  /** The last catcher has other keys. */
  readonly others?: Keys.MasterKeys
}

const options: Examining.Options = {
  ...{ catchers: undefined, hosts: undefined, waitMillis: 1000, pageBytes: 1432, bytesPerSecond: 40e6, watchMillis: 0 }
}

const protections = (keys: Keys.MasterKeys | undefined) =>
  keys === undefined
    ? ([MasterProtection.insecure, CatcherProtection.insecure] as const)
    : ([MasterProtection.sealed(keys), CatcherProtection.sealed(Keys.forCatchers(keys))] as const)

/** A network with catchers that wait; `doctor` examines it. */
const world = Effect.fnUntraced(function* ({ catchers = 2, keys, network, others }: Story) {
  const air = yield* Simulated.make({ seed: 3, delayMillis: 1, ...network })
  const waiting = yield* Effect.forEach(
    Array.from({ length: catchers }, (_, i) => `c${i + 1}`),
    (id, i) => {
      const [, protection] = protections(others !== undefined && i === catchers - 1 ? others : keys)
      const layers = Layer.mergeAll(air.layerCatcher(id), Memory.layer(Memory.make()), Progress.layerNone, protection)
      const run = Catcher.run({ id, waitMillis: 60_000, timeoutMillis: 10_000 })
      return Effect.forkChild(Effect.exit(Effect.provide(run, layers, { local: true })))
    }
  )
  const [protection] = protections(keys)
  const ends = Layer.mergeAll(air.layerMaster, Progress.layerNone, protection)
  return { air, waiting, ends }
})

const examined = Effect.fnUntraced(function* (story: Story) {
  const { air, ends, waiting } = yield* world(story)
  const meanwhile = yield* Effect.forkChild(story.meanwhile?.(air) ?? Effect.void)
  const crowd: Crowd = yield* Effect.provide(Examining.examine({ ...options, catchers: 2, ...story.options }), ends)
  yield* Fiber.interrupt(meanwhile)
  yield* Fiber.interruptAll(waiting)
  return { crowd, findings: CrowdFindings.ofCrowd(crowd) }
}, inJumps())

/** The findings, each with the catchers that it is about. */
const found = (story: Story) =>
  Effect.map(examined(story), ({ findings }) => findings.map(({ catchers = [], id }) => [id, ...catchers].join(" ")))

const at = (millis: number, effect: Effect.Effect<void>) => Effect.delay(effect, millis)

describe("a network that is well", () => {
  const keys = Keys.ofSecrets(new Uint8Array(32).fill(1), new Uint8Array(32).fill(2))

  it.effect.each([
    ["in the open", {}],
    ["sealed", { keys }],
    ["with glued datagrams", { network: { glued: true } }],
    ["with names out of order", { catchers: 12, options: { catchers: 12 } }]
  ] as const)("%s: no finding", ([, story]) =>
    Effect.gen(function* () {
      const { crowd, findings } = yield* examined(story)
      assert.deepStrictEqual(findings, [])
      assert.deepStrictEqual(
        crowd.catchers.slice(0, 2).map(({ id }) => id),
        ["c1", "c2"]
      )
      for (const { answered, asked, dropped, packetBytes, steps } of crowd.catchers) {
        assert.strictEqual(packetBytes, 1484)
        assert.strictEqual(dropped, 0)
        assert.strictEqual(answered, asked)
        for (const { arrived, sent } of steps) assert.strictEqual(arrived, sent)
      }
    })
  )

  it.effect("its catchers have written nothing, and join a master that comes later", () =>
    Effect.gen(function* () {
      const tree = [Tree.file("a", 3000)]
      const session = Effect.gen(function* () {
        const { ends, waiting } = yield* world({})
        yield* Effect.provide(Examining.examine({ ...options, catchers: 2 }), ends)
        const before = waiting.map((fiber) => fiber.pollUnsafe())
        const master = Master.run({ ...Master.defaults, catchers: 2 })
        const report = yield* Effect.provide(master, Layer.mergeAll(ends, Memory.sourceLayer(tree)))
        yield* Fiber.awaitAll(waiting)
        return { before, report }
      })
      const { before, report } = yield* inJumps()(session)
      assert.deepStrictEqual(before, [undefined, undefined])
      assert.deepStrictEqual(
        report.catchers.map(({ state }) => state),
        ["Complete", "Complete"]
      )
    })
  )
})

describe("catchers do not disturb each other's figures", () => {
  it.effect("one narrow path of many, probed at one time: the others are tried with whole packets", () =>
    Effect.gen(function* () {
      const { crowd } = yield* examined({
        ...{ catchers: 6, options: { catchers: 6, waitMillis: 5000 }, network: { delayMillis: 100 } },
        // known before the others have answered
        meanwhile: (network) =>
          Effect.andThen(
            network.impairLink("c2", "Group", { mtuBytes: 700, delayMillis: 1 }),
            network.impairLink("c2", "Answers", { delayMillis: 1 })
          )
      })
      assert.deepStrictEqual(
        crowd.catchers.map(({ packetBytes }) => packetBytes < 1484),
        [false, true, false, false, false, false]
      )
    })
  )

  it.effect("one that comes in the midst of it is not taken in", () =>
    Effect.gen(function* () {
      const joined: Array<string> = []
      const session = Effect.gen(function* () {
        const { air, ends, waiting } = yield* world({})
        const late = Layer.mergeAll(
          ...[air.layerCatcher("late"), Memory.layer(Memory.make()), Progress.layerNone, CatcherProtection.insecure]
        )
        const coming = Effect.provide(Catcher.run({ id: "late", waitMillis: 3000, timeoutMillis: 10_000 }), late, {
          local: true
        })
        const fiber = yield* Effect.forkChild(Effect.exit(at(1200, Effect.asVoid(Effect.ignore(coming)))))
        const told = Progress.layerTo((event) => void (event._tag === "Joined" && joined.push(event.id)))
        yield* Effect.provide(Examining.examine({ ...options, catchers: 2 }), Layer.mergeAll(ends, told))
        yield* Fiber.interruptAll([...waiting, fiber])
      })
      yield* inJumps()(session)
      assert.deepStrictEqual(joined.toSorted(), ["c1", "c2"])
    })
  )
})

describe("findings of a network", () => {
  const path = (impairments: Simulated.Impairments, name = "c2", direction: Simulated.Direction = "Group") => ({
    meanwhile: (network: Simulated.Network) => network.impairLink(name, direction, impairments)
  })
  const narrow = { bytesPerSecond: 1_500_000, queueBytes: 30_000 }

  it.effect.each<readonly [string, Story, ReadonlyArray<string>]>([
    ["narrow", path({ mtuBytes: 1400 }), ["narrow c2"]],
    ["no-page", path({ mtuBytes: 300 }), ["no-page c2"]],
    ["not-glued", { network: { glued: true }, ...path({ mtuBytes: 1500, countsGlued: true }) }, ["not-glued c2"]],
    ["by-length", { network: { glued: true }, ...path({ mtuBytes: 1000, countsGlued: true }) }, ["by-length c2"]],
    ["loss", path({ loss: 0.1 }), ["loss c2"]],
    ["slow", path({ narrow }), ["slow c2"]],
    ["answers-lost", path({ loss: 0.6 }, "c2", "Answers"), ["answers-lost c2"]],
    ["long-answers", path({ mtuBytes: 1000 }, "c2", "Answers"), ["long-answers c2"]],
    ["small-buffer-there", { network: { receiveBufferBytes: 600_000 } }, ["small-buffer-there c1 c2"]],
    ["too-few", { options: { catchers: 3 } }, ["too-few"]],
    ["away", { options: { hosts: ["c1", "c2", "c9"] } }, ["away"]],
    ["nobody", { catchers: 0 }, ["nobody"]],
    [
      "mute",
      { options: { catchers: 3 }, meanwhile: (network) => at(900, network.partition("c2", ["Group"])) },
      ["too-few", "mute c2"]
    ],
    [
      "stops-forwarding",
      {
        options: { watchMillis: 15_000 },
        meanwhile: (network) =>
          at(8000, Effect.andThen(network.partition("c1", ["Group"]), network.partition("c2", ["Group"])))
      },
      ["stops-forwarding c1 c2"]
    ],
    [
      "silenced",
      { options: { watchMillis: 15_000 }, meanwhile: (network) => at(8000, network.partition("c2", ["Group"])) },
      ["silenced c2"]
    ],
    [
      "bursts",
      {
        options: { watchMillis: 20_000 },
        meanwhile: (network) =>
          Effect.andThen(
            at(8000, network.impairLink("c2", "Group", { mtuBytes: 300 })),
            at(1000, network.impairLink("c2", "Group", { mtuBytes: undefined }))
          )
      },
      ["bursts c2"]
    ]
  ])("%s", ([, story, expected]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* found(story), expected)
    })
  )

  it.effect.each([
    ["a tunnel", { mtuBytes: 1400 }, 1400],
    ["a filter that measures what is glued", { mtuBytes: 1000, countsGlued: true }, 1000]
  ] as const)("the length at which %s ends is told to the byte, and the rate is that of all", ([, impairments, most]) =>
    Effect.gen(function* () {
      const { crowd, findings } = yield* examined({ network: { glued: true }, ...path(impairments) })
      assert.include(findings[0].seen, `packets of ${most} bytes reach c2, of ${most + 1} bytes they do not`)
      const [c1, c2] = crowd.catchers
      assert.deepStrictEqual([c1.packetBytes, c2.packetBytes], [1484, most])
      for (const { arrived, sent } of c2.steps) assert.strictEqual(arrived, sent)
    })
  )

  it.effect.each([
    ["in the open", undefined],
    ["under a seal", Keys.ofSecrets(new Uint8Array(32).fill(1), new Uint8Array(32).fill(2))]
  ] as const)("the length at which answers end is told, %s", ([, keys]) =>
    Effect.gen(function* () {
      const story = path({ mtuBytes: 1000 }, "c2", "Answers")
      const { crowd } = yield* examined({ ...story, ...(keys === undefined ? {} : { keys }) })
      assert.deepStrictEqual(
        crowd.catchers.map(({ answerPacketBytes }) => answerPacketBytes),
        [undefined, 1000]
      )
    })
  )

  it.effect("under a seal, too", () =>
    Effect.gen(function* () {
      const keys = Keys.ofSecrets(new Uint8Array(32).fill(1), new Uint8Array(32).fill(2))
      const { crowd } = yield* examined({ keys, ...path({ mtuBytes: 1333 }), options: { bytesPerSecond: 4e6 } })
      assert.deepStrictEqual(
        crowd.catchers.map(({ packetBytes, tooLongPacketBytes }) => [packetBytes, tooLongPacketBytes]),
        [
          [1484, undefined],
          [1333, 1334]
        ]
      )
    })
  )

  it.effect("one-way: it hears us and we do not hear it, so that nobody joins", () =>
    Effect.gen(function* () {
      const meanwhile = (network: Simulated.Network) => network.impairLink("c1", "Answers", { loss: 1 })
      assert.deepStrictEqual(yield* found({ catchers: 1, meanwhile }), ["nobody"])
    })
  )

  it.effect("a catcher with other keys is away, with the reason", () =>
    Effect.gen(function* () {
      const [keys, others] = [1, 5].map((byte) =>
        Keys.ofSecrets(new Uint8Array(32).fill(byte), new Uint8Array(32).fill(byte + 1))
      )
      const story = { keys, others, options: { waitMillis: 3000, bytesPerSecond: 4e6 } }
      const { findings } = yield* examined(story)
      assert.strictEqual(findings[0].id, "away")
      assert.match(findings[0].seen, /1 of 2 catchers joined .* key/)
    })
  )

  it.effect("what it takes of a narrow path is about what that carries", () =>
    Effect.gen(function* () {
      const { findings } = yield* examined(path({ narrow }))
      const [, megabits] = /c2 takes about ([\d.]+) Mbit\/s, c1/.exec(findings[0].seen) ?? []
      assert.isAbove(Number(megabits), 10)
      assert.isBelow(Number(megabits), 18)
    })
  )
})
