/**
 * The store on a disk: every entry is made below the destination, reached through Confinement; a file is written under
 * a temporary name beside its own (`.NAME.mrsync-XXXXXX`) and renamed when it is whole, so a reader sees the old file
 * or the new one. What fails for one entry fails for that entry alone.
 *
 * The trap: whatever is a path here may be changed by others at any time. So a mode or an owner is set through an open
 * descriptor or through a call that follows no link.
 */

import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as Bundles from "../../content/Bundles.ts"
import { hash } from "../../content/Hash.ts"
import * as Limits from "../../protocol/Limits.ts"
import * as Descriptor from "../../system/Descriptor.ts"
import * as Errno from "../../system/Errno.ts"
import { Libc } from "../../system/Libc.ts"
import type { Carried, Entry, Metadata } from "../../tree/Manifest.ts"
import { display, refused } from "../../tree/Manifest.ts"
import type { Failure } from "../../wire/Message.ts"
import { Alike } from "../Alike.ts"
import type { Checked, Existing, Slot } from "../Store.ts"
import { DestinationEscape, Store, StoreError } from "../Store.ts"
import * as Confinement from "./Confinement.ts"
import { at, split } from "./Confinement.ts"
import * as Mtime from "./Mtime.ts"
import * as DiskRoom from "./Room.ts"

/** Entries made between two turns of the event loop: a millisecond or two. */
const entriesPerTurn = 32
/** Bytes from which a write is looked through for zeros: the block of most file systems, below which no hole is made. */
const holeBytes = 4096
/** What is remembered as "written to" in one bit; a zero range elsewhere may stay a hole. */
const chunkBytes = 64 * 1024
/** Longest name on nearly every file system. */
const nameBytes = 255
/** Temporary names tried when others exist already; six random characters do not collide this often by chance. */
const nameAttempts = 100

/**
 * A store whose destination is created if it does not exist (its parent must). Whether it can be used is looked at at once;
 * it is opened by `prepare`, when a session begins: what is mounted there, or made there anew, while a catcher waits is
 * where the tree goes. Once it is open its path must go on to name it.
 *
 * `owner`: what no other living user of this destination has. It marks the temporary files, so that those which a killed
 * process of the same owner left are removed where files arrive again; without it they stay.
 *
 * `checked`: with "InSession" a destination that cannot be used is none of the layer's failures, but of each session's.
 */
export const layer = (
  destination: string | Uint8Array,
  owner?: string,
  checked: Checked = "AtOnce"
): Layer.Layer<Store, StoreError> => Layer.effect(Store, make(Buffer.from(destination as string), owner, checked))

