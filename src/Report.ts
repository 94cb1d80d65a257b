/** What a session came to, and the exit status that follows from it. The shape is part of the public interface. */

import { base64Of } from "./Manifest.ts"

export interface FailureReport {
  /** As `Manifest.display` shows it; empty: not of one path. */
  readonly path: string
  /** Its bytes in base64, where they are not UTF-8. */
  readonly pathBytes?: string
  readonly reason: string
}

/** What failed at a path as it is shown. */
export const failureAt = <More extends object>(path: string, reason: string, more?: More): FailureReport & More => {
  const pathBytes = base64Of(path)
  return { path, ...(pathBytes === undefined ? {} : { pathBytes }), reason, ...(more ?? ({} as More)) }
}

export interface CatcherReport {
  readonly id: string
  readonly address: string
  readonly state: "Complete" | "Partial" | "Lost"
  /** Regular files (hard links included) that stand under their final names, and their bytes. */
  readonly files: number
  readonly bytes: number
  /** Pages asked for again. */
  readonly missingPages: number
  /** What kept it so far behind the others that they did not wait for it; only a master knows. */
  readonly straggled?: "loss" | "slow disk" | "slow link" | "silence" | undefined
  readonly failures: ReadonlyArray<FailureReport>
}

export interface Report {
  readonly _tag: "Report"
  readonly session: string
  readonly seconds: number
  readonly files: number
  readonly directories: number
  readonly links: number
  readonly bytes: number
  readonly pages: {
    /** The files' own pages. */
    readonly needed: number
    /** Every page datagram put on the air, repairs and parity included (a catcher: received). */
    readonly sent: number
    readonly repaired: number
    readonly parity: number
  }
  readonly catchers: ReadonlyArray<CatcherReport>
  /** Entries that the master could not send to anybody. */
  readonly failures: ReadonlyArray<FailureReport & { readonly kind: "Unreadable" | "Changed" }>
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

export const exitStatusOf = (report: Report): number =>
  report.catchers.some((catcher) => catcher.state !== "Complete") ||
  report.failures.some((f) => f.kind === "Unreadable")
    ? exitStatus.partial
    : report.failures.length > 0
      ? exitStatus.changed
      : exitStatus.ok
