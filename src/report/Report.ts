/** What a session came to, and the exit status that follows from it. The shape is part of the public interface. */

import type { Unsent } from "../source/Unread.ts"

/** An entry that did not arrive, and why. */
export interface FailureReport {
  /** As `Names.display` shows it; empty: not of one path. */
  readonly path: string
  /** Its bytes in base64, where they are not UTF-8. */
  readonly pathBytes?: string
  /** In words, for a person. */
  readonly reason: string
}

/** What became of one catcher. */
export interface CatcherReport {
  /** Its name. */
  readonly id: string
  /** Where it was last. */
  readonly address: string
  /** Absent: it is on the list of hosts, and never came; it has no address. */
  readonly state: "Complete" | "Partial" | "Lost" | "Absent"
  /** Regular files (hard links included) that stand under their final names, and their bytes. */
  readonly files: number
  readonly bytes: number
  /** Pages asked for again. */
  readonly missingPages: number
  /** What kept it so far behind the others that they did not wait for it; only a master knows. */
  readonly straggled?: "loss" | "lost answers" | "slow machine" | "slow link" | "silence" | undefined
  /** With a `kind` where, in a catcher's own report, it is the master that could not send it. */
  readonly failures: ReadonlyArray<FailureReport & { readonly kind?: Unsent["kind"] }>
}

/** How a session ended: at a master for all catchers, at a catcher for itself. */
export interface Report {
  readonly _tag: "Report"
  /** Its id, 16 hexadecimal digits. */
  readonly session: string
  /** From the beginning of the session, after the waiting. */
  readonly seconds: number
  readonly files: number
  readonly directories: number
  readonly links: number
  readonly fifos: number
  /** Of all regular files. */
  readonly bytes: number
  /** Page datagrams. */
  readonly pages: {
    /** The files' own pages, of the size that was used last, as both sides count them. */
    readonly needed: number
    /** Every page datagram put on the air, repairs and parity included (a catcher: received). */
    readonly sent: number
    /** Pages again, and parity. */
    readonly repaired: number
    /** Parity pages alone. */
    readonly parity: number
  }
  /** At a catcher: itself. */
  readonly catchers: ReadonlyArray<CatcherReport>
  /** Sockets and devices of the tree, which nobody is sent. */
  readonly skipped: number
  /** Entries that the master could not send to anybody; with `arrived`: as they are. */
  readonly failures: ReadonlyArray<FailureReport & { readonly kind: Unsent["kind"]; readonly arrived?: true }>
}

/** rsync's numbers. */
export const exitStatus = {
  ok: 0,
  usage: 1,
  socket: 10,
  file: 11,
  protocol: 12,
  interrupted: 20,
  partial: 23,
  changed: 24,
  timeout: 30
} as const

/** One rule for both sides: 24 where nothing is wrong but that a source changed, 23 where anything else is. */
export const exitStatusOf = (report: Report): number => {
  const incomplete = report.catchers.filter((catcher) => catcher.state !== "Complete")
  const isChanged = ({ kind }: { readonly kind?: Unsent["kind"] }) => kind === "Changed"
  const isPartial =
    incomplete.some(({ failures }) => failures.length === 0 || !failures.every(isChanged)) ||
    !report.failures.every(isChanged)
  if (isPartial) return exitStatus.partial
  return incomplete.length + report.failures.length > 0 ? exitStatus.changed : exitStatus.ok
}
