/** Trees to send: awkward names and every type, and plain bytes. */
import { execFileSync } from "node:child_process"
import { randomFillSync } from "node:crypto"
import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Option from "effect/Option"
import { load } from "../../src/system/Libc.ts"
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

const acl = (...entries: ReadonlyArray<readonly [tag: number, bits: number, id: number]>): Uint8Array => {
  const out = Buffer.alloc(4 + 8 * entries.length)
  out.writeUInt32LE(2, 0)
  entries.forEach(([tag, bits, id], i) => {
    out.writeUInt16LE(tag, 4 + 8 * i)
    out.writeUInt16LE(bits, 6 + 8 * i)
    out.writeUInt32LE(id, 8 + 8 * i)
  })
  return out
}

const nobody = 0xffff_ffff
const access = acl([1, 6, nobody], [2, 7, 1000], [4, 4, nobody], [16, 7, nobody], [32, 0, nobody])
const inherited = acl([1, 7, nobody], [2, 5, 1000], [4, 5, nobody], [16, 7, nobody], [32, 0, nobody])
/** cap_net_raw=ep */
const capability = Buffer.from("0100000200200000000000000000000000000000", "hex")

/** Sets an attribute of a path itself. */
export const attribute = (path: string, name: string, value: Uint8Array): void =>
  Option.getOrThrow(load()).attributes?.set({ path: Buffer.from(path), follow: false }, name, value)

/** What an installed system has: programs with capabilities, devices, sockets, ACLs, links of all kinds, holes. For root. */
export const system = (root: string): string => {
  const at = (name: string) => join(root, name)
  for (const name of ["usr/bin", "etc/ssl", "dev/pts", "run", "tmp", "var/log/journal", "home/user"])
    mkdirSync(at(name), { recursive: true })
  const programs = readdirSync("/usr/bin").filter((name) => lstatSync(`/usr/bin/${name}`).size < 300_000)
  execFileSync("cp", ["-a", ...programs.slice(0, 150).map((name) => `/usr/bin/${name}`), at("usr/bin")])
  execFileSync("cp", ["-a", "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/mtab", "/etc/init.d", at("etc")])
  const node = (name: string, ...args: ReadonlyArray<string>) => execFileSync("mknod", [at(name), ...args])
  for (const [name, ...args] of [
    ["dev/null", "c", "1", "3"],
    ["dev/tty", "c", "5", "0"],
    ["dev/large", "c", "511", "70000"],
    ["dev/loop0", "b", "7", "0"],
    ["run/initctl", "p"]
  ])
    node(name, ...args)
  chmodSync(at("dev/null"), 0o666)
  Option.getOrThrow(load()).mknod(Buffer.from(at("run/socket")), "Socket", 0o660, 0)
  for (const name of ["dev/null", "run/initctl", "run/socket"]) linkSync(at(name), at(`${name} too`))
  symlinkSync("../run", at("var/run"))
  linkSync(at("var/run"), at("var/run too"))
  writeFileSync(at("usr/bin/ping"), bytes(70_000, 1), { mode: 0o755 })
  attribute(at("usr/bin/ping"), "security.capability", capability)
  linkSync(at("usr/bin/ping"), at("usr/bin/ping6"))
  writeFileSync(at("usr/bin/sudo"), bytes(50_000, 2))
  chmodSync(at("usr/bin/sudo"), 0o4755)
  chmodSync(at("tmp"), 0o1777)
  chownSync(at("home/user"), 1000, 1000)
  attribute(at("var/log/journal"), "system.posix_acl_default", inherited)
  // these have inherited it, and the next one has lost it
  mkdirSync(at("var/log/journal/machine"))
  writeFileSync(at("var/log/journal/machine/system"), bytes(900_000, 3))
  mkdirSync(at("var/log/journal/plain"))
  execFileSync("rsync", ["-aA", `${at("tmp")}/`, at("var/log/journal/plain")])
  writeFileSync(at("etc/ssl/key"), "key", { mode: 0o400 })
  attribute(at("etc/ssl/key"), "system.posix_acl_access", access)
  attribute(at("etc/passwd"), "user.origin", Buffer.from("a file"))
  attribute(at("home/user"), "user.origin", Buffer.from("a directory"))
  attribute(at("dev/null"), "trusted.origin", Buffer.from("a device"))
  attribute(at("var/run"), "trusted.origin", Buffer.from("a link"))
  attribute(at("var/log/journal/machine/system"), "user.large", bytes(3000, 4))
  const sparse = openSync(at("var/log/lastlog"), "w")
  writeSync(sparse, "the end", 20_000_000)
  closeSync(sparse)
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
