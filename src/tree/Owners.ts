/**
 * Owners that stand for others, as `rsync --usermap` and `--groupmap` have them: of users or of groups, by their numbers. Pure.
 */

import * as Result from "effect/Result"

/** The numbers `low` to `high` become `to`. */
interface Mapped {
  readonly low: number
  readonly high: number
  readonly to: number
}

/** The first that matches decides. */
export type Owners = ReadonlyArray<Mapped>

/** The greatest number of a user or a group: one more means "as it is" to the system. */
export const mostOwner = 0xffff_fffe

/** The number of a name, which may be a number itself. */
export type NumberOf = (name: string) => Result.Result<number, string>

/** Reads FROM:TO[,FROM:TO]...: FROM is a name, a number, a range of them or "*". */
export const parse = (text: string, numberOf: NumberOf): Result.Result<Owners, string> => {
  const owners: Array<Mapped> = []
  for (const item of text.split(",")) {
    const [from, to, ...rest] = item.split(":")
    const isPair = to !== undefined && rest.length === 0 && from !== "" && to !== ""
    const range = isPair ? rangeOf(from, numberOf) : Result.fail(expected)
    const target = Result.flatMap(range, () => numberOf(to))
    if (Result.isFailure(range) || Result.isFailure(target)) {
      const reason = Result.isFailure(range) ? range.failure : Result.isFailure(target) ? target.failure : ""
      return Result.fail(item === text ? reason : `"${item}" is wrong: ${reason}`)
    }
    owners.push({ ...range.success, to: target.success })
  }
  return Result.succeed(owners)
}

const expected = 'expected FROM:TO, where FROM is a name, a number, a range LOW-HIGH or "*", as in 0-99:nobody,*:web'

const rangeOf = (from: string, numberOf: NumberOf): Result.Result<Omit<Mapped, "to">, string> => {
  if (from === "*") return Result.succeed({ low: 0, high: mostOwner })
  const [, low, high = low] = /^(\d+)(?:-(\d+))?$/.exec(from) ?? []
  if (low !== undefined) {
    return Number(low) <= Number(high) && Number(high) <= mostOwner
      ? Result.succeed({ low: Number(low), high: Number(high) })
      : Result.fail(expected)
  }
  if (/[*?[]/.test(from)) return Result.fail(expected)
  return Result.map(numberOf(from), (one) => ({ low: one, high: one }))
}

/** All become one. */
export const all = (to: number): Owners => [{ low: 0, high: mostOwner, to }]

/** The number that stands for another. */
export const mapped = (owners: Owners, from: number): number =>
  owners.find(({ high, low }) => low <= from && from <= high)?.to ?? from
