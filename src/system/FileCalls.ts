/**
 * The calls that every small file needs to be read whole. Those of the C library take a quarter less of the processor's time than Node's own
 * (docs/performance.md), so they are used where they can be had.
 */
import * as fs from "node:fs"
import * as Status from "./Status.ts"

/** Each throws as Node's fs does. */
export interface FileCalls {
  /** Opens what a path names; no other program inherits it. */
  readonly open: (path: Buffer, flags: number) => number
  /** Reads from an offset on; answers how many bytes: 0 at the end. */
  readonly read: (file: number, into: Uint8Array, offset: number) => number
  readonly status: (file: number) => Status.Status
  readonly close: (file: number) => void
}

/** Node's own. */
export const node: FileCalls = {
  open: (path, flags) => fs.openSync(path, flags),
  read: (file, into, offset) => fs.readSync(file, into, 0, into.length, offset),
  status: Status.looks.of,
  close: (file) => fs.closeSync(file)
}

/** Reads until `into` is full or the file ends; answers how many bytes were read. */
export const readAll = ({ read }: FileCalls, file: number, into: Uint8Array): number => {
  let done = 0
  while (done < into.length) {
    const count = read(file, done === 0 ? into : into.subarray(done), done)
    if (count === 0) break
    done += count
  }
  return done
}
