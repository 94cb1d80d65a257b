/** Trees to send: awkward names and every type, and plain bytes. */
import { execFileSync } from "node:child_process"
import { randomFillSync } from "node:crypto"
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as SimulatedTree from "../../src/simulate/Tree.ts"

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

/** So many small files of random bytes, up to 5 kB, forty a directory. */
export const small = (root: string, files: number): string => {
  const bytes = new Uint8Array(5000)
  for (let i = 0; i < files; i++) {
    const folder = join(root, `d${Math.floor(i / 400)}`, `e${Math.floor(i / 40)}`)
    if (i % 40 === 0) mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `f${i}`), randomFillSync(bytes).subarray(0, (i * 37) % 5001))
  }
  return root
}

const script = fileURLToPath(new URL("../../scripts/awkward.mjs", import.meta.url))

/** A tree of awkward names, links, modes, times and sizes. */
export const awkward = (root: string): string => {
  execFileSync(process.execPath, [script, root])
  return root
}

/** Bytes that follow from a seed. */
export const bytes = SimulatedTree.bytes

/** What every entry is, but for its inode: type, size, mode, owner, time, links and target. */
export const listing = (root: string): ReadonlyMap<string, string> =>
  new Map(
    execFileSync("find", [root, "-printf", "%P\\t%y %s %m %U %G %T@ %n %l\\n"], { encoding: "latin1" })
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split("\t") as [string, string])
  )
