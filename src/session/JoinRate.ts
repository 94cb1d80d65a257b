/** How often each host may join: a token bucket for each. */
import * as Limits from "../protocol/Limits.ts"

/** Counts in place, because a flood must cost no memory for each join. */
export class JoinRate {
  private readonly levels = new Map<string, { tokens: number; atMillis: number }>()

  /** Is there a join left for that host? It is taken. */
  take(host: string, nowMillis: number): boolean {
    let level = this.levels.get(host)
    if (level === undefined) {
      if (this.levels.size >= Limits.countedHosts) this.levels.clear()
      level = { tokens: Limits.joinsOfHost, atMillis: nowMillis }
      this.levels.set(host, level)
    }
    const more = ((nowMillis - level.atMillis) / 1000) * Limits.joinsOfHostPerSecond
    level.tokens = Math.min(Limits.joinsOfHost, level.tokens + more)
    level.atMillis = nowMillis
    if (level.tokens < 1) return false
    level.tokens--
    return true
  }
}
