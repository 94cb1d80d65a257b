/** Extended attributes of what is sent, and a notice of those that are not carried. [M-13] [Y-14] */

import type * as Option from "effect/Option"
import * as Opt from "effect/Option"
import * as Result from "effect/Result"
import * as Limits from "../protocol/Limits.ts"
import * as Errno from "../system/Errno.ts"
import { type Calls, valuesAt } from "../system/Libc.ts"
import type { Status } from "../system/Status.ts"
import * as Attributes from "../tree/Attributes.ts"
import type { Choice } from "./Choice.ts"
import type { Uncarried } from "./Source.ts"

type Wish = Pick<Choice, "carriesAttributes" | "carriesAcls" | "fakesSuper">

/** Reads the attributes of one scan. */
export class Reader {
  uncarried: Uncarried | undefined
  private readonly calls: Calls["attributes"]
  private readonly wish: Wish
  private readonly carriesAll: boolean
  private readonly isCarried: (name: string) => boolean
  /** Equal sets are one: of a system with labels there are few. */
  private readonly sets = new Map<string, Attributes.Attributes>()
  private bytes = 0

  constructor(libc: Option.Option<Calls>, wish: Wish) {
    this.calls = Opt.getOrUndefined(libc)?.attributes
    this.wish = wish
    this.isCarried = Attributes.carried(wish, wish.fakesSuper || process.geteuid?.() === 0)
    this.carriesAll = [Attributes.accessAcl, Attributes.capability].every(this.isCarried)
  }

  /** Of what has a path, one character a byte; none: undefined. */
  at(path: string): Attributes.Attributes | undefined {
    if (!Attributes.areCarried(this.wish)) return undefined
    const { calls } = this
    if (calls === undefined) return undefined
    const place = { path, follow: false }
    const names = namesAt(() => calls.list(place), true).filter(this.isCarried)
    if (names.length === 0) return undefined
    return this.shared(valuesAt(calls, place, names.toSorted()))
  }

  private shared(all: Attributes.Attributes): Attributes.Attributes {
    const key = all.map(({ name, value }) => `${name}\0${Buffer.from(value).toString("latin1")}`).join("\0\0")
    const known = this.sets.get(key)
    if (known !== undefined) return known
    this.bytes += Attributes.bytesOf(all)
    const wrong = Attributes.wrong(all)
    if (wrong !== undefined) throw tooMuch(`it has ${wrong}`)
    if (this.bytes > Limits.allAttributeBytes)
      throw tooMuch(`the tree has different attributes of more than ${Limits.allAttributeBytes} bytes`)
    this.sets.set(key, all)
    return all
  }

  /**
   * Notes what has something that is not carried. It is looked at where that is likely, because each look costs as much as that of the
   * walk: directories, and files that can be executed.
   */
  notice(path: string, relative: string, { kind, mode }: Status): void {
    const { calls } = this
    const isLikely = kind === "Directory" || (kind === "File" && (mode & 0o111) !== 0)
    if (calls === undefined || this.carriesAll || !isLikely) return
    const names = namesAt(() => calls.list({ path, follow: false }), false).filter((name) => !this.isCarried(name))
    const acls = names.some(Attributes.isAcl)
    const capabilities = names.includes(Attributes.capability)
    if (!acls && !capabilities) return
    const { uncarried: before } = this
    this.uncarried = {
      count: (before?.count ?? 0) + 1,
      first: before?.first ?? relative,
      acls: acls || before?.acls === true,
      capabilities: capabilities || before?.capabilities === true,
      needsRoot: this.wish.carriesAttributes
    }
  }
}

const tooMuch = (words: string) => Object.assign(new Error(words), { code: "E2BIG" })

/** None where the file system has none. `isNeeded`: any other refusal is thrown. */
const namesAt = (list: () => ReadonlyArray<string>, isNeeded: boolean): ReadonlyArray<string> => {
  const names = Result.try(list)
  if (Result.isSuccess(names)) return names.success
  if (isNeeded && !without.has(Errno.codeOf(names.failure) ?? "")) throw names.failure
  return []
}

const without: ReadonlySet<string> = new Set(["ENOTSUP", "EOPNOTSUPP"])
