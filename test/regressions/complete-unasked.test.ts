/** A catcher that said it held what nobody had sent yet was asked to open it again and again, and the session never ended. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Catcher from "../../src/catcher/Catcher.ts"
import * as Master from "../../src/master/Master.ts"
import { Progress } from "../../src/report/Progress.ts"
import * as Memory from "../../src/store/Memory.ts"
import * as Simulated from "../../src/transport/simulated/Network.ts"
import { Transport } from "../../src/transport/Transport.ts"
import * as Codec from "../../src/wire/Codec.ts"
import { inTime } from "../phase/Rig.ts"
import * as Simulation from "../sessions/Simulation.ts"
import { CatcherProtection, MasterProtection } from "../../src/session/Exchange.ts"

/** A catcher that says Complete where it should say that a file is open. */
const boasting = (isBoast: (file: number) => boolean) =>
  Layer.effect(
    Transport,
    Effect.map(Transport, (below) =>
      Transport.of({
        ...below,
        sendTo: (to, bytes) => {
          const said = Codec.decode(bytes)
          return said._tag === "Success" && said.success._tag === "OpenOk" && isBoast(said.success.file)
            ? below.sendTo(to, Codec.encode({ ...said.success, _tag: "Complete", held: 0 }))
            : below.sendTo(to, bytes)
        }
      })
    )
  )

for (const file of [0, 1]) {
  it.effect(`Complete for an Open without a root does not keep the session from ending: file ${file}`, () =>
    Effect.gen(function* () {
      const tree = [Simulation.file("a", 600_000), Simulation.file("b", 100)]
      const network = yield* Simulated.make({ seed: 1 })
      const times = { waitMillis: 5000, timeoutMillis: 2000 }
      const master = Master.run({ ...times, catchers: 2, pageBytes: 1432 }).pipe(
        Effect.provide(MasterProtection.insecure),
        Effect.provide([network.layerMaster, Memory.sourceLayer(tree), Progress.layerNone])
      )
      const catcher = (id: string, layer: Layer.Layer<Transport>) =>
        Effect.exit(
          Catcher.run({ ...times, id }).pipe(
            Effect.provide(CatcherProtection.insecure),
            Effect.provide([layer, Memory.layer(Memory.make()), Progress.layerNone])
          )
        )
      const [report] = yield* inTime(
        Effect.all(
          [
            master,
            catcher("honest", network.layerCatcher("honest")),
            catcher(
              "boaster",
              Layer.provide(
                boasting((other) => other === file),
                network.layerCatcher("boaster")
              )
            )
          ],
          { concurrency: 3 }
        ),
        // given up twice, each time after one time-out with the others and twelve alone
        (2 * 13 + 2) * times.timeoutMillis
      )
      const states = Object.fromEntries(report.catchers.map(({ id, state }) => [id, state]))
      assert.strictEqual(states.honest, "Complete")
    })
  )
}
