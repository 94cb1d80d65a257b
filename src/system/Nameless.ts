/** Files that have no name: nothing is left of them when their process is killed. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Descriptor from "./Descriptor.ts"
import * as Errno from "./Errno.ts"

type Opened = Effect.Effect<Descriptor.Descriptor, NodeJS.ErrnoException, Scope.Scope>

const opened = (open: () => number): Opened =>
  Effect.acquireRelease(
    Effect.try({ try: () => Descriptor.make(open()), catch: (cause) => cause as NodeJS.ErrnoException }),
    (descriptor) => descriptor.close
  )

/** Linux: O_TMPFILE, which Node does not name, without O_DIRECTORY, which has another number on other machines. */
export const flags = 0o20000000 | fs.constants.O_DIRECTORY | fs.constants.O_RDWR

/** Linux: a file in the file system of a directory, of which nothing can be seen there. */
export const beside = (directory: Buffer | string): Opened =>
  process.platform === "linux"
    ? opened(() => fs.openSync(directory, flags, 0o600))
    : Effect.fail(Errno.toCause(os.constants.errno.EOPNOTSUPP))

let made = 0

/** A file in the system's directory for such, which has lost its name already. */
const unlinked = opened(() => {
  const name = path.join(os.tmpdir(), `mrsync-${process.pid}-${made++}`)
  const { O_CREAT, O_EXCL, O_RDWR } = fs.constants
  const fd = fs.openSync(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
  fs.unlinkSync(name)
  return fd
})

/** A file in the system's directory for such. Some file systems have none that never had a name. */
export const temporary: Opened = Effect.catch(
  Effect.suspend(() => beside(os.tmpdir())),
  () => unlinked
)

/** Linux: where other processes of this user find an open file of ours, as long as it is open. */
export const pathOf = ({ fd }: Descriptor.Descriptor): string | undefined =>
  process.platform === "linux" ? `/proc/${process.pid}/fd/${fd}` : undefined
