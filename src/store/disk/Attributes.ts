/**
 * Extended attributes at a destination, ACLs among them. [Y-14]
 *
 * The trap: another owner clears capabilities, and an ACL and a mode are parts of one another. So they are set after the owner and before
 * the mode.
 */

import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Errno from "../../system/Errno.ts"
import { type AttributeCalls, type Calls, type Place, valuesAt } from "../../system/Libc.ts"
import * as Attributes from "../../tree/Attributes.ts"
import { notSet, refusal } from "../Reasons.ts"

export class Attributer {
  private readonly calls: AttributeCalls | undefined
  private readonly isRoot: boolean

  constructor(isRoot: boolean, libc: Option.Option<Calls>) {
    this.isRoot = isRoot
    this.calls = Option.getOrUndefined(libc)?.attributes
  }

  /** Those of a place that count for a policy; none also where they cannot be read. */
  at(place: Place, policy: Attributes.Carrying): Attributes.Attributes {
    const { calls } = this
    if (calls === undefined || !Attributes.areCarried(policy)) return []
    const isCarried = Attributes.carried(policy, this.isRoot)
    const read = Result.try(() => valuesAt(calls, place, calls.list(place).filter(isCarried)))
    return Result.getOrElse(read, () => [])
  }

  /** Does a place have those that are wanted? */
  areAt(place: Place, wanted: Attributes.Attributes | undefined, policy: Attributes.Carrying): boolean {
    if (!Attributes.areCarried(policy)) return true
    const { removed, set } = this.apartAt(place, wanted, policy)
    return removed.length + set.length === 0
  }

  private apartAt(place: Place, wanted: Attributes.Attributes | undefined, policy: Attributes.Carrying) {
    return Attributes.apart(wanted, this.at(place, policy), Attributes.carried(policy, this.isRoot))
  }

  /**
   * Gives a place those that are wanted, and takes all others of their kind from it. The first refusal is thrown when all the rest is done.
   * `open`: lets us write to what refuses that by its mode.
   */
  set(
    place: Place,
    wanted: Attributes.Attributes | undefined,
    policy: Attributes.Carrying,
    open: () => void = () => {}
  ): void {
    if (!Attributes.areCarried(policy)) return
    const { removed, set } = this.apartAt(place, wanted, policy)
    const [first] = set
    const { calls } = this
    if (calls === undefined) {
      if (first !== undefined)
        throw refusal("ENOSYS", `${named(first.name)} cannot be set here without the package koffi`)
      return
    }
    let refused: unknown
    const each = (name: string, change: () => void) => {
      const done = Result.try(() => whenOpen(change, open))
      if (Result.isFailure(done)) refused ??= refusedAt(name, done.failure)
    }
    for (const name of removed) each(name, () => calls.remove(place, name))
    for (const { name, value } of set) each(name, () => calls.set(place, name, value))
    if (refused !== undefined) throw refused
  }
}

const whenOpen = (change: () => void, open: () => void): void => {
  const done = Result.try(change)
  if (Result.isSuccess(done)) return
  if (Errno.codeOf(done.failure) !== "EACCES") throw done.failure
  open()
  change()
}

/** A refusal of the system as one of an attribute. */
export const refusedAt = (name: string, cause: unknown) => {
  const { code, reason: told } = Errno.fromCause(cause)
  // the system says it of sockets
  const reason = without.has(code) ? `its file system has none like it (${code})` : told
  return notSet(named(name), { code, reason })
}

const without: ReadonlySet<string> = new Set(["ENOTSUP", "EOPNOTSUPP"])

const named = (name: string): string => (Attributes.isAcl(name) ? `its ACL (${name})` : `its attribute ${name}`)
