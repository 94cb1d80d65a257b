/** The figures of a session for Prometheus: the counters of Metrics, and how the session stands. No names are among them. */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import type * as Scope from "effect/Scope"
import * as Metrics from "../report/Metrics.ts"
import { Progress } from "../report/Progress.ts"

/** Keeps the figures of the hub's session up to date, until the scope closes. */
export const gather: Effect.Effect<void, never, Progress | Scope.Scope> = Effect.gen(function* () {
  const progress = yield* Progress
  const show = yield* Metrics.standing
  yield* progress.add({ name: "the figures", take: show, ignores: ["FileCompleted", "Itemized"] })
})

/** The figures as Prometheus reads them. */
export const response: Effect.Effect<HttpServerResponse.HttpServerResponse> = Effect.map(
  PrometheusMetrics.format(),
  (text) =>
    HttpServerResponse.text(text, {
      contentType: "text/plain; version=0.0.4; charset=utf-8",
      headers: { "cache-control": "no-store" }
    })
)
