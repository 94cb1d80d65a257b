/**
 * Paths as a person and a program read them: bytes to text and back, and no two paths alike. Pure.
 */

import * as Result from "effect/Result"

/**
 * A path as a person reads it, and never two paths alike: a backslash is doubled, and what is not UTF-8, or cannot
 * be seen, is \xNN byte by byte. The empty path is ".".
 */
export const display = (path: Uint8Array): string => {
  const text = decoder.decode(path)
  if (text === ".") return escaped(path)
  if (!suspect.test(text)) return text === "" ? "." : text
  let out = ""
  for (const { bytes, text } of characters(path)) {
    out += text === "\\" ? "\\\\" : text !== undefined && !suspect.test(text) ? text : escaped(bytes)
  }
  return out
}

/** The bytes that `display` shows so. */
export const bytesOf = (shown: string): Uint8Array => {
  if (shown === ".") return new Uint8Array(0)
  const parts: Array<Uint8Array> = []
  let at = 0
  for (const { 0: match, 1: hex, index } of shown.matchAll(/\\(?:x([0-9a-f]{2})|\\)/g)) {
    parts.push(encoder.encode(shown.slice(at, index)), Uint8Array.of(hex === undefined ? 0x5c : parseInt(hex, 16)))
    at = index + match.length
  }
  return Buffer.concat([...parts, encoder.encode(shown.slice(at))])
}

/** Is it the name of a temporary file, of whatever catcher? One character a byte. */
export const isTemporary = (name: string): boolean => /^\.[^]*\.mrsync-[0-9A-Za-z]{6}$/.test(name)

/** Is it the name of what is kept of a large file beside it? One character a byte. */
export const isPartial = (name: string): boolean => /^\.[^]*\.mrsync-partial$/.test(name)

/**
 * Is it the name of what a catcher has not finished: of a temporary file, or of what is kept of a large one? One character a byte.
 * No master sends a file of such a name.
 */
export const isUnfinished = (name: string): boolean => isTemporary(name) || isPartial(name)

/** A shown path in base64 where it is not UTF-8, so that a program need not know the escapes. */
export const base64Of = (shown: string): string | undefined => {
  if (!shown.includes("\\x")) return undefined
  const bytes = bytesOf(shown)
  return Result.isFailure(Result.try(() => strict.decode(bytes))) ? Buffer.from(bytes).toString("base64") : undefined
}

/** A path as it is shown, as events and reports have it. */
export const pathAt = (path: string) => {
  const pathBytes = base64Of(path)
  return pathBytes === undefined ? { path } : { path, pathBytes }
}

/** What failed at a path as it is shown, as a report has it. */
export const failureAt = <More extends object>(path: string, reason: string, more?: More) => ({
  ...pathAt(path),
  reason,
  ...(more ?? ({} as More))
})

// Control characters, and others that cannot be seen or turn a line around (but for those that join letters and
// emoji); what stands for a byte that is none of UTF-8; the escapes' own backslash.
const suspect = /[\p{Cc}\p{Zl}\p{Zp}\ufffd\\]|(?!\u200c|\u200d|[\u{e0020}-\u{e007f}])\p{Cf}/u

const escaped = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")

const encoder = new TextEncoder()
// what looks like a byte order mark is a part of the name
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

// Walks UTF-8 character by character; `text` is undefined where a byte begins none.
function* characters(path: Uint8Array) {
  for (let at = 0; at < path.length;) {
    const lead = path[at]
    const length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1
    const bytes = path.subarray(at, at + length)
    // An error for each byte would cost a hundred times as much.
    const text = decoder.decode(bytes)
    const isNone = text.includes("\ufffd")
    yield isNone ? { bytes: path.subarray(at, at + 1), text: undefined } : { bytes, text }
    at += isNone ? 1 : length
  }
}

/** The key of the directory that a path is in. */
export const parentOf = (key: string): string => key.slice(0, Math.max(key.lastIndexOf("/"), 0))

/** A path as a Map's key: one character a byte. */
export const keyOf = (path: Uint8Array): string =>
  (Buffer.isBuffer(path) ? path : Buffer.from(path.buffer, path.byteOffset, path.length)).toString("latin1")

/** The last name of a key's path. */
export const nameOf = (key: string): Buffer => ofKey(key.slice(key.lastIndexOf("/") + 1))

/** The path of such a key. */
export const ofKey = (key: string): Buffer => Buffer.from(key, "latin1")
