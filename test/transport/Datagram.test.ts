/** Real sockets, on the loopback interface with TTL 0 only. Every test has a group and a port of its own. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Dgram from "node:dgram"
import * as Datagram from "../../src/transport/Datagram.ts"
import type { Options } from "../../src/transport/Udp.ts"
import { conformance, endpoint, pattern, reading } from "./conformance.ts"
import { forger } from "./Raw.ts"

let tests = 0
/** Apart from those of other runs on this machine, as far as process ids tell. */
const options = (): Options => {
  const run = process.pid % 1000
  tests++
  return { group: `239.255.${run & 255}.${tests}`, port: 20_000 + run * 30 + tests, interface: "127.0.0.1", ttl: 0 }
}

conformance("Datagram", {
  lab: Effect.sync(() => {
    const on = options()
    return {
      master: endpoint(Datagram.layerMaster(on)),
      catcher: () => endpoint(Datagram.layerCatcher(on)),
      forge: forger(on)
    }
  }),
  test: it.live,
  unanswerable: ["127.0.0.1:0"],
  maxDatagramBytes: 65_507,
  settle: Effect.sleep(30),
  flood: 8000
})

const sockets = () => process.getActiveResourcesInfo().filter((name) => name === "UDPWrap").length

describe("Datagram", () => {
  it.live("a closed scope leaves no socket behind, and the port is free again", () =>
    Effect.gen(function* () {
      const on = options()
      // Node forgets closed sockets of the test before this one a turn later.
      yield* Effect.sleep(10)
      const before = sockets()
      const scope = yield* Scope.make()
      const m = yield* Scope.provide(endpoint(Datagram.layerMaster(on)), scope)
      yield* Scope.provide(m.listen, scope)
      yield* Scope.provide(endpoint(Datagram.layerCatcher(on)), scope)
      assert.strictEqual(sockets(), before + 4)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.sleep(10)
      assert.strictEqual(sockets(), before)
      yield* bound(Dgram.createSocket({ type: "udp4" }), on.port, "0.0.0.0")
    })
  )

  it.live("a port that another program does not share is an error that says what to do", () =>
    Effect.gen(function* () {
      const on = options()
      yield* Effect.sleep(10)
      const before = sockets()
      yield* bound(Dgram.createSocket({ type: "udp4" }), on.port, "0.0.0.0")
      const error = yield* Effect.flip(Effect.scoped(endpoint(Datagram.layerCatcher(on))))
      assert.match(error.message, new RegExp(`^bind .*${on.port}: UDP port ${on.port} is taken.*--group`))
      yield* Effect.sleep(10)
      // those of earlier tests may still have been closing before
      assert.isAtMost(sockets(), before + 1)
    })
  )

  it.live("an address that this machine does not have, and a group that is none, are errors", () =>
    Effect.gen(function* () {
      const on = options()
      for (const layer of [Datagram.layerMaster, Datagram.layerCatcher]) {
        const away = yield* Effect.flip(Effect.scoped(endpoint(layer({ ...on, interface: "192.0.2.77" }))))
        assert.match(away.message, /no interface of this machine has the address 192\.0\.2\.77/)
        for (const group of ["10.0.0.1", "240.0.0.1", "nowhere"]) {
          const none = yield* Effect.flip(Effect.scoped(endpoint(layer({ ...on, group }))))
          assert.match(none.message, /not an IPv4 multicast group/)
        }
      }
    })
  )

  it.live("a datagram longer than UDP allows is an error", () =>
    Effect.gen(function* () {
      const on = options()
      const m = yield* endpoint(Datagram.layerMaster(on))
      const long = yield* Effect.flip(m.send({ bytes: pattern(65_508), datagramBytes: 65_508 }))
      assert.match(long.message, /65508 bytes is too long.*smaller pages/)
    })
  )

  it.live("an answer to a port where nobody is any more counts as sent, one that the system refuses does not", () =>
    Effect.gen(function* () {
      const on = options()
      const c = yield* endpoint(Datagram.layerCatcher(on))
      for (let i = 0; i < 5; i++) yield* c.sendTo("127.0.0.1:9", pattern(10))
      // On another network than the interface's: the kernel refuses it.
      for (let i = 0; i < 5; i++) yield* c.sendTo("240.0.0.1:9", pattern(10))
      assert.deepInclude(yield* c.stats, { sent: 5, refused: 5, dropped: 0 })
    })
  )

  it.live("another group on the same port is not heard", () =>
    Effect.gen(function* () {
      const on = options()
      const other = { ...on, group: "239.255.255.254" }
      const [m, stranger] = [yield* endpoint(Datagram.layerMaster(on)), yield* endpoint(Datagram.layerMaster(other))]
      const c = yield* endpoint(Datagram.layerCatcher(on))
      yield* endpoint(Datagram.layerCatcher(other))
      const inbox = yield* reading(c)
      yield* stranger.send({ bytes: pattern(3), datagramBytes: 3 })
      yield* m.send({ bytes: pattern(4), datagramBytes: 4 })
      assert.deepStrictEqual(yield* inbox.take(1), [{ bytes: pattern(4), from: m.local }])
    })
  )

  it.live("what strangers send to a catcher's own address is not heard, and takes no room from the group", () =>
    Effect.gen(function* () {
      const on = options()
      const [m, c] = [yield* endpoint(Datagram.layerMaster(on)), yield* endpoint(Datagram.layerCatcher(on))]
      const inbox = yield* reading(c)
      for (let i = 0; i < 3000; i++) yield* m.sendTo(c.local, pattern(1000))
      yield* m.send({ bytes: pattern(4), datagramBytes: 4 })
      assert.deepStrictEqual(yield* inbox.take(1), [{ bytes: pattern(4), from: m.local }])
      assert.strictEqual((yield* c.stats).received, 1)
    })
  )

  it.live("the buffer it names is one that the system gave", () =>
    Effect.gen(function* () {
      const c = yield* endpoint(Datagram.layerCatcher(options()))
      assert.isAtLeast(c.receiveBufferBytes, 64 * 1024)
      assert.isAtMost(c.receiveBufferBytes, 64 * 1024 * 1024)
    })
  )
})

const bound = (socket: Dgram.Socket, port: number, address: string) =>
  Effect.acquireRelease(
    Effect.callback<void, Error>((resume) => {
      socket.once("error", (error) => resume(Effect.fail(error)))
      socket.bind(port, address, () => resume(Effect.void))
    }),
    () => Effect.sync(() => socket.close())
  )