const make = Effect.fn("Disk.make")(function* (destination: Buffer, owner: string | undefined, checked: Checked) {
  const handles = yield* Confinement.Handles
  const libc = yield* Libc
  const random = yield* Random.Random
  const admitted = attempt(destination, () => admit(destination)).pipe(Effect.catchTag("DestinationEscape", Effect.die))
  if (checked === "AtOnce") yield* admitted
  let opened: Confinement.Tree | undefined
  const close = () => {
    opened?.close()
    opened = undefined
  }
  yield* Effect.addFinalizer(() => Effect.sync(close))
  /** What is below the destination, once a session has begun. */
  const tree = (): Confinement.Tree => {
    if (opened === undefined) throw refusal("EBADF", "the destination is not open")
    return opened
  }
  // Only root gives files away; another user's files stay their own.
  const user = process.geteuid?.() ?? 0
  const root = user === 0
  const mtime = Mtime.setter(libc)

  /** Fails unless the destination's path still names what was opened. */
  const stands = attempt(destination, () => void opened?.directory("")).pipe(
    Effect.catchTag("DestinationEscape", Effect.die)
  )

  /**
   * Looks again where another catcher may have changed what was looked at: several may share a destination. What was made
   * meanwhile is taken as it is, or replaced. Without descriptors the directories that are kept open make room.
   */
  const persistently = <A>(body: () => A): A => {
    for (let tries = 1; ; tries++) {
      const done = Result.try(body)
      if (Result.isSuccess(done)) return done.success
      const code = Errno.codeOf(done.failure) ?? ""
      if (tries === Limits.racedTries || !(raceCodes.has(code) || scarceCodes.has(code))) throw done.failure
      if (scarceCodes.has(code)) opened?.spare()
      else opened?.lookAgain()
    }
  }

  const bundles = Bundles.make()
  let entries: ReadonlyArray<Entry> = []
  let refusals: ReadonlyMap<number, string> = new Map()
  let alike = new Alike([])
  /** Directories that are there, and get their metadata at the end. */
  let directories = new Set<number>()
  /** Files that hard links will need, and those of them that arrived. */
  let leaders = new Set<number>()
  let arrived = new Set<number>()
  /** Temporary files of our own, and directories where those of an earlier process were looked for. */
  const temporaries = new Set<string>()
  let cleared = new Set<string>()

  /** Does something with each of many, and lets others run in between. */
  const inTurns = Effect.fnUntraced(function* <A>(all: ReadonlyArray<A>, each: (one: A, at: number) => void) {
    for (let first = 0; first < all.length; first += entriesPerTurn) {
      tree().atOnce(() => {
        for (let at = first; at < Math.min(first + entriesPerTurn, all.length); at++) each(all[at], at)
      })
      yield* Effect.yieldNow
    }
  })

  const entriesThat = (test: (entry: Entry, index: number) => boolean): ReadonlyArray<number> =>
    entries.flatMap((entry, index) => (test(entry, index) ? [index] : []))

  // ---- names ----

  const mark = owner === undefined ? "" : markOf(owner)

  const temporaryName = (name: Buffer): Buffer => {
    let suffix = `${temporarySuffix}${mark}`
    for (let i = mark.length; i < 6; i++) suffix += alphabet[Math.floor(random.nextDoubleUnsafe() * alphabet.length)]
    let length = Math.min(name.length, nameBytes - 1 - suffix.length)
    // Not within a UTF-8 character: some file systems refuse half of one.
    while (length < name.length && length > 0 && (name[length] & 0xc0) === 0x80) length--
    return Buffer.concat([dot, name.subarray(0, length), Buffer.from(suffix)])
  }

  /** Makes something under a temporary name beside `name`. */
  const makeTemporary = <A>(
    directory: Confinement.Directory,
    name: Buffer,
    create: (path: Buffer, temporary: Buffer) => A
  ): { readonly path: Buffer; readonly temporary: Buffer; readonly made: A } => {
    let base = name
    for (let attempts = 1; ; attempts++) {
      const temporary = temporaryName(base)
      const path = at(directory, temporary)
      const made = Result.try(() => create(path, temporary))
      if (Result.isSuccess(made)) return { path, temporary, made: made.success }
      const code = Errno.codeOf(made.failure)
      if (attempts === nameAttempts || (code !== "EEXIST" && code !== "ENAMETOOLONG")) throw made.failure
      if (code === "ENAMETOOLONG") {
        if (base.length === 0) throw made.failure
        base = Buffer.alloc(0)
      }
    }
  }

  /** Renames something that is no directory over whatever has the name, if that is not a directory with something in it. */
  const moveOver = (directory: Confinement.Directory, from: Buffer, name: Buffer) => {
    const moved = Result.try(() => tree().rename(directory, from, name))
    if (Result.isSuccess(moved)) return
    if (Errno.codeOf(moved.failure) !== "EISDIR") throw moved.failure
    const removed = Result.try(() => fs.rmdirSync(at(directory, name)))
    if (Result.isFailure(removed)) throw Errno.codeOf(removed.failure) === "ENOTEMPTY" ? notEmpty() : removed.failure
    tree().rename(directory, from, name)
  }

  /** Makes something that is no directory under its own name, in place of what has it now. */
  const place = (
    directory: Confinement.Directory,
    name: Buffer,
    create: (path: Buffer, temporary: Buffer) => void,
    inTheWay: fs.BigIntStats | undefined
  ) => {
    const path = at(directory, name)
    if (inTheWay === undefined) return create(path, name)
    const temporary = makeTemporary(directory, name, create)
    otherwise(
      () => moveOver(directory, temporary.temporary, name),
      () => fs.unlinkSync(temporary.path)
    )
    // Another catcher may have linked the same file there just now: then renaming has done nothing.
    Result.try(() => fs.unlinkSync(temporary.path))
  }

  /** Puts an entry in its place, if the destination can tell the place from those of others. */
  const apart = <A>(index: number, make: () => A): A => {
    if (!alike.concerns(index)) return make()
    const { name, parent } = split(entries[index].path)
    const directory = tree().directory(parent)
    alike.check(index, look(at(directory, name)), () => fs.readdirSync(directory.self, { encoding: "buffer" }))
    const made = make()
    alike.placed(index, look(at(tree().directory(parent), name)))
    return made
  }

  // ---- metadata ----

  /** Owner, mode and time of an open file, in the order in which none undoes another. */
  const describeFile = (fd: number, metadata: Metadata): void => {
    let mode = metadata.mode
    let failed: unknown
    if (root) {
      const owned = Result.try(() => fs.fchownSync(fd, metadata.uid, metadata.gid))
      if (Result.isFailure(owned)) {
        failed = owned.failure
        // What was to run with its owner's rights must not run with ours.
        mode &= 0o1777
      }
    }
    fs.fchmodSync(fd, mode)
    mtime.file(fd, metadata)
    if (failed !== undefined) throw failed
  }

  const describeDirectory = (directory: Confinement.Directory, metadata: Metadata) => {
    if (root) fs.chownSync(directory.self, metadata.uid, metadata.gid)
    // The time before the mode: with the mode it may become a directory that we cannot search.
    mtime.path(directory.self, metadata, { follow: tree().handles })
    fs.chmodSync(directory.self, metadata.mode)
  }

  const describeSymlink = (path: Buffer, metadata: Metadata) => {
    if (root) fs.lchownSync(path, metadata.uid, metadata.gid)
    mtime.path(path, metadata, { follow: false })
  }

  const describeFifo = (path: Buffer, metadata: Metadata) => {
    if (root) fs.lchownSync(path, metadata.uid, metadata.gid)
    Confinement.chmod(tree(), path, metadata.mode)
    mtime.path(path, metadata, { follow: false })
  }

  // ---- entries without content ----

  const makeDirectory = (path: Uint8Array, metadata: Metadata) => {
    if (path.length === 0) return openUp(tree().directory(""))
    const { name, parent } = split(path)
    const directory = tree().directory(parent)
    const own = at(directory, name)
    const inTheWay = look(own)
    const create = (path: Buffer) => fs.mkdirSync(path, (metadata.mode & 0o777) | 0o700)
    if (inTheWay === undefined) return create(own)
    if (inTheWay.isDirectory()) return openUp(tree().directory(Confinement.join(parent, name)))
    if (inTheWay.isSymbolicLink() && leadsOutside(own)) {
      const reason = "a symbolic link to a directory elsewhere is in its place; remove it there to have a directory"
      throw new DestinationEscape({ path: display(path), reason })
    }
    const temporary = makeTemporary(directory, name, create)
    otherwise(
      () => {
        fs.unlinkSync(own)
        tree().rename(directory, temporary.temporary, name)
      },
      () => fs.rmdirSync(temporary.path)
    )
  }

  /** While the session runs its directories can be written to; their own modes come last. */
  const openUp = (directory: Confinement.Directory) => {
    const { mode } = fs.statSync(directory.self)
    // Refused when it is somebody else's: then it may still do as it is, or the entries in it will say what does not.
    if ((mode & 0o700) !== 0o700) Result.try(() => fs.chmodSync(directory.self, (mode & 0o7777) | 0o700))
  }

  const leadsOutside = (link: Buffer): boolean => {
    const followed = Result.try(() => {
      const target = fs.realpathSync.native(link, { encoding: "buffer" })
      return fs.statSync(target).isDirectory() ? target : undefined
    })
    const target = Result.getOrUndefined(followed)
    if (target === undefined) return false
    const base = fs.realpathSync.native(tree().directory("").self, { encoding: "buffer" })
    const inside = base.equals(slash) ? base : Buffer.concat([base, slash])
    return !target.equals(base) && !target.subarray(0, inside.length).equals(inside)
  }

  const makeSymlink = (entry: Entry & { readonly _tag: "Symlink" }) => {
    const { name, parent } = split(entry.path)
    const directory = tree().directory(parent)
    const path = at(directory, name)
    const target = Buffer.from(entry.target)
    const inTheWay = look(path)
    const same = inTheWay?.isSymbolicLink() === true && fs.readlinkSync(path, { encoding: "buffer" }).equals(target)
    if (!same) place(directory, name, (path) => fs.symlinkSync(target, path), inTheWay)
    describeSymlink(path, entry.metadata)
  }

  const makeFifo = (entry: Entry & { readonly _tag: "Fifo" }) => {
    const { name, parent } = split(entry.path)
    const directory = tree().directory(parent)
    const path = at(directory, name)
    const inTheWay = look(path)
    if (inTheWay?.isFIFO() !== true) {
      if (Option.isSome(libc)) place(directory, name, (path) => libc.value.mkfifo(path, 0o600), inTheWay)
      else {
        // The program's arguments are text, and a name may be none: so always a temporary name, which is.
        const made = makeTemporary(directory, Buffer.alloc(0), (_, temporary) => runMkfifo(directory, temporary))
        otherwise(
          () => moveOver(directory, made.temporary, name),
          () => fs.unlinkSync(made.path)
        )
      }
    }
    describeFifo(path, entry.metadata)
  }

  const makeEntry = (entry: Entry, index: number) => {
    switch (entry._tag) {
      case "Directory":
        makeDirectory(entry.path, entry.metadata)
        return void directories.add(index)
      case "Symlink":
        return makeSymlink(entry)
      case "Fifo":
        return makeFifo(entry)
      case "HardLink":
        return void leaders.add(entry.leader)
      case "File":
        return
    }
  }

  const revise = (revised: ReadonlyArray<Entry>) => Effect.sync(() => void (entries = revised))

  const prepare = Effect.fn("Disk.prepare")(function* (manifest: ReadonlyArray<Entry>) {
    close()
    yield* admitted
    opened = yield* attempt(destination, () => Confinement.make(destination, handles, libc)).pipe(
      Effect.catchTag("DestinationEscape", Effect.die)
    )
    entries = manifest
    refusals = refused(manifest)
    alike = new Alike(manifest)
    directories = new Set()
    leaders = new Set()
    arrived = new Set()
    cleared = new Set()
    const failures: Array<Failure> = []
    // files are made when they come
    const now = entriesThat((entry, index) => entry._tag !== "File" || refusals.has(index))
    yield* inTurns(now, (index) => {
      const refusal = refusals.get(index)
      if (refusal !== undefined) failures.push({ entry: index, reason: escapeReason(refusal) })
      else {
        const make = () => persistently(() => makeEntry(entries[index], index))
        // a hard link is made in the end
        tryEntry(failures, index, entries[index].path, () =>
          entries[index]._tag === "HardLink" ? make() : apart(index, make)
        )
      }
    })
    yield* stands
    return failures
  })

  // ---- files ----

  const fileAt = (index: number): Entry & { readonly _tag: "File" } => {
    const entry = entries[index]
    if (entry?._tag === "File") return entry
    throw refusal("EINVAL", `entry ${index} of the manifest is no file`)
  }

  const createTemporary = (directory: Confinement.Directory, name: Buffer) =>
    makeTemporary(directory, name, (_, temporary) => tree().create(directory, temporary))

  /** Removes what an earlier process of this owner left in a directory. Only single files leave something: members are made and named at once. */
  const clear = (directory: Confinement.Directory) => {
    if (cleared.has(directory.key)) return
    cleared.add(directory.key)
    for (const { name, path } of leftovers(directory.self)) {
      // What cannot be removed stays; nothing of this session needs its name.
      if (!temporaries.has(Confinement.join(directory.key, name))) Result.try(() => fs.unlinkSync(path))
    }
  }

  /** Temporary files of this owner in a directory. */
  const leftovers = (directory: Buffer) => {
    if (mark === "") return []
    const names = Result.try(() => fs.readdirSync(directory, { encoding: "buffer" }))
    return Result.getOrElse(names, () => []).flatMap((name) => {
      const isMarked = name[0] === dot[0] && name.subarray(-6, -2).toString("latin1") === mark
      const isTemporary = name.subarray(-6 - temporarySuffix.length, -6).toString("latin1") === temporarySuffix
      if (!isMarked || !isTemporary) return []
      const path = Buffer.concat([directory, slash, name])
      const stats = Result.getOrUndefined(Result.try(() => look(path)))
      const isOurs = stats?.isFile() === true && stats.nlink === 1n && stats.uid === BigInt(user)
      return isOurs ? [{ name, path, bytes: Number(stats.blocks) * 512 }] : []
    })
  }

  const shortage = (manifest: ReadonlyArray<Entry>) =>
    Effect.matchEffect(admitted, {
      // what is wrong with it `prepare` says
      onFailure: () => Effect.succeedNone,
      onSuccess: () =>
        DiskRoom.shortage(destination, manifest, (directory) =>
          leftovers(directory).reduce((sum, { bytes }) => sum + bytes, 0)
        )
    })

  const openTemporary = (index: number, size: number) => {
    const entry = fileAt(index)
    const refusal = refusals.get(index)
    if (refusal !== undefined) throw new DestinationEscape({ path: display(entry.path), reason: refusal })
    const { name, parent } = split(entry.path)
    const directory = tree().directory(parent)
    clear(directory)
    // Better said now than after the content has come.
    const own = at(directory, name)
    if (look(own)?.isDirectory() === true && !isEmpty(own)) throw notEmpty()
    const temporary = createTemporary(directory, name)
    const fd = temporary.made
    otherwise(
      () => fs.ftruncateSync(fd, size),
      () => {
        fs.closeSync(fd)
        fs.unlinkSync(temporary.path)
      }
    )
    const { hold, release } = tree()
    hold(directory)
    temporaries.add(Confinement.join(parent, temporary.temporary))
    return { entry, name, directory, release, temporary: temporary.temporary, descriptor: Descriptor.make(fd) }
  }

  const openSingle = Effect.fnUntraced(function* (carried: Carried) {
    const index = carried.firstEntry
    const { size } = carried
    const path = entries[index]?.path ?? new Uint8Array(0)
    let committed = false
    const { descriptor, directory, entry, name, temporary } = yield* Effect.acquireRelease(
      attempt(path, () => persistently(() => openTemporary(index, size))),
      ({ descriptor, directory, release, temporary }) =>
        Effect.andThen(
          descriptor.close,
          Effect.sync(() => {
            // There is nobody left to tell if this fails.
            if (!committed) Result.try(() => fs.unlinkSync(at(again(directory), temporary)))
            temporaries.delete(Confinement.join(directory.key, temporary))
            release(directory)
          })
        )
    )
    const failed = storeError(path)
    const written = new Uint8Array(Math.ceil(size / chunkBytes / 8))

    const commit = () => {
      const directoryNow = tree().directory(directory.key)
      if (tree().handles && directoryNow !== directory) {
        throw refusal("ESTALE", "its directory was replaced while it was received")
      }
      const from = at(directoryNow, temporary)
      const stats = fs.fstatSync(descriptor.fd, { bigint: true })
      const named = look(from)
      if (named?.ino !== stats.ino || named.dev !== stats.dev) {
        throw refusal("ESTALE", "its temporary file was replaced while it was received")
      }
      const described = Result.try(() => describeFile(descriptor.fd, entry.metadata))
      moveOver(directoryNow, temporary, name)
      committed = true
      if (leaders.has(index)) arrived.add(index)
      if (Result.isFailure(described)) throw described.failure
    }

    const slot: Slot = {
      write: (offset, bytes) =>
        Effect.suspend(() => {
          if (offset + bytes.length > size) return Effect.fail(failed(outside()))
          if (bytes.length >= holeBytes && !isWritten(written, offset, bytes.length) && isZero(bytes))
            return Effect.void
          markWritten(written, offset, bytes.length)
          return Effect.mapError(descriptor.write(offset, bytes), failed)
        }),
      read: (offset, into) =>
        Effect.flatMap(Effect.mapError(descriptor.read(offset, into), failed), (count) =>
          count === into.length ? Effect.void : Effect.fail(failed(outside()))
        ),
      commit: Effect.fnUntraced(function* (skip) {
        const failures: Array<Failure> = []
        yield* stands
        if (!skip(0)) tryEntry(failures, index, path, () => apart(index, () => persistently(commit)))
        return failures
      })
    }
    return slot
  })

  /** A directory that is held, looked at once more where it is only known by name. */
  const again = (directory: Confinement.Directory): Confinement.Directory =>
    tree().handles ? directory : tree().directory(directory.key)

  /** One small file, whole: nothing else runs between its temporary name and its own. */
  const writeMember = (directory: Confinement.Directory, name: Buffer, metadata: Metadata, content: Uint8Array) => {
    const temporary = createTemporary(directory, name)
    const fd = temporary.made
    let described: Result.Result<void, unknown> = Result.void
    otherwise(
      () => {
        try {
          for (let done = 0; done < content.length;)
            done += fs.writeSync(fd, content, done, content.length - done, done)
          described = Result.try(() => describeFile(fd, metadata))
        } finally {
          fs.closeSync(fd)
        }
        moveOver(directory, temporary.temporary, name)
      },
      () => fs.unlinkSync(temporary.path)
    )
    return described
  }

  const openBundle = Effect.fnUntraced(function* (carried: Carried) {
    const { members, size } = carried
    if (size > Limits.bundleBytes || members.length > Limits.bundleFiles) {
      return yield* refusal("EFBIG", `a bundle of ${members.length} files and ${size} bytes is too large`)
    }
    yield* stands
    const content = yield* bundles.take(size)
    const inside = (offset: number, length: number) => offset >= 0 && offset + length <= size

    const commit = Effect.fn("Disk.commitBundle")(function* (skip: (member: number) => boolean) {
      const failures: Array<Failure> = []
      yield* stands
      yield* inTurns(members, ({ entry: index, offset, size }, member) => {
        // A refused entry was reported by `prepare`.
        if (skip(member) || refusals.has(index)) return
        tryEntry(failures, index, entries[index]?.path, () => {
          const entry = fileAt(index)
          if (!inside(offset, size)) throw outside()
          const { name, parent } = split(entry.path)
          const part = content.subarray(offset, offset + size)
          const described = apart(index, () =>
            persistently(() => writeMember(tree().directory(parent), name, entry.metadata, part))
          )
          if (leaders.has(index)) arrived.add(index)
          if (Result.isFailure(described)) throw described.failure
        })
      })
      return failures
    })

    const slot: Slot = {
      write: (offset, bytes) =>
        Effect.suspend(() => {
          if (!inside(offset, bytes.length)) return Effect.fail(outside())
          content.set(bytes, offset)
          return Effect.void
        }),
      read: (offset, into) =>
        Effect.suspend(() => {
          if (!inside(offset, into.length)) return Effect.fail(outside())
          into.set(content.subarray(offset, offset + into.length))
          return Effect.void
        }),
      commit
    }
    return slot
  })

  const open = Effect.fn("Disk.open")(function* (carried: Carried) {
    switch (carried.kind) {
      case "Single":
        return yield* openSingle(carried)
      case "Bundle":
        return yield* openBundle(carried)
      case "Manifest":
      case "Revision":
        return yield* refusal("EINVAL", "the manifest is not kept in the store")
    }
  })

  // ---- what stands there ----

  /** Of a file that is what its entry says it is; undefined otherwise. */
  const standing = (index: number, size: number): fs.BigIntStats | undefined => {
    if (refusals.has(index)) return undefined
    const { name, parent } = split(fileAt(index).path)
    const found = look(at(tree().directory(parent), name))
    if (found?.isFile() !== true || found.size !== BigInt(size)) return undefined
    apart(index, () => {})
    // Another name of it may have other metadata. Whoever it was taken from might still have it open and write to it.
    const keepsOwner = found.uid === BigInt(user) || (root && found.uid === BigInt(fileAt(index).metadata.uid))
    return found.nlink === 1n && keepsOwner ? found : undefined
  }

  /** Opens what was found, if it is that still. */
  const withStanding = (index: number, found: fs.BigIntStats, body: (fd: number) => void): void => {
    const { name, parent } = split(fileAt(index).path)
    const fd = fs.openSync(at(tree().directory(parent), name), standingFlags)
    try {
      const now = fs.fstatSync(fd, { bigint: true })
      const same = now.ino === found.ino && now.dev === found.dev
      if (!same || now.size !== found.size || now.mtimeNs !== found.mtimeNs) {
        throw refusal("ESTALE", "it was changed or replaced while it was looked at")
      }
      body(fd)
    } finally {
      fs.closeSync(fd)
    }
  }

  const existing = Effect.fn("Disk.existing")(function* (carried: Carried) {
    const { members } = carried
    const found: Array<fs.BigIntStats> = []
    // The first that is missing or of another size ends the looking.
    for (let first = 0; first < members.length; first += entriesPerTurn) {
      const whole = Result.try(() => {
        tree().atOnce(() => {
          for (const { entry, size } of members.slice(first, first + entriesPerTurn)) {
            const stats = persistently(() => standing(entry, size))
            if (stats === undefined) return
            found.push(stats)
          }
        })
      })
      if (Result.isFailure(whole) || found.length < Math.min(members.length, first + entriesPerTurn)) {
        return Option.none()
      }
      yield* Effect.yieldNow
    }

    const read = (from: number, into: Uint8Array) =>
      members.forEach(({ entry, offset, size }, member) => {
        const first = Math.max(from, offset)
        const end = Math.min(from + into.length, offset + size)
        if (first >= end) return
        persistently(() =>
          withStanding(entry, found[member], (fd) => {
            for (let at = first; at < end;) {
              const count = fs.readSync(fd, into, at - from, end - at, at - offset)
              if (count === 0) throw outside()
              at += count
            }
          })
        )
      })
    const out: Existing = {
      read: (offset, into) => attempt(entries[carried.firstEntry].path, () => tree().atOnce(() => read(offset, into))),
      commit: Effect.gen(function* () {
        const failures: Array<Failure> = []
        yield* inTurns(members, ({ entry: index }, member) => {
          const entry = fileAt(index)
          tryEntry(failures, index, entry.path, () =>
            persistently(() =>
              withStanding(index, found[member], (fd) => {
                if (leaders.has(index)) arrived.add(index)
                describeFile(fd, entry.metadata)
              })
            )
          )
        })
        return failures
      })
    }
    return Option.some(out)
  })

  // ---- the end ----

  const makeHardLink = (entry: Entry & { readonly _tag: "HardLink" }) => {
    const leader = entries[entry.leader]
    if (!arrived.has(entry.leader)) {
      throw refusal("ENOENT", `the file it is a hard link to, ${display(leader.path)}, did not arrive`)
    }
    const from = split(leader.path)
    const source = tree().directory(from.parent)
    tree().hold(source)
    try {
      const { name, parent } = split(entry.path)
      const directory = tree().directory(parent)
      const target = at(source, from.name)
      const stats = fs.lstatSync(target, { bigint: true })
      const inTheWay = look(at(directory, name))
      // Renaming one link of a file over another does nothing, and the temporary name would stay.
      if (inTheWay?.ino === stats.ino && inTheWay.dev === stats.dev) return
      place(directory, name, (path) => fs.linkSync(target, path), inTheWay)
    } finally {
      tree().release(source)
    }
  }

  const finish = Effect.gen(function* () {
    const failures: Array<Failure> = []
    yield* stands
    const links = entriesThat((entry, index) => entry._tag === "HardLink" && !refusals.has(index))
    yield* inTurns(links, (index) => {
      const entry = entries[index]
      if (entry._tag === "HardLink")
        tryEntry(failures, index, entry.path, () => apart(index, () => persistently(() => makeHardLink(entry))))
    })
    // A parent comes before what is in it, so backwards is deepest first: a parent may become a directory we cannot enter.
    yield* inTurns(Array.from(directories).toReversed(), (index) => {
      const entry = entries[index]
      if (entry._tag !== "Directory") return
      const { name, parent } = split(entry.path)
      tryEntry(failures, index, entry.path, () =>
        persistently(() => describeDirectory(tree().directory(Confinement.join(parent, name)), entry.metadata))
      )
    })
    // Nobody is told that the tree is there when it is not.
    yield* stands
    return failures
  }).pipe(Effect.withSpan("Disk.finish"))

  return Store.of({ shortage, prepare, revise, open, existing, finish, stands })
})

