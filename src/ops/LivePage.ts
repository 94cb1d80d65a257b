/**
 * The page to watch a session, and its figures, over HTTP. One file is served, which has everything in it; it is told of the
 * session by server-sent events. Nobody sees anything without the token, which is a part of the address.
 */
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import { createHash, timingSafeEqual } from "node:crypto"
import { gunzipSync } from "node:zlib"
import { Progress } from "../report/Progress.ts"
import * as Feed from "./Feed.ts"
import * as Figures from "./Figures.ts"

/** What is served. */
export interface Options extends Feed.About {
  /** The page: HTML, compressed by gzip. */
  readonly page: Uint8Array
  /** This machine's name, by which browsers may call it. */
  readonly hostName: string
}

/** 16 bytes that nobody guesses. */
const tokenBytes = 16

/** Serves the page of the hub's session until the scope closes, and tells its address. */
export const layer = (
  options: Options
): Layer.Layer<never, never, Progress | HttpServer.HttpServer | SecureRandom.SecureRandom> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const server = yield* HttpServer.HttpServer
      const progress = yield* Progress
      const { randomBytes } = yield* SecureRandom.SecureRandom
      const token = Base64Url.encode(yield* randomBytes(tokenBytes))
      const feed = yield* Feed.make(options)
      yield* Figures.gather
      yield* server.serve(answering({ ...options, feed, token }))
      yield* Effect.addFinalizer(() => feed.end)
      const address = reachable(server.address, options.hostName)
      progress.publish({ _tag: "Served", page: `${address}/${token}/` })
    })
  )

/** Serves the figures of all sessions of this process until the scope closes, to everybody. Answers where. */
export const serveFigures = Effect.fnUntraced(function* ({ hostName }: Pick<Options, "hostName">) {
  const server = yield* HttpServer.HttpServer
  yield* server.serve(
    Effect.gen(function* () {
      const { method, url } = yield* HttpServerRequest.HttpServerRequest
      if (method !== "GET") return refusal(405, "only GET is answered here", { allow: "GET" })
      return pathOf(url) === "/metrics" ? yield* Figures.response : refusal(404, "the figures are at /metrics")
    }).pipe(Effect.map(guarded))
  )
  return `${reachable(server.address, hostName)}/metrics`
})

// ---- what is answered ----

interface Served extends Options {
  readonly feed: Feed.Feed
  readonly token: string
}

const answering = ({ feed, hostName, page, token }: Served) => {
  const html = gunzipSync(page)
  const isToken = equalTo(token)
  const headers = {
    "content-security-policy": policyOf(html.toString()),
    "cache-control": "no-cache",
    etag: `"${digest(html, "base64url")}"`,
    vary: "accept-encoding"
  }
  const document = (request: HttpServerRequest.HttpServerRequest) => {
    if (request.headers["if-none-match"] === headers.etag) return HttpServerResponse.empty({ status: 304, headers })
    const isZipped = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "")
    return HttpServerResponse.uint8Array(isZipped ? page : html, {
      contentType: "text/html; charset=utf-8",
      headers: isZipped ? { ...headers, "content-encoding": "gzip" } : headers
    })
  }
  const events = Effect.map(feed.watch, (stream) =>
    stream === undefined
      ? refusal(503, `${Feed.mostWatchers} pages watch already: close one of them`)
      : HttpServerResponse.stream(stream, { contentType: "text/event-stream", headers: unstored })
  )
  return Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const stranger = strangeness(request, hostName)
    if (stranger !== undefined) return stranger
    if (request.method !== "GET") return refusal(405, "only GET is answered here", { allow: "GET" })
    const [, given = "", what = "", ...more] = pathOf(request.url).split("/")
    if (!isToken(given) || more.length > 0) return unknown
    if (what === "") return document(request)
    if (what === "events") return yield* events
    return what === "metrics" ? yield* Figures.response : unknown
  }).pipe(Effect.map(guarded))
}

const unstored = { "cache-control": "no-store" }

const refusal = (status: number, why: string, headers: Readonly<Record<string, string>> = {}) =>
  HttpServerResponse.text(`${why}\n`, { status, headers: { ...unstored, ...headers } })

/** The same for a wrong token and for a wrong name: nothing can be learned from it. */
const unknown = refusal(404, "nothing is here: the address has a token, which mrsync has printed")

/** No other page may show it, or learn its address. */
const guarded = HttpServerResponse.setHeaders({
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin"
})

const pathOf = (url: string): string => url.replace(/[?#].*$/s, "")

/**
 * Why a browser's request is not for this page: its host is a name that somebody else may have given to this address (DNS
 * rebinding), or another page made it.
 */
const strangeness = ({ headers }: HttpServerRequest.HttpServerRequest, hostName: string) => {
  const { host = "", origin } = headers
  const name = host.replace(/:\d+$/, "").toLowerCase()
  const isAddress = /^\[[0-9a-f:.]+\]$|^\d+\.\d+\.\d+\.\d+$/.test(name)
  const isOurs = isAddress || ["localhost", hostName.toLowerCase()].includes(name)
  if (!isOurs) return refusal(421, "say this machine by its number or by its own name: that name could be another's")
  // a link may be followed from anywhere
  const isOthers = headers["sec-fetch-site"] === "cross-site" && headers["sec-fetch-mode"] !== "navigate"
  const isElsewhere = isOthers || (origin !== undefined && origin !== `http://${host}`)
  return isElsewhere ? refusal(403, "another page asks for this one") : undefined
}

/** How long it takes tells nothing of how much is right. */
const equalTo = (secret: string) => {
  const hash = (text: string) => createHash("sha256").update(text).digest()
  const expected = hash(secret)
  return (given: string): boolean => timingSafeEqual(hash(given), expected)
}

const digest = (content: string | Uint8Array, encoding: "base64" | "base64url"): string =>
  createHash("sha256").update(content).digest(encoding)

/** Nothing runs or is shown but what is in the page, and it talks to nobody else. */
const policyOf = (html: string): string => {
  const hashes = (tag: string) =>
    [...html.matchAll(new RegExp(`<${tag}[^>]*>([^]*?)</${tag}>`, "g"))].map(
      ([, content]) => `'sha256-${digest(content, "base64")}'`
    )
  return [
    "default-src 'none'",
    ["script-src", ...hashes("script")].join(" "),
    ["style-src", ...hashes("style")].join(" "),
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join("; ")
}

/** A server that listens on all addresses is reached by the machine's name. */
const reachable = (address: NetAddress.SocketAddress, hostName: string): string =>
  NetAddress.isInetAddress(address) && NetAddress.isUnspecified(address.address)
    ? `http://${hostName}:${address.port}`
    : HttpServer.formatAddress(address)
