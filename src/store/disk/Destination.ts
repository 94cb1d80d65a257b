/**
 * The destination's life: it is created where it is missing, opened when a session begins, and must keep its path until the
 * session ends. Work on many entries is done in turns, and tried again where another catcher of the same destination was
 * faster.
 *
 * The trap: any path may be changed by others at any time. So each look and each use goes through Confinement.
 */

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { dirname } from "node:path"
import * as Limits from "../../protocol/Limits.ts"
import * as Errno from "../../system/Errno.ts"
import type { Calls } from "../../system/Libc.ts"
import { keyOf, ofKey } from "../../tree/Names.ts"
import { refusal } from "../Reasons.ts"
import type { StoreError } from "../Store.ts"
import { attempt } from "./Attempt.ts"
import * as Confinement from "./Confinement.ts"

/** Entries that are worked on between two turns of the event loop: a millisecond or two. On a slow disk as many as take `turnMillis`. */
export const entriesPerTurn = 32
const turnMillis = 50

/** Work that is done a step at a time; the answer comes with the last one. */
export type Steps<A> = Generator<void, A, void>

export class Destination {
  readonly path: Buffer
  /** Fails when no session could begin in it as things stand, and creates nothing. */
  readonly admissible: Effect.Effect<void, StoreError>
  /** Creates the directory where it is missing, and fails when no session could begin in it. */
  readonly admitted: Effect.Effect<void, StoreError>
  /** Opens it anew, for a session. */
  readonly open: Effect.Effect<void, StoreError>
  /** Fails unless the destination's path still names the directory that was opened. */
  readonly stands: Effect.Effect<void, StoreError>
  private opened: Confinement.Tree | undefined
  /** Steps that are done in it, of each entry one or several: grows as long as the disk answers. */
  worked = 0

  /** `parts`: one directory for what is kept of all large files, which has to be of use as well. [Y-15] */
  constructor(path: Buffer, handles: boolean, libc: Option.Option<Calls>, parts?: Buffer) {
    this.path = path
    const at = <A>(path: Buffer, body: () => A) =>
      attempt(path, body).pipe(Effect.catchTag("DestinationEscape", Effect.die))
    const here = <A>(body: () => A) => at(path, body)
    const suits = parts === undefined ? Effect.void : at(parts, () => mustSuit(parts, path))
    this.admissible = Effect.andThen(
      here(() => foresee(path)),
      suits
    )
    this.admitted = Effect.andThen(
      here(() => admit(path)),
      suits
    )
    this.open = Effect.andThen(
      Effect.andThen(
        Effect.sync(() => this.close()),
        this.admitted
      ),
      here(() => void (this.opened = Confinement.make(path, handles, libc)))
    )
    this.stands = here(() => void this.opened?.directory(""))
  }

  close(): void {
    this.opened?.close()
    this.opened = undefined
  }

  /** Has a session begun to use it? */
  get isOpen(): boolean {
    return this.opened !== undefined
  }

  /** Is there a directory already? */
  get isThere(): boolean {
    return fs.statSync(this.path, { throwIfNoEntry: false }) !== undefined
  }

  /** The directories below the destination, once a session has begun. */
  get tree(): Confinement.Tree {
    if (this.opened === undefined) throw refusal("EBADF", "the destination is not open")
    return this.opened
  }

  /** Keeps a directory open while others are reached. */
  holding<A>(directory: Confinement.Directory, body: () => A): A {
    const { tree } = this
    tree.hold(directory)
    try {
      return body()
    } finally {
      tree.release(directory)
    }
  }

  /** The directory that was kept open, or, without open directories, the one that has its path now; throws where another has. */
  still(kept: Confinement.Directory): Confinement.Directory {
    const { tree } = this
    const directory = tree.directory(kept.key)
    if (tree.handles && directory !== kept) throw refusal("ESTALE", "its directory was replaced while it was received")
    return directory
  }

  /** The place of a path: its directory, reached anew, and its name there. */
  spot(path: Uint8Array): Confinement.Spot {
    const { name, parent } = Confinement.split(path)
    return { directory: this.tree.directory(parent), name }
  }

  /**
   * Runs `body` again where another catcher may have changed the entries that it looked at: several may share a destination.
   * Where the process may open no more files, directories that are kept open make room.
   */
  persistently<A>(body: () => A): A {
    for (let tries = 1; ; tries++) {
      const done = Result.try(body)
      if (Result.isSuccess(done)) return done.success
      const isLack = isScarce(done.failure)
      const isRace = raceCodes.has(Errno.codeOf(done.failure) ?? "")
      if (tries === Limits.racedTries || !(isRace || isLack)) throw done.failure
      if (isLack) this.opened?.spare()
      else this.opened?.lookAgain()
    }
  }

