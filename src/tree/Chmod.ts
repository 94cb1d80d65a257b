/**
 * Changes of modes, as `rsync --chmod` takes them: chmod's own syntax, where a D or an F before an item confines it to directories, or
 * to everything else. Pure.
 */

import * as Result from "effect/Result"

/** One item of a list. */
export interface Change {
  readonly on: "All" | "Directories" | "Others"
  readonly operation: "+" | "-" | "=" | "Octal"
  /** One bit for each class that it is for: the bit to execute. */
  readonly classes: number
  /** Bits that are given or taken. */
  readonly bits: number
  /** The class whose bits are given or taken instead, as a shift. */
  readonly copyShift: number | undefined
  /** Only these bits of a copy count: without a class the umask has its say. */
  readonly copyMask: number
  /** Bits that "=" takes away first. */
  readonly cleared: number
  /** An X: only what is a directory, or can be executed by somebody, can be executed afterwards. */
  readonly keepsX: boolean
}

const classBits: Readonly<Record<string, number>> = { u: 0o100, g: 0o010, o: 0o001, a: 0o111 }
/** The bits that "s" stands for. */
const setIdBits: Readonly<Record<string, number>> = { u: 0o4000, g: 0o2000, o: 0, a: 0o6000 }
const permissionBits: Readonly<Record<string, number>> = { r: 4, w: 2, x: 1, X: 1, s: 0, t: 0 }
const shifts: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 }
/** What a copy clears of a class with "=". */
const specialBits = (classes: number): number =>
  (classes & 0o100 ? 0o4000 : 0) | (classes & 0o010 ? 0o2000 : 0) | (classes & 0o001 ? 0o1000 : 0)

const allBits = 0o7777
const expected =
  "expected items such as Dg+s, Fo-w, ug=rwX, g=u or D755: D or F, then any of ugoa, one of + - =, and any of rwxXst or one of u, g, o; or octal up to 7777"

/** The items of a list, or which one is wrong. `umask` counts where an item names no class. */
export const parse = (text: string, umask: number): Result.Result<ReadonlyArray<Change>, string> => {
  const changes: Array<Change> = []
  for (const item of text.split(",")) {
    const change = itemOf(item, umask)
    if (change === undefined) return Result.fail(item === text ? expected : `"${item}" is wrong: ${expected}`)
    changes.push(change)
  }
  return Result.succeed(changes)
}

const itemOf = (item: string, umask: number): Change | undefined => {
  const octal = /^([DF]*)([0-7]+)$/.exec(item)
  const symbolic = /^([DFugoa]*)([-+=])([rwxXst]*|[ugo])$/.exec(item)
  const [, head] = octal ?? symbolic ?? []
  if (head === undefined || (head.includes("D") && head.includes("F"))) return undefined
  const on = head.includes("D") ? "Directories" : head.includes("F") ? "Others" : "All"
  if (octal !== null) {
    const bits = parseInt(octal[2], 8)
    const rest = { classes: 0, copyShift: undefined, copyMask: 0, cleared: allBits, keepsX: false }
    return bits > allBits ? undefined : { on, operation: "Octal", bits, ...rest }
  }
  const [, , operation, letters] = symbolic!
  const any = (bits: Readonly<Record<string, number>>, of: string) =>
    [...of].reduce((sum, one) => sum | (bits[one] ?? 0), 0)
  const named = any(classBits, head)
  const classes = named === 0 ? 0o111 : named
  const unmasked = named === 0 ? ~umask & allBits : allBits
  const isCopy = /^[ugo]$/.test(letters)
  const setId = any(setIdBits, head)
  const special = (letters.includes("s") ? setId || 0o4000 : 0) | (letters.includes("t") ? 0o1000 : 0)
  return {
    on,
    operation: operation as Change["operation"],
    classes,
    bits: ((classes * any(permissionBits, letters)) & unmasked) | special,
    copyShift: isCopy ? shifts[letters] : undefined,
    copyMask: unmasked,
    cleared: (classes * 7) | (special === 0 ? 0 : setId) | (isCopy ? specialBits(classes) : 0),
    keepsX: letters.includes("X")
  }
}

/** A mode after all changes. */
export const apply = (changes: ReadonlyArray<Change>, mode: number, isDirectory: boolean): number => {
  const isExecutable = isDirectory || (mode & 0o111) !== 0
  return changes.reduce((mode, change) => {
    if (change.on !== "All" && isDirectory !== (change.on === "Directories")) return mode
    const { bits, classes, cleared, copyMask, copyShift, keepsX, operation } = change
    const copied = copyShift === undefined ? 0 : (classes * ((mode >> copyShift) & 7)) & copyMask
    const given = (keepsX && !isExecutable ? bits & ~0o111 : bits) | copied
    if (operation === "+") return mode | given
    return operation === "-" ? mode & ~(bits | copied) : (mode & ~cleared) | given
  }, mode)
}
