/**
 * Counters of sessions, as Effect's metrics, each with the attribute `role`: "master" or "catcher". They grow some times a
 * second while a session runs, and at its end.
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Metric from "effect/Metric"
 * import { Metrics } from "mrsync"
 *
 * const pagesSent = Effect.map(
 *   Metric.value(Metric.withAttributes(Metrics.pages, { role: "master" })),
 *   ({ count }) => count
 * )
 * ```
 */

import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Stats } from "../transport/Transport.ts"
import type { Event } from "./Event.ts"

const counter = (name: string, description: string) => Metric.counter(name, { description, incremental: true })

/** Bytes of pages sent (master) or received (catcher), repairs included. */
export const pageBytes = counter("mrsync_page_bytes", "bytes of pages sent or received, repairs included")
/** Pages sent or received, repairs and parity included. */
export const pages = counter("mrsync_pages", "page datagrams sent or received, repairs and parity included")
/** Pages sent again, and parity (catcher: pages asked for again). */
export const repairedPages = counter("mrsync_repaired_pages", "pages sent again, and parity, or asked for again")
/** Datagrams handed to the network. */
export const datagramsSent = counter("mrsync_datagrams_sent", "datagrams handed to the network")
/** Datagrams taken from the network. */
export const datagramsReceived = counter("mrsync_datagrams_received", "datagrams taken from the network")
/** Files that stand at this catcher; at the master, at the catcher that has most. */
export const files = counter("mrsync_files", "files that are complete here, or at the catcher that has most")

const ofTransport = { datagramsSent, datagramsReceived }
const ofSession = { pageBytes, pages, repairedPages, files }
const counters = { ...ofSession, ...ofTransport }

type Totals = { readonly [Name in keyof typeof counters]: number }

/** What a session has done so far. */
export type SessionTotals = Pick<Totals, keyof typeof ofSession>

const trafficOf = ({ received, sent }: Pick<Stats, "received" | "sent">) => ({
  datagramsSent: sent,
  datagramsReceived: received
})

/** Counts what was done between two calls; `before`: what the transport had done before the first. */
export const counting = (role: "master" | "catcher", before: Stats) =>
  Effect.map(Effect.context(), (context) => {
    let counted: Partial<Totals> = trafficOf(before)
    const named = Object.entries(counters).map(
      ([name, metric]) => [name as keyof Totals, Metric.withAttributes(metric, { role })] as const
    )
    return (session: SessionTotals, stats: Stats): void => {
      const totals: Totals = { ...session, ...trafficOf(stats) }
      for (const [name, metric] of named) {
        metric.updateUnsafe(Math.max(0, totals[name] - (counted[name] ?? 0)), context)
      }
      counted = totals
    }
  })

// ---- how a session stands ----

/** Sessions that run now. */
export const sessions = Metric.gauge("mrsync_sessions", { description: "sessions that run now" })
/** Catchers, by `state`, at a master; of a session that is over those of its report. */
export const catchers = Metric.gauge("mrsync_catchers", { description: "catchers in that state (master)" })
/** Bytes that can be sent. */
export const totalBytes = Metric.gauge("mrsync_total_bytes", { description: "bytes that the session can send" })
/** Bytes of these that are there: at the master, at the catcher that lacks most. */
export const heldBytes = Metric.gauge("mrsync_held_bytes", {
  description: "bytes of these held here, or by the catcher that lacks most"
})
/** Seconds since the session began. */
export const seconds = Metric.gauge("mrsync_session_seconds", { description: "seconds since the session began" })
/** Entries that did not arrive somewhere. */
export const failures = counter("mrsync_failures", "entries that did not arrive, each time that one was told")

const states = ["Receiving", "Slow", "Complete", "Limited", "Partial", "Lost", "Absent", "Unreachable"] as const

/** Shows how a session stands; to be told of its events. */
export const standing = Effect.map(Effect.context(), (context) => {
  const set = (gauge: Metric.Gauge<number>, value: number) => gauge.updateUnsafe(value, context)
  const byState = states.map((state) => [state, Metric.withAttributes(catchers, { state })] as const)
  const count = (all: ReadonlyArray<{ readonly state: string }>) => {
    for (const [state, gauge] of byState) set(gauge, all.filter((one) => one.state === state).length)
  }
  return (event: Event): void => {
    switch (event._tag) {
      case "Started":
        set(sessions, 1)
        return set(seconds, 0)
      case "Tick":
        set(totalBytes, event.total)
        set(heldBytes, event.bytes)
        set(seconds, event.seconds)
        return count(event.catchers)
      case "Failed":
        return failures.updateUnsafe(1, context)
      case "Report":
        set(sessions, 0)
        set(seconds, event.seconds)
        return count(event.catchers)
    }
  }
})
