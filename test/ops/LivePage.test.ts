/** The page's server over real HTTP on the loopback interface: who sees what, and what nobody sees. */
import { assert, describe, it } from "@effect/vitest"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import { HttpServer } from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Http from "node:http"
import { gzipSync } from "node:zlib"
import * as HttpLayer from "../../src/cli/Http.ts"
import * as Feed from "../../src/ops/Feed.ts"
import * as Figures from "../../src/ops/Figures.ts"
import * as LivePage from "../../src/ops/LivePage.ts"
import { Progress } from "../../src/report/Progress.ts"

const html = `<!doctype html><style>a{}</style><script type="module">alert(1)</script>`
const here = { host: "127.0.0.1", port: 0 }

/** A page that is served; `said` are its addresses. */
const served = Effect.gen(function* () {
  const progress = yield* Progress
  let url = ""
  yield* progress.add({ name: "test", take: (event) => void (event._tag === "Served" && (url = event.page ?? "")) })
  const page = LivePage.layer({ role: "Send", where: "here", page: gzipSync(html), hostName: "Anna" })
  yield* Layer.build(
    page.pipe(Layer.provide(HttpLayer.layer("--web", here)), Layer.provide(SecureRandom.layerWebCrypto))
  )
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{22}\/$/)
  return { progress, url: new URL(url) }
})

interface Answer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly body: string
}

const ask = (url: URL, headers: Http.OutgoingHttpHeaders = {}, method = "GET"): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const request = Http.request(url, { method, headers, agent: false }, (response) => {
      let body = ""
      response.setEncoding("utf8").on("data", (text: string) => (body += text))
      response.on("end", () =>
        resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, body }))
      )
    })
    request.on("error", (error) => resume(Effect.die(error)))
    request.end()
  })

/** A connection for events; `heard` grows. */
const listen = (url: URL) =>
  Effect.acquireRelease(
    Effect.callback<{
      readonly status: number
      readonly heard: () => string
      readonly isOver: () => boolean
      readonly request: Http.ClientRequest
    }>((resume) => {
      const request = Http.request(new URL("events", url), { agent: false }, (response) => {
        let text = ""
        let isOver = false
        response.setEncoding("utf8").on("data", (more: string) => (text += more))
        response.on("close", () => (isOver = true)).on("error", () => {})
        resume(Effect.succeed({ status: response.statusCode ?? 0, heard: () => text, isOver: () => isOver, request }))
      })
      request.on("error", () => {})
      request.end()
    }),
    ({ request }) => Effect.sync(() => request.destroy())
  )

const until = (isThere: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (isThere() ? Effect.void : Effect.andThen(Effect.sleep(10), until(isThere)))).pipe(
    Effect.timeout(10_000),
    Effect.orDie
  )

const itServes = <A, E>(
  name: string,
  test: (page: Effect.Success<typeof served>) => Effect.Effect<A, E, Scope.Scope>
) => it.live(name, () => Effect.flatMap(served, test).pipe(Effect.scoped, Effect.provide(Progress.layer)))

describe("the page", () => {
  itServes("is one file, which nothing else may run in, show or load", ({ url }) =>
    Effect.gen(function* () {
      const { body, headers, status } = yield* ask(url)
      assert.deepStrictEqual([status, body], [200, html])
      assert.strictEqual(headers["content-type"], "text/html; charset=utf-8")
      const policy = headers["content-security-policy"] as string
      assert.match(policy, /^default-src 'none'; script-src 'sha256-[\w+/]{43}='; style-src 'sha256-[\w+/]{43}='; /)
      assert.include(policy, "connect-src 'self'")
      assert.include(policy, "frame-ancestors 'none'")
      assert.notInclude(policy, "unsafe")
      assert.notInclude(policy, "http")
      assert.strictEqual(headers["referrer-policy"], "no-referrer")
      assert.strictEqual(headers["x-content-type-options"], "nosniff")
      assert.notProperty(headers, "set-cookie")
    })
  )

  itServes("comes compressed where a browser takes it, and not again where it has it", ({ url }) =>
    Effect.gen(function* () {
      const { headers } = yield* ask(url, { "accept-encoding": "br, gzip" })
      assert.strictEqual(headers["content-encoding"], "gzip")
      const again = yield* ask(url, { "if-none-match": headers.etag })
      assert.deepStrictEqual([again.status, again.body], [304, ""])
    })
  )

  itServes("is found without its last slash, too", ({ url }) =>
    Effect.map(ask(new URL(url.href.slice(0, -1))), ({ status }) => assert.strictEqual(status, 200))
  )

  itServes("is nowhere without its token, and that is said alike of all that is not there", ({ url }) =>
    Effect.gen(function* () {
      const [, token] = url.pathname.split("/")
      const wrong = ["/", "/events", "/metrics", `/${token}x/`, `/${token.slice(1)}/`, `/${token}/nothing`]
      const answers = yield* Effect.forEach([...wrong, `/${token}/events/x`, `/x/${token}/`], (path) =>
        ask(new URL(path, url))
      )
      for (const { body, status } of answers) {
        assert.strictEqual(status, 404)
        assert.strictEqual(body, answers[0].body)
        assert.notInclude(body, token)
      }
    })
  )

  itServes("is asked for with GET alone", ({ url }) =>
    Effect.gen(function* () {
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"]) {
        const { headers, status } = yield* ask(url, {}, method)
        assert.deepStrictEqual([status, headers.allow], [405, "GET"], method)
      }
    })
  )

  itServes("another name for its address is not answered: it could be another's", ({ url }) =>
    Effect.gen(function* () {
      const statusOf = (host: string) => Effect.map(ask(url, { host }), ({ status }) => status)
      for (const host of ["evil.example", `evil.example:${url.port}`, "127.0.0.1.evil.example"])
        assert.strictEqual(yield* statusOf(host), 421, host)
      for (const host of [url.host, `localhost:${url.port}`, "anna", "ANNA:1", "[::1]:80"])
        assert.strictEqual(yield* statusOf(host), 200, host)
    })
  )

  itServes("another page cannot ask for it; a link may lead to it", ({ url }) =>
    Effect.gen(function* () {
      const statusOf = (headers: Http.OutgoingHttpHeaders) => Effect.map(ask(url, headers), ({ status }) => status)
      assert.strictEqual(yield* statusOf({ origin: "http://evil.example" }), 403)
      assert.strictEqual(yield* statusOf({ origin: "null" }), 403)
      assert.strictEqual(yield* statusOf({ origin: url.origin }), 200)
      assert.strictEqual(yield* statusOf({ "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" }), 403)
      assert.strictEqual(yield* statusOf({ "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" }), 200)
    })
  )
})

