/** The one HTTP server of this machine's, for pages to watch and figures. Loaded when one is asked for. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { createServer } from "node:http"
import type { Socket } from "node:net"
import * as Limits from "../protocol/Limits.ts"
import { ServerError } from "../report/Errors.ts"
import * as Errno from "../system/Errno.ts"
import type * as Parse from "./Parse.ts"

/** A connection on which nothing moves for so long is closed: its browser is gone, or takes nothing. */
const idleMillis = 40_000
/** Connections at one time, so that nobody takes all of the process's files. */
const mostConnections = 128
/** The most bytes of a request's headers. */
const headerBytes = 8 * 1024

/** At the end it is looked so often whether all that was written is sent. */
const lookMillis = 20

/** Listens there until the scope closes. */
export const layer = (option: string, at: Parse.Listening): Layer.Layer<HttpServer.HttpServer, ServerError> =>
  Layer.effect(
    HttpServer.HttpServer,
    Effect.gen(function* () {
      const node = createServer({ maxHeaderSize: headerBytes, connectionsCheckingInterval: 5000 })
      node.timeout = idleMillis
      node.headersTimeout = idleMillis
      node.maxConnections = mostConnections
      const server = yield* NodeHttpServer.make(() => node, { ...at, gracefulShutdownTimeout: 0 }).pipe(
        Effect.mapError(({ cause }) => {
          const { code, reason } = Errno.fromCause(cause)
          return new ServerError({ option, ...at, code, reason })
        })
      )
      const sockets = new Set<Socket>()
      node.on("connection", (socket) => {
        sockets.add(socket)
        socket.once("close", () => sockets.delete(socket))
      })
      // what is open then would keep the process; what was written is still sent
      const sent: Effect.Effect<void> = Effect.suspend(() =>
        [...sockets].some(({ destroyed, writableLength }) => !destroyed && writableLength > 0)
          ? Effect.andThen(Effect.sleep(lookMillis), sent)
          : Effect.void
      )
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Effect.timeoutOption(sent, Limits.sinkMillis),
          Effect.sync(() => node.closeAllConnections())
        )
      )
      return server
    })
  )
