/**
 * Old versions of a tree on real disks: a base with entries of every kind, twelve kinds of change, and what a catcher lacks by
 * rsync's rule. Nothing of the protocol is used here, so that its mistakes are not made twice.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import { Dice } from "../../src/simulate/Dice.ts"
import * as Trees from "./Trees.ts"

/** Directories side by side, each with the same number of files and of groups of hard links. */
const [folders, files, groups] = [6, 60, 2]

/** Some hundred entries of every kind; in a directory the first name of a group of links is the one that leads it. */
export const base = (at: string): string => {
  for (let folder = 0; folder < folders; folder++) {
    const here = join(at, `folder ${folder}`)
    fs.mkdirSync(join(here, "deep/er/still"), { recursive: true })
    for (let i = 0; i < files; i++) fs.writeFileSync(join(here, `file ${i}`), Trees.bytes((i * i * 7) % 9000, i))
    if (folder < 2) fs.writeFileSync(join(here, "deep/er/large"), Trees.bytes(600_000 + folder, folder))
    fs.writeFileSync(join(here, "deep/er/still/empty"), "")
    for (let group = 0; group < groups; group++) {
      // groups differ in size: of equal size and time rsync would not tell them apart either
      fs.writeFileSync(join(here, `led ${group}`), Trees.bytes(100 + group, group))
      for (const name of ["too", "as well"]) fs.linkSync(join(here, `led ${group}`), join(here, `led ${group} ${name}`))
    }
    fs.symlinkSync("file 1", join(here, "link"))
    execFileSync("mkfifo", [join(here, "fifo")])
  }
  // long ago, so that what is made now has another time
  execFileSync("find", [at, "-exec", "touch", "-h", "-d", "2020-02-03 04:05:06.789", "{}", "+"])
  return at
}

/** A regular file that is there and has one name, whichever kinds of change there were before. */
const oneFile = (at: string, dice: Dice): string => {
  for (;;) {
    const path = join(at, `folder ${dice.whole(0, folders - 1)}/file ${dice.whole(0, files - 1)}`)
    if (fs.lstatSync(path, { throwIfNoEntry: false })?.isFile() === true) return path
  }
}

const folder = (at: string, dice: Dice): string => join(at, `folder ${dice.whole(0, folders - 1)}`)

/** Kinds of change to what a catcher has: to its copy the source then looks changed. */
export const changes: ReadonlyMap<string, (at: string, dice: Dice) => void> = new Map([
  [
    "content",
    (at, dice) => {
      const path = oneFile(at, dice)
      fs.writeFileSync(path, "x".repeat(fs.statSync(path).size))
    }
  ],
  ["size", (at, dice) => fs.appendFileSync(oneFile(at, dice), "more")],
  ["times only", (at, dice) => fs.utimesSync(oneFile(at, dice), 1, 1)],
  ["mode", (at, dice) => fs.chmodSync(dice.hits(0.3) ? folder(at, dice) : oneFile(at, dice), 0o700)],
  ["owner", (at, dice) => fs.chownSync(oneFile(at, dice), 1234, 4321)],
  [
    "another type",
    (at, dice) => {
      const path = oneFile(at, dice)
      fs.rmSync(path)
      if (dice.hits(0.5)) return fs.symlinkSync("nowhere", path)
      fs.mkdirSync(join(path, "of old"), { recursive: true })
      return fs.writeFileSync(join(path, "of old/file"), "in the way")
    }
  ],
  [
    "renamed",
    (at, dice) => {
      const path = oneFile(at, dice)
      fs.renameSync(path, `${path} of old`)
    }
  ],
  [
    "deleted",
    (at, dice) => {
      const here = join(folder(at, dice), `of old ${dice.whole(0, 999)}`)
      fs.mkdirSync(join(here, "in it"), { recursive: true })
      fs.writeFileSync(join(here, "in it/file"), "no more")
      fs.symlinkSync("..", join(here, "in it/link"))
    }
  ],
  ["new deep directory", (at, dice) => fs.rmSync(join(folder(at, dice), "deep"), { recursive: true, force: true })],
  [
    "hard links regrouped",
    (at, dice) => {
      const here = folder(at, dice)
      const name = join(here, `led 1${dice.pick("", " too", " as well")}`)
      fs.rmSync(name)
      if (dice.hits(0.5)) fs.linkSync(join(here, "led 0"), name)
      else fs.copyFileSync(join(here, "file 20"), name)
    }
  ],
  [
    "a link leads elsewhere",
    (at, dice) => {
      const path = join(folder(at, dice), "link")
      const { atime, mtime } = fs.lstatSync(path)
      fs.rmSync(path)
      fs.symlinkSync("deep", path)
      // often at the same time as before: then nothing but the target tells
      if (dice.hits(0.5)) fs.lutimesSync(path, atime, mtime)
    }
  ],
  ["emptied", (at, dice) => fs.writeFileSync(oneFile(at, dice), "")]
])

/** An old version that follows from a seed: of each kind some changes, and mostly none of a few kinds. */
export const age = (at: string, seed: number): void => {
  const dice = new Dice(seed)
  for (const change of changes.values()) for (let times = dice.whole(0, 2); times > 0; times--) change(at, dice)
}

/** Paths that are in one of two trees alone, or not the same in both. */
export const differing = (one: string, other: string): ReadonlySet<string> => {
  const [here, there] = [Trees.listing(one), Trees.listing(other)]
  return new Set([...here.keys(), ...there.keys()].filter((path) => here.get(path) !== there.get(path)))
}

/** Inode and ctime of every entry but directories, whose names may change. */
export const marks = (at: string): ReadonlyMap<string, string> =>
  new Map(
    execFileSync("find", [at, "!", "-type", "d", "-printf", "%P\\t%i %C@\\n"], { encoding: "utf8" })
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split("\t") as [string, string])
  )

/**
 * The sizes of the source's files that a catcher has not: there is none, or it has another size, or another time (in seconds) and another
 * content. `contents`: whatever the time.
 */
export const lacked = (source: string, at: string, contents = false): ReadonlyMap<string, number> => {
  const seconds = ({ mtimeMs }: fs.Stats) => Math.floor(mtimeMs / 1000)
  const out = new Map<string, number>()
  for (const path of Trees.listing(source).keys()) {
    const wanted = fs.lstatSync(join(source, path))
    // further names of a group are links
    if (!wanted.isFile() || / (too|as well)$/.test(path)) continue
    const found = fs.lstatSync(join(at, path), { throwIfNoEntry: false })
    const isSized = found?.isFile() === true && found.size === wanted.size
    const isSame = () => fs.readFileSync(join(at, path)).equals(fs.readFileSync(join(source, path)))
    const isThere = isSized && ((!contents && seconds(found) === seconds(wanted)) || isSame())
    if (!isThere) out.set(path, wanted.size)
  }
  return out
}
