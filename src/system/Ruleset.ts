/** The rules of this machine's firewall, as the system's own programs print them. Nothing is changed. */
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { Programs } from "./Programs.ts"

/** What was printed; undefined: that program is not there, or says no. */
export interface Ruleset {
  /** `nft -j list ruleset`. */
  readonly nft: string | undefined
  /** `iptables-save -t filter`. */
  readonly iptables: string | undefined
  /** Why neither could be read. */
  readonly unread: string | undefined
}

/** A firewall of thousands of rules is printed within this. */
const patienceMillis = 5000
const mostBytes = 64 * 1024 * 1024

/** Reads the rules. */
export const read: Effect.Effect<Ruleset> = Effect.map(Programs, (path) => {
  const nft = run(path, "nft", "-j", "list", "ruleset")
  const iptables = run(path, "iptables-save", "-t", "filter")
  const isRead = nft.printed !== undefined || iptables.printed !== undefined
  return {
    nft: nft.printed,
    iptables: iptables.printed,
    unread: isRead ? undefined : (nft.why ?? iptables.why ?? "neither nft nor iptables-save is here")
  }
})

interface Run {
  readonly printed?: string
  /** Why it printed nothing; undefined: it is not there. */
  readonly why?: string
}

const run = (path: string, program: string, ...args: ReadonlyArray<string>): Run => {
  const { error, status, stderr, stdout } = spawnSync(program, args, {
    // none of our variables: one of them may be a phrase
    env: { PATH: `${path}:/usr/sbin:/sbin` },
    encoding: "utf8",
    timeout: patienceMillis,
    maxBuffer: mostBytes
  })
  if (error !== undefined)
    return "code" in error && error.code === "ENOENT" ? {} : { why: `${program}: ${error.message}` }
  if (status === 0) return { printed: stdout }
  const first = stderr.split("\n").find((line) => line.trim() !== "") ?? ""
  return { why: `${program}: ${first.trim() || `it ended with ${status}`}` }
}
