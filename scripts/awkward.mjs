/** awkward.mjs FOLDER: makes a tree of awkward names, links, modes, times and sizes there. For tests and scripts/matrix.sh. */
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { join } from "node:path"

const root = process.argv[2]
if (root === undefined) throw new Error("awkward.mjs needs a folder")
const at = (...names) => join(root, ...names)
mkdirSync(at("a dir with spaces", "deeper", "deeper still"), { recursive: true })
mkdirSync(at("empty directory"))
mkdirSync(at("closed"))
const names = [
  "-dash",
  " leading space",
  "trailing space ",
  "new\nline",
  "tab\there",
  "*?[]{}$`'\"\\",
  "ünïcödé",
  "日本語",
  ".hidden",
  "x".repeat(255)
]
for (const name of names) writeFileSync(at(name), `content of ${name}`)
const bytes = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe, 0x80, 0x41])])
writeFileSync(bytes, "not UTF-8")
writeFileSync(at("empty"), "")
for (const size of [1, 1431, 1432, 1433, 183_295, 183_296, 183_297, 524_288, 524_289])
  writeFileSync(at(`size ${size}`), randomBytes(size))
writeFileSync(at("a dir with spaces", "deeper", "deeper still", "large"), randomBytes(5_000_000))
const sparse = openSync(at("sparse"), "w")
ftruncateSync(sparse, 20_000_000)
writeSync(sparse, "in the middle", 10_000_000)
closeSync(sparse)
symlinkSync("empty", at("link"))
symlinkSync("nowhere/at all", at("dangling link"))
symlinkSync("/etc/passwd", at("link out"))
symlinkSync("closed", at("link to directory"))
linkSync(at("size 1433"), at("hard link"))
linkSync(at("size 1433"), at("a dir with spaces", "hard link too"))
linkSync(at("size 524289"), at("closed", "hard link to a large one"))
execFileSync("mkfifo", [at("fifo")])
chmodSync(at("empty"), 0o4711)
chmodSync(at("size 1"), 0o000)
chmodSync(at("closed"), 0o555)
if (process.getuid?.() === 0) execFileSync("chown", ["12345:54321", at("size 1431"), at("empty directory")])
const touch = (time, ...paths) => execFileSync("touch", ["-h", "-d", time, ...paths])
touch("2001-09-09 01:46:40.123456789", at("size 1432"), at("link"), at("fifo"), at("empty directory"))
touch("1969-12-31 12:00:00.999999999", at("empty"))
touch("2105-01-01 00:00:00.000000001", at("size 183296"))
touch("2020-02-02 02:02:02.999999999", at("a dir with spaces", "deeper"), root)