// ---- the destination ----

const admit = (destination: Buffer) => {
  const made = Result.try(() => fs.mkdirSync(destination))
  if (Result.isFailure(made)) {
    const code = Errno.codeOf(made.failure)
    if (code === "ENOENT") throw refusal(code, "the directory it would be created in does not exist")
    if (code !== "EEXIST") throw made.failure
  }
  const stats = fs.statSync(destination, { throwIfNoEntry: false })
  if (stats === undefined) throw refusal("ENOENT", "it is a symbolic link that leads nowhere")
  if (!stats.isDirectory()) throw refusal("ENOTDIR", "it exists and is not a directory")
  // What is ours is opened up when the session begins: a tree whose root may not be written to can be received again.
  const access = Result.try(() => fs.accessSync(destination, fs.constants.W_OK | fs.constants.X_OK))
  const opensUp = stats.uid === process.geteuid?.()
  if (Result.isFailure(access) && !(opensUp && Errno.codeOf(access.failure) === "EACCES")) throw access.failure
}

// ---- errors ----

/** Thrown where the path is known to the caller: `storeError` fills it in. */
const refusal = (code: string, words: string) => new StoreError({ path: "", ...Errno.refusal(code, words) })

const notEmpty = () => refusal("ENOTEMPTY", "a directory that is not empty is in its place")