describe("events", () => {
  itServes("begin with the state so far, go on with what happens, and end with the session", ({ progress, url }) =>
    Effect.gen(function* () {
      progress.publish({ _tag: "Note", message: "before" })
      const { heard, isOver, status } = yield* listen(url)
      assert.strictEqual(status, 200)
      yield* until(() => heard().includes("\n\n"))
      assert.match(heard(), /^event: state\ndata: \{.*note: before.*\}\n\n$/)
      progress.publish({ _tag: "Note", message: "after" })
      yield* until(() => heard().includes("event: frame"))
      assert.include(heard(), "after")
      assert.isFalse(isOver())
    })
  )

  it.live("the end of a session is told before the server goes", () =>
    Effect.gen(function* () {
      const outer = yield* Effect.scope
      const watching = yield* Effect.scoped(
        Effect.gen(function* () {
          const { progress, url } = yield* served
          const watching = yield* Scope.provide(listen(url), outer)
          progress.publish({ _tag: "Note", message: "the last words" })
          return watching
        })
      )
      yield* until(watching.isOver)
      assert.include(watching.heard(), "the last words")
      assert.match(watching.heard(), /event: over\ndata: \{\}\n\n$/)
    }).pipe(Effect.scoped, Effect.provide(Progress.layer))
  )

  itServes("no more pages watch than are allowed, and one that leaves makes room", ({ url }) =>
    Effect.gen(function* () {
      const all = yield* Effect.forEach(Array.from({ length: Feed.mostWatchers }), () => listen(url), {
        concurrency: 8
      })
      assert.isTrue(all.every(({ status }) => status === 200))
      const { body, status } = yield* ask(new URL("events", url))
      assert.strictEqual(status, 503)
      assert.include(body, `${Feed.mostWatchers} pages watch already`)
      all[0].request.destroy()
      yield* Effect.sleep(100)
      assert.strictEqual((yield* listen(url)).status, 200)
    })
  )
})

describe("figures", () => {
  it.live("are for everybody, have no names in them, and nothing else is there", () =>
    Effect.gen(function* () {
      const progress = yield* Progress
      const server = yield* Layer.build(HttpLayer.layer("--metrics", here))
      const address = yield* Effect.provideContext(LivePage.serveFigures({ hostName: "anna" }), server)
      yield* Figures.gather
      progress.publish({ _tag: "Started", session: "a", catchers: 1, files: 1, bytes: 10 })
      progress.publish({
        _tag: "Tick",
        ...{ seconds: 1, bytes: 4, total: 10, files: 0, sentBytes: 5, phase: "Sending", repairedPages: 0 },
        catchers: [{ id: "berta", address: "10.0.0.1:1", state: "Slow", files: 0, bytes: 4 }]
      })
      const { body, headers } = yield* ask(new URL(address))
      assert.strictEqual(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
      for (const line of ["mrsync_sessions 1", 'mrsync_catchers{state="Slow"} 1', "mrsync_held_bytes 4"])
        assert.include(body.split("\n"), line)
      assert.match(body, /^# TYPE mrsync_total_bytes gauge$/m)
      assert.notInclude(body, "berta")
      assert.strictEqual((yield* ask(new URL("/", address))).status, 404)
      assert.strictEqual((yield* ask(new URL(address), {}, "POST")).status, 405)
    }).pipe(Effect.scoped, Effect.provide(Progress.layer))
  )

  it.live("an address that another has is an error that says what to do", () =>
    Effect.gen(function* () {
      const first = yield* Layer.build(HttpLayer.layer("--web", here))
      const { address } = yield* Effect.provideContext(HttpServer, first)
      const port = "port" in address ? address.port : 0
      const error = yield* Effect.flip(Layer.build(HttpLayer.layer("--web", { ...here, port })))
      assert.match(
        error.message,
        /^--web: nothing can be served at 127\.0\.0\.1:\d+: address already in use \(EADDRINUSE\); say another/
      )
    }).pipe(Effect.scoped)
  )
})
