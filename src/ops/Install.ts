/**
 * Brings the program to a host that does not have it, over the connection on which its catcher is started: one file, below
 * `~/.cache/mrsync` under its hash, and kept there.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"

/** The program as one file. */
export interface Program {
  readonly bytes: number
  /** SHA-256, hexadecimal. */
  readonly hash: string
  /** The kind of machine that it runs on, as `uname` names it: "Linux x86_64". */
  readonly kind: string
  readonly content: Stream.Stream<Uint8Array, PlatformError.PlatformError>
}

const machines: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" }

/** The program in a file, which is made for this kind of machine. */
export const programIn = Effect.fnUntraced(function* (path: string) {
  const { stream } = yield* FileSystem.FileSystem
  const hash = createHash("sha256")
  let bytes = 0
  const content = stream(path)
  yield* Stream.runForEach(content, (piece) =>
    Effect.sync(() => {
      hash.update(piece)
      bytes += piece.length
    })
  )
  const kind = `${process.platform === "linux" ? "Linux" : process.platform} ${machines[process.arch] ?? process.arch}`
  return { bytes, hash: hash.digest("hex"), kind, content } satisfies Program
})

/** What a host says that has no such program, before the kind of machine that it is. */
const wanted = "mrsync-wanted "

/** The kind of a machine that wants the program; undefined: the line says something else. */
export const kindIn = (line: string): string | undefined =>
  line.startsWith(wanted) ? line.slice(wanted.length).trim() : undefined

/**
 * A command for a shell there, in place of the program: runs what is installed in this version, or what was brought before; else
 * asks for it, and keeps it only when it has its hash. In single quotes, so that there are none in it, nor what shells that are no
 * `sh` would read in them.
 */
export const commandOf = ({ bytes, hash }: Pick<Program, "bytes" | "hash">, version: string): string => {
  const steps = [
    `if [ "$(mrsync --version 2>/dev/null)" = "mrsync ${version}" ]; then exec mrsync "$0" "$@"; fi`,
    'd="$HOME/.cache/mrsync/' + hash + '"',
    'f="$d/mrsync"',
    'if [ -x "$f" ]; then exec "$f" "$0" "$@"; fi',
    `echo`,
    `echo ${wanted}$(uname -sm)`,
    'mkdir -p "$d" && t=$(mktemp "$d/new.XXXXXX") || exit 1',
    // where the connection ends, too
    'leave() { rm -f "$t"; rmdir "$d" 2>/dev/null; }',
    "trap leave EXIT",
    `head -c ${bytes} > "$t" || exit 1`,
    `if [ "$(sha256sum < "$t" | cut -c1-64)" != ${hash} ]; then echo "what arrived has not the hash of the program" >&2; exit 1; fi`,
    'chmod 755 "$t" && mv -f "$t" "$f" && exec "$f" "$0" "$@"'
  ]
  return `sh -c '${steps.join("; ")}'`
}