const outside = () => refusal("EINVAL", "the range lies outside the file")

const escapeReason = (words: string) => `DestinationEscape: ${words}`

const storeError =
  (path: Uint8Array) =>
  (cause: unknown): StoreError => {
    const { code, reason } = cause instanceof StoreError ? cause : Errno.fromCause(cause)
    return new StoreError({ path: display(path), code, reason })
  }

const attempt = <A>(path: Uint8Array, body: () => A): Effect.Effect<A, StoreError | DestinationEscape> =>
  Effect.try({
    try: body,
    catch: (cause) => (cause instanceof DestinationEscape ? cause : storeError(path)(cause))
  })

/** Does something for one entry; what fails becomes that entry's failure. */
const tryEntry = (failures: Array<Failure>, entry: number, path: Uint8Array, body: () => void) => {
  const done = Result.try(body)
  if (Result.isSuccess(done)) return
  const cause = done.failure
  const reason = cause instanceof DestinationEscape ? escapeReason(cause.reason) : storeError(path)(cause).reason
  failures.push({ entry, reason })
}

/** Cleans up when the body throws; what cannot be cleaned up must not hide why. */
const otherwise = (body: () => void, clean: () => void) => {
  const done = Result.try(body)
  if (Result.isSuccess(done)) return
  Result.try(clean)
  throw done.failure
}

