/**
 * A catcher that cannot join a master was told "no master was heard" at the end of its wait, or nothing at all. Each side says
 * why, and soon.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import { type Event, Progress } from "../../src/report/Progress.ts"
import * as Keys from "../../src/seal/Keys.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"
import * as Engine from "../../src/simulate/Simulation.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { Transport } from "../../src/transport/Transport.ts"
import { inTime } from "../phase/Rig.ts"

type Wrap = (below: Transport["Service"]) => Transport["Service"]

const insecure = { _tag: "Insecure" } as const
const sealed = { _tag: "Sealed", keys: Engine.keys } as const
const otherKeys = Keys.ofSecrets(new Uint8Array(Keys.secretBytes).fill(8), new Uint8Array(Keys.secretBytes).fill(9))

/** Its datagrams have another version, and those of ours are of another version there. */
const newer: Wrap = (below) => ({
  ...below,
  send: (batch) => below.send({ ...batch, bytes: withVersion(batch.bytes, 1) }),
  receive: Stream.map(below.receive, (batch) =>
    batch.map(({ bytes, from }) => ({ bytes: withVersion(bytes, -1), from }))
  )
})
const withVersion = (bytes: Uint8Array, more: number) => {
  const changed = bytes.slice()
  changed[2] += more
  return changed
}

/** What it takes for its address is another one outside. */
const translated: Wrap = (below) => ({ ...below, local: "192.168.7.7:4000" })

/** It hears nobody, as a recording. */
const deaf: Wrap = (below) => ({ ...below, receive: Stream.never })

/** What both sides say within two seconds, and how the catcher ends. */
const sides = Effect.fnUntraced(function* (
  master: typeof MasterProtection.Service,
  catcher: typeof CatcherProtection.Service,
  wrap: Wrap = (below) => below
) {
  const network = yield* Simulated.make({ seed: 1 })
  const clock = yield* Clock.clockWith(Effect.succeed)
  const said: Record<"master" | "catcher", Array<string>> = { master: [], catcher: [] }
  const telling = (side: "master" | "catcher") =>
    Progress.layerTo((event: Event) => {
      if (event._tag === "Note" && clock.currentTimeMillisUnsafe() <= 2000) said[side].push(event.message)
    })
  const wrapped = Layer.effect(Transport, Effect.map(Transport, wrap)).pipe(Layer.provide(network.layerMaster))
  const tree = Memory.sourceLayer([Tree.file("a", 1000)])
  const sending = Master.run({ ...Engine.defaults, catchers: 1, waitMillis: 4000 }).pipe(
    Effect.provide(Layer.mergeAll(wrapped, tree, telling("master"))),
    Effect.provideService(MasterProtection, master)
  )
  const catching = Catcher.run({ id: "c", waitMillis: 4000, timeoutMillis: 4000 }).pipe(
    Effect.provide(Layer.mergeAll(network.layerCatcher("c"), Memory.layer(Memory.make()), telling("catcher"))),
    Effect.provideService(CatcherProtection, catcher)
  )
  const errors = yield* inTime(Effect.all([Effect.flip(sending), Effect.flip(catching)], { concurrency: 2 }))
  return { ...said, errors: errors.map(({ message }) => message) }
})

describe("within two seconds both sides say why a catcher cannot join [K-11]", () => {
  const cases = [
    {
      why: "another key",
      of: sides(sealed, { _tag: "Sealed", keys: Keys.forCatchers(otherKeys) }),
      master:
        /^a catcher on 10\.0\.0\.\d+:\d+ has another key than this master: copy this master's catcher\.key there$/,
      catcher: /^the master 10\.0\.0\.1:\d+ has another key than this catcher: copy its catcher\.key here$/
    },
    {
      why: "a catcher without a key",
      of: sides(sealed, insecure),
      master: /^a catcher on 10\.0\.0\.\d+:\d+ has no key, and this session is sealed/,
      catcher: /^the master 10\.0\.0\.1:\d+ seals its session, and this catcher has no key/
    },
    {
      why: "a master without a key",
      of: sides(insecure, sealed),
      master: /^a catcher on 10\.0\.0\.\d+:\d+ has a key, and this session is in the open/,
      catcher: /^the master 10\.0\.0\.1:\d+ sends in the open, and this catcher has a key/
    },
    ...[sealed, insecure].map((protection) => ({
      why: `another version, ${protection._tag}`,
      of: sides(protection, protection, newer),
      master: /^a catcher on 10\.0\.0\.\d+:\d+ speaks another version of the protocol$/,
      catcher: /^the master 10\.0\.0\.1:\d+ speaks another version of the protocol$/
    })),
    {
      why: "an address that was translated on the way",
      of: sides(sealed, sealed, translated),
      master: /^a catcher on 10\.0\.0\.\d+:\d+ hears this master from another address than its own, .*--interface$/,
      catcher: /^the master 192\.168\.7\.7:4000 is heard from 10\.0\.0\.1:\d+, .*--interface$/
    },
    {
      why: "a recording, or a master that does not hear us",
      of: sides(sealed, sealed, deaf),
      master: undefined,
      catcher: /^the master 10\.0\.0\.1:\d+ calls, and does not answer: that is a recording of it, or .*firewall/
    }
  ]
  it.effect.each(cases)("$why", ({ catcher, master, of }) =>
    Effect.gen(function* () {
      const said = yield* of
      assert.strictEqual(said.catcher.filter((message) => catcher.test(message)).length, 1, said.catcher.join())
      if (master !== undefined) {
        assert.strictEqual(said.master.filter((message) => master.test(message)).length, 1, said.master.join())
        assert.match(said.errors[0], new RegExp(master.source.slice(1).replace(/\$$/, "")))
      }
      assert.match(said.errors[1], new RegExp(catcher.source.slice(1).replace(/\$$/, "")))
      assert.notInclude(said.errors[1], "no master was heard")
    })
  )
})
