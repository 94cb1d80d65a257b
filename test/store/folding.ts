/**
 * A file system on which names differ by more than case, or by more than how an accent is spelt: every path of Node's
 * functions leads to what is there already under a name that is the same to it. Names stay as they were first given.
 */
import * as real from "node:fs"

const keyOf = (name: Buffer): string => name.toString("utf8").normalize("NFD").toLowerCase()

let root: string | undefined

/** From then on, below that directory; undefined: nowhere. */
export const foldBelow = (directory: string | undefined): void => void (root = directory)

/** The path with the name that what it leads to has. */
const led = (path: unknown): any => {
  if (root === undefined || !(Buffer.isBuffer(path) || typeof path === "string")) return path
  const bytes = Buffer.from(path as string)
  const slash = bytes.lastIndexOf(0x2f)
  const directory = bytes.subarray(0, Math.max(slash, 0))
  const name = bytes.subarray(slash + 1)
  if (slash <= 0 || name.length === 0 || name[0] === 0x2e) return path
  try {
    const where = real.realpathSync(directory, { encoding: "utf8" })
    if (where !== root && !where.startsWith(`${root}/`)) return path
    const names = real.readdirSync(directory, { encoding: "buffer" })
    const same = names.find((one) => keyOf(one) === keyOf(name))
    return same === undefined ? path : Buffer.concat([directory, Buffer.from("/"), same])
  } catch {
    return path
  }
}

/** How many of a function's first arguments are paths. */
const paths: Readonly<Record<string, number>> = {
  ...{
    lstatSync: 1,
    statSync: 1,
    openSync: 1,
    mkdirSync: 1,
    rmdirSync: 1,
    unlinkSync: 1,
    readlinkSync: 1,
    chmodSync: 1
  },
  ...{ chownSync: 1, lchownSync: 1, renameSync: 2, linkSync: 2, opendirSync: 1, utimesSync: 1, lutimesSync: 1 }
}

/** node:fs, on such a file system. */
export const folding = (fs: typeof real): typeof real => {
  const out: Record<string, unknown> = { ...fs }
  for (const [name, count] of Object.entries(paths)) {
    const original = (fs as unknown as Record<string, (...args: ReadonlyArray<unknown>) => unknown>)[name]
    out[name] = (...args: ReadonlyArray<unknown>) => original(...args.map((arg, i) => (i < count ? led(arg) : arg)))
  }
  // the second path of a link is where it is made
  out["symlinkSync"] = (target: any, path: unknown) => fs.symlinkSync(target, led(path))
  return { ...(out as unknown as typeof real), default: out } as never
}
