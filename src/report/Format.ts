/**
 * Numbers and names as a person reads them, on a terminal and on the page. Everything that came from the network or from a disk
 * goes through `safe` or `name` before it is shown. Pure, and imports nothing: it is in the page as well.
 */

/** 12345 -> "12,345". */
export const count = (n: number): string => String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ",")

/** "1 file", "2 files". */
export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`

const units = ["B", "kB", "MB", "GB", "TB", "PB"] as const

/** Decimal units, three digits: "999 B", "1.26 GB", "512 MB". */
export const bytes = (n: number): string => {
  let unit = 0
  let value = n
  // 999.5 and not 1000: what would be rounded to four digits belongs to the next unit.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${value.toFixed(digits)} ${units[unit]}`
}

export const rate = (bytesPerSecond: number): string => `${bytes(bytesPerSecond)}/s`

/** "0:07", "12:34", "1:02:03". */
export const clock = (seconds: number): string => {
  const whole = Math.max(0, Math.ceil(seconds))
  const two = (n: number) => String(n).padStart(2, "0")
  const hours = Math.floor(whole / 3600)
  const minutes = Math.floor(whole / 60) % 60
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

/** "0.42 s", "7.3 s", "95 s". */
export const seconds = (n: number): string => `${n.toFixed(n < 1 ? 2 : n < 20 ? 1 : 0)} s`

/** Rounded down: 100 % means all of it. */
export const percent = (part: number, whole: number): number =>
  whole <= 0 ? 100 : Math.min(100, Math.floor((part / whole) * 100))

// Control characters, and what reorders or breaks a line without being seen.
const unsafe = /[\p{Cc}\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/** Text that a terminal cannot take for a command, and that reorders nothing: control characters as \xNN. */
export const safe = (text: string): string =>
  text.replace(unsafe, (character) => {
    const code = character.codePointAt(0) ?? 0
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`
  })

/** A name from the network: no two names look alike, as no two paths do (Names.display). */
export const name = (text: string): string => safe(text.replaceAll("\\", "\\\\"))
