/** How often each host may join, and each slot may ask: a bucket for each. */
import { Bucket } from "../protocol/Bucket.ts"
import * as Limits from "../protocol/Limits.ts"

/** Counts in place, because a flood must cost no memory for each join. */
export class JoinRate {
  private readonly hosts = new Map<string, Bucket>()

  /** Is there a join left for that host? It is taken. */
  take(host: string, nowMillis: number): boolean {
    let bucket = this.hosts.get(host)
    if (bucket === undefined) {
      if (this.hosts.size >= Limits.countedHosts) this.hosts.clear()
      bucket = new Bucket(Limits.joinsOfHost, Limits.joinsOfHostPerSecond)
      this.hosts.set(host, bucket)
    }
    return bucket.takes(nowMillis)
  }
}
