/** An Open of 1 GiB and an Abort in turn once made gigabytes wait for the collector: a claim was believed. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Limits from "../../src/protocol/Limits.ts"
import { Progress } from "../../src/report/Progress.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import * as Codec from "../../src/wire/Codec.ts"
import type { Message } from "../../src/wire/Message.ts"
import * as Rig from "../phase/Rig.ts"
import { CatcherProtection } from "../../src/session/Exchange.ts"

const session = 7n
const rounds = 1000

/** A catcher of a master that opens a manifest and drops it, again and again. Bytes of memory at the worst. */
const worst = Effect.fnUntraced(function* (announced: { readonly pageBytes: number; readonly blockPages: number }) {
  const network = yield* Simulated.make({ seed: 1 })
  const master = yield* Rig.puppet(network.layerMaster, () => [])
  const say = (message: Message) =>
    Effect.suspend(() => {
      const bytes = Codec.encode(message)
      return Effect.andThen(master.transport.send({ bytes, datagramBytes: bytes.length }), Effect.sleep(1))
    })
  const times = { waitMillis: 5000, timeoutMillis: 5000 }
  const catcher = Catcher.run({ ...times, id: "a" }).pipe(
    Effect.provide(CatcherProtection.insecure),
    Effect.provide([network.layerCatcher("a"), Memory.layer(Memory.make()), Progress.layerNone])
  )
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  const questions = Effect.gen(function* () {
    yield* Effect.sleep(1)
    const times = { timeoutMillis: 5000, uptimeMillis: 1, spreadMillis: 0, joined: 0, wanted: 1 }
    yield* say({ _tag: "Announce", session, ...announced, ...times })
    const [{ incarnation }] = Rig.messagesOf(master.heard, "Join")
    yield* say({ _tag: "Welcome", session, guests: [{ incarnation, slot: 0 }] })
    for (let i = 0; i < rounds; i++) {
      const claim = {
        kind: "Manifest",
        pageBytes: announced.pageBytes,
        size: Limits.manifestBytes,
        members: 0,
        opening: 1
      } as const
      yield* say({ _tag: "Open", session, file: 0, ...claim, root: undefined, audience: [0] })
      yield* say({ _tag: "Abort", session, file: 0, reason: undefined, audience: [0] })
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    }
    yield* say({ _tag: "Bye", session })
  })
  yield* Rig.inTime(Effect.all([catcher, questions], { concurrency: 2 }))
  assert.strictEqual(Rig.messagesOf(master.heard, "OpenOk").length, rounds)
  assert.strictEqual(Rig.messagesOf(master.heard, "Aborted").length, rounds)
  return most
})

describe("a manifest of 1 GiB that never comes", () => {
  for (const announced of [
    { pageBytes: 1432, blockPages: 128 },
    { pageBytes: 512, blockPages: 1 }
  ]) {
    it.effect(`takes no memory: pages of ${announced.pageBytes} bytes, ${announced.blockPages} a block`, () =>
      Effect.gen(function* () {
        // what was dropped stays until V8 collects: after some 64 MiB of buffers, and later where its threads wait for a processor
        assert.isBelow(yield* worst(announced), 512 * 1024 * 1024)
      })
    )
  }
})
