/** The kernel's own socket calls, on the loopback interface with TTL 0 only. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import { createRequire } from "node:module"
import * as Address from "../../src/protocol/Address.ts"
import * as Kernel from "../../src/system/Sockets.ts"

const kernel = Option.getOrUndefined(Kernel.load())
if (kernel === undefined) console.warn("tests of the kernel's socket calls are skipped: they need Linux and koffi")

/** IP_RECVERR (include/uapi/linux/in.h), which no transport sets. Without it what was refused is forgotten as well. */
const setErrors = (value: number) => (fd: number) => {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi")
  const setsockopt = koffi.load(null).func("int setsockopt(int, int, int, const void *, uint32_t)")
  assert.strictEqual(setsockopt(fd, 0, 11, Int32Array.of(value), 4), 0)
}
const [tellErrors, doNotTellErrors] = [setErrors(1), setErrors(0)]

/** The descriptors of our sockets. */
const sockets = () =>
  fs
    .readdirSync("/proc/self/fd")
    .map(Number)
    .filter((fd) => fs.existsSync(`/proc/self/fd/${fd}`) && fs.fstatSync(fd).isSocket())

const local = { address: "127.0.0.1", port: 0, interface: "127.0.0.1", ttl: 0 }

describe.skipIf(kernel === undefined)("Kernel", () => {
  const opened = Effect.acquireRelease(
    Effect.sync(() => kernel!.open(local)),
    (socket) => Effect.sync(socket.close)
  )
  const toItself = (socket: Kernel.Socket) => {
    return socket.send(Uint8Array.of(1, 2, 3), 3, Kernel.destination(Address.parse(socket.local)!))
  }
  const settle = Effect.sleep(20)

  it.live("waits for a datagram and for room at the same time", () =>
    Effect.gen(function* () {
      const socket = yield* opened
      const happened: Array<string> = []
      socket.when("readable", () => happened.push("readable"))
      socket.when("writable", () => happened.push("writable"))
      yield* settle
      assert.deepStrictEqual(happened, ["writable"])
      assert.strictEqual(toItself(socket), 0)
      yield* settle
      assert.deepStrictEqual(happened, ["writable", "readable"])
    })
  )

  it.live("tells each who waits, once, and again who waits again", () =>
    Effect.gen(function* () {
      const socket = yield* opened
      let told = 0
      const again = () => {
        told++
        socket.receive()
        if (told < 5) socket.when("readable", again)
      }
      socket.when("readable", again)
      let others = 0
      socket.when("readable", () => others++)
      for (let i = 0; i < 8; i++) {
        toItself(socket)
        yield* settle
      }
      assert.deepStrictEqual([told, others], [5, 1])
    })
  )

  it.live("does not go on telling what nobody waits for", () =>
    Effect.gen(function* () {
      const socket = yield* opened
      let told = 0
      const stop = socket.when("readable", () => told++)
      stop()
      toItself(socket)
      const before = process.cpuUsage()
      yield* Effect.sleep(200)
      const { system, user } = process.cpuUsage(before)
      assert.strictEqual(told, 0)
      // a loop that spins would take all of it
      assert.isBelow((system + user) / 1000, 150)
      // what came meanwhile is told who waits later
      socket.when("readable", () => told++)
      yield* settle
      assert.strictEqual(told, 1)
    })
  )

  it.live("goes on after an error of the socket", () =>
    Effect.gen(function* () {
      const others = new Set(sockets())
      const socket = yield* opened
      const gone = kernel!.open(local)
      gone.close()
      const fd = sockets().find((one) => !others.has(one))!
      tellErrors(fd)
      let told = 0
      socket.when("readable", () => told++)
      // nobody has that port any more: the refusal is an error of this socket's
      socket.send(Uint8Array.of(1), 1, Kernel.destination(Address.parse(gone.local)!))
      yield* settle
      assert.strictEqual(told, 1)
      doNotTellErrors(fd)
      socket.receive()
      toItself(socket)
      socket.when("readable", () => told++)
      yield* settle
      assert.strictEqual(told, 2)
      assert.strictEqual(socket.receive().length, 1)
    })
  )

  it.live("tells who waits that it is closed, and who comes later", () =>
    Effect.gen(function* () {
      const socket = kernel!.open(local)
      let told = 0
      socket.when("readable", () => told++)
      socket.when("writable", () => told++)
      socket.close()
      assert.strictEqual(told, 2)
      socket.when("writable", () => told++)
      assert.strictEqual(told, 3)
      assert.strictEqual(toItself(socket), Kernel.errno.ECANCELED)
    })
  )
})