  /** Does work that is made of steps, and lets others run in between. When it is interrupted no further step is done. */
  inSteps<A>(steps: Steps<A>): Effect.Effect<A> {
    let last: IteratorResult<void, A> = { done: false, value: undefined }
    const step = () => {
      last = steps.next()
      return last.done !== true
    }
    const run = Effect.gen({ self: this }, function* () {
      while (true) {
        yield* this.turn(step, entriesPerTurn)
        if (last.done === true) return last.value
      }
    })
    return Effect.ensuring(
      run,
      Effect.sync(() => void steps.return(undefined as never))
    )
  }

  /** Does something with each of many, and lets others run in between. */
  inTurns<A>(
    all: ReadonlyArray<A>,
    each: (one: A, at: number) => void,
    perTurn: number = entriesPerTurn
  ): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      let at = 0
      const step = () => {
        each(all[at], at)
        return ++at < all.length
      }
      while (at < all.length) yield* this.turn(step, perTurn)
    })
  }

  /** Takes some steps, as long as there are more; then others run. Each says whether there are. */
  turn(step: () => boolean, mostSteps: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const clock = yield* Clock.Clock
      const endMillis = clock.currentTimeMillisUnsafe() + turnMillis
      this.tree.atOnce(() => {
        for (let left = mostSteps, goesOn = true; goesOn && left > 0; left--) {
          goesOn = step()
          this.worked++
          if (clock.currentTimeMillisUnsafe() >= endMillis) return
        }
      })
      yield* Effect.yieldNow
    })
  }
}

const admit = (destination: Buffer) => {
  const made = Result.try(() => fs.mkdirSync(destination))
  if (Result.isFailure(made)) {
    const code = Errno.codeOf(made.failure)
    if (code === "ENOENT") throw refusal(code, "the directory it would be created in does not exist")
    if (code !== "EEXIST") throw made.failure
  }
  inspect(destination)
}

/** Fails as `admit` would, and creates nothing. */
const foresee = (destination: Buffer) => {
  if (fs.lstatSync(destination, { throwIfNoEntry: false }) !== undefined) return inspect(destination)
  const parent = ofKey(dirname(keyOf(destination)))
  const stats = fs.statSync(parent, { throwIfNoEntry: false })
  if (stats === undefined) throw refusal("ENOENT", "the directory it would be created in does not exist")
  fs.accessSync(parent, fs.constants.W_OK | fs.constants.X_OK)
}

/** Throws where nothing could be renamed from a destination into a directory for parts, or parts would have names of the tree. */
const mustSuit = (parts: Buffer, destination: Buffer) => {
  const one = "the directory for partial files"
  const own = fs.statSync(parts, { throwIfNoEntry: false, bigint: true })
  if (own === undefined) throw refusal("ENOENT", `${one} does not exist: make it`)
  if (!own.isDirectory()) throw refusal("ENOTDIR", `${one} is no directory`)
  const there = fs.statSync(destination, { throwIfNoEntry: false, bigint: true })
  const { dev } = there ?? fs.statSync(ofKey(dirname(keyOf(destination))), { bigint: true })
  if (own.dev !== dev) throw refusal("EXDEV", `${one} is on another file system than the destination`)
  fs.accessSync(parts, fs.constants.W_OK | fs.constants.X_OK)
  if (there === undefined) return
  for (let at = keyOf(fs.realpathSync.native(parts, { encoding: "buffer" })); ; at = dirname(at)) {
    if (Confinement.isSameFile(fs.statSync(ofKey(at), { bigint: true }), there)) {
      throw refusal("EINVAL", `${one} is in the destination: give it as a relative path, or one outside`)
    }
    if (at === "/") return
  }
}

const inspect = (destination: Buffer) => {
  const stats = fs.statSync(destination, { throwIfNoEntry: false })
  if (stats === undefined) throw refusal("ENOENT", "it is a symbolic link that leads nowhere")
  if (!stats.isDirectory()) throw refusal("ENOTDIR", "it exists and is not a directory")
  // Our own directory is opened up when the session begins: a tree whose root is read-only can be received again.
  const access = Result.try(() => fs.accessSync(destination, fs.constants.W_OK | fs.constants.X_OK))
  const opensUp = stats.uid === process.geteuid?.()
  if (Result.isFailure(access) && !(opensUp && Errno.codeOf(access.failure) === "EACCES")) throw access.failure
}

/** The system's codes where an entry was made, removed or replaced between a look and the use. */
const raceCodes: ReadonlySet<string> = new Set(["EEXIST", "ENOENT", "EISDIR", "ENOTDIR", "ENOTEMPTY", "EINVAL"])
const scarceCodes: ReadonlySet<string> = new Set(["EMFILE", "ENFILE"])
/** May the process, or the system, open no more files? */
export const isScarce = (cause: unknown): boolean => scarceCodes.has(Errno.codeOf(cause) ?? "")