/** What the system says where something was made, removed or replaced between a look and the use. */
const raceCodes: ReadonlySet<string> = new Set(["EEXIST", "ENOENT", "EISDIR", "ENOTDIR", "ENOTEMPTY", "EINVAL"])
/** The process, or the system, may open no more files. */
const scarceCodes: ReadonlySet<string> = new Set(["EMFILE", "ENFILE"])

// ---- single calls ----

// Not blocking: what is a FIFO by now must not make us wait for a writer.
const standingFlags = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
const dot = Buffer.from(".")
const temporarySuffix = ".mrsync-"

/** Four of the six characters that end a temporary name: one in fifteen million owners has the same. */
const markOf = (owner: string): string =>
  Array.from(hash(Buffer.from(owner)).subarray(0, 4), (byte) => alphabet[byte % alphabet.length]).join("")

const slash = Buffer.from("/")

/** What a path names, itself and not what it links to. */
const look = (path: Buffer): fs.BigIntStats | undefined => fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })

const isEmpty = (path: Buffer): boolean => {
  const directory = fs.opendirSync(path)
  const first = Result.try(() => directory.readSync())
  directory.closeSync()
  return Result.isSuccess(first) && first.success === null
}

const runMkfifo = (directory: Confinement.Directory, name: Buffer) => {
  // The new process changes into the directory before it becomes the program, while it still has our descriptors.
  const cwd = directory.self.toString()
  const run = spawnSync("mkfifo", ["-m", "600", "--", name.toString("latin1")], { cwd, stdio: "ignore" })
  if (run.error !== undefined) {
    throw refusal("ENOSYS", "a FIFO cannot be made here without the package koffi or the program mkfifo")
  }
  if (run.status !== 0) throw refusal("EIO", "the program mkfifo failed")
}

const zeros = new Uint8Array(chunkBytes)

const isZero = (bytes: Uint8Array): boolean => {
  if (bytes[0] !== 0 || bytes[bytes.length - 1] !== 0) return false
  for (let from = 0; from < bytes.length; from += chunkBytes) {
    const part = bytes.subarray(from, from + chunkBytes)
    if (Buffer.compare(part, zeros.subarray(0, part.length)) !== 0) return false
  }
  return true
}

const isWritten = (written: Uint8Array, offset: number, length: number): boolean => {
  const last = Math.floor((offset + length - 1) / chunkBytes)
  for (let chunk = Math.floor(offset / chunkBytes); chunk <= last; chunk++) {
    if ((written[Math.floor(chunk / 8)] & (1 << (chunk % 8))) !== 0) return true
  }
  return false
}

const markWritten = (written: Uint8Array, offset: number, length: number) => {
  const last = Math.floor((offset + length - 1) / chunkBytes)
  for (let chunk = Math.floor(offset / chunkBytes); chunk <= last; chunk++) {
    written[Math.floor(chunk / 8)] |= 1 << (chunk % 8)
  }
}
