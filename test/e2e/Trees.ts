/** Trees to send: awkward names and every type, and plain bytes. */
import { execFileSync } from "node:child_process"
import { randomFillSync } from "node:crypto"
import { closeSync, openSync, writeSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** A file of random bytes. */
export const random = (path: string, bytes: number): string => {
  const piece = new Uint8Array(Math.min(bytes, 1 << 24))
  const fd = openSync(path, "w")
  for (let left = bytes; left > 0; left -= piece.length) {
    randomFillSync(piece)
    writeSync(fd, piece, 0, Math.min(left, piece.length))
  }
  closeSync(fd)
  return path
}

const script = fileURLToPath(new URL("../../scripts/awkward.mjs", import.meta.url))

/** A tree of awkward names, links, modes, times and sizes. */
export const awkward = (root: string): string => {
  execFileSync(process.execPath, [script, root])
  return root
}
