/**
 * node scripts/warm.mjs, at the end of `npm run build`
 *
 * Has V8 make the code of the program's functions, as it is after a session: a small tree is sent over the loopback interface to a
 * catcher that has a part of it. Where that cannot be done there is no code, and the program starts as always, only later.
 */
import { execFileSync, spawn } from "node:child_process"
import { linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../dist/bin/program.cjs", import.meta.url))
const directory = fileURLToPath(new URL("..", import.meta.url))
const own = fileURLToPath(import.meta.url)
const atMostMillis = 30_000

/** Runs a command, and keeps the code at its end. */
const run = async (args) => {
  const Compiled = await import("../dist/bin/compiled.js")
  const code = Compiled.codeOf(program, args[0])
  const { exports, script } = Compiled.run(Compiled.read(program, code))
  process.on("exit", (status) => {
    if (status !== 0) return
    writeFileSync(`${code}.tmp`, script.createCachedData())
    renameSync(`${code}.tmp`, code)
  })
  exports.main(args, directory)
}

const makeTrees = (source, destination) => {
  for (const tree of [source, destination]) {
    for (let i = 0; i < 20; i++) {
      mkdirSync(join(tree, `d${i}`), { recursive: true })
      for (let k = 0; k < 20; k++) {
        const differs = tree === source && k % 4 === 0
        writeFileSync(join(tree, `d${i}`, `f${k}`), `${i} ${k}${differs ? " new" : ""}`.repeat(20))
      }
    }
  }
  writeFileSync(join(source, "large"), Buffer.alloc(8 * 1024 * 1024, "large"))
  linkSync(join(source, "large"), join(source, "linked"))
  symlinkSync("large", join(source, "symbolic"))
  writeFileSync(join(destination, "extraneous"), "")
}

const ended = (args, env) =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [own, ...args], { env, stdio: ["ignore", "ignore", "pipe"] })
    let words = ""
    child.stderr.on("data", (data) => (words += data))
    const limit = setTimeout(() => child.kill("SIGKILL"), atMostMillis)
    child.on("close", (status) => {
      clearTimeout(limit)
      resolve({ status, words })
    })
  })

const warm = async () => {
  const work = mkdtempSync(join(tmpdir(), "mrsync-warm-"))
  try {
    const [source, destination] = [join(work, "source"), join(work, "destination")]
    makeTrees(source, destination)
    const env = { ...process.env, XDG_CONFIG_HOME: join(work, "keys"), NO_COLOR: "1" }
    execFileSync(process.execPath, [join(directory, "dist/bin.js"), "keygen"], { env, stdio: "ignore" })
    const byte = () => 1 + Math.floor(Math.random() * 254)
    const group = `239.255.${byte()}.${byte()}:${20_000 + Math.floor(Math.random() * 10_000)}`
    const network = ["--group", group, "--interface", "lo", "--wait", "20"]
    const all = await Promise.all([
      ended(["catch", ...network, "--json", destination], env),
      ended(["send", ...network, "--ttl", "0", "--json", "--delete", "-i", `${source}/`], env)
    ])
    const failed = all.find(({ status }) => status !== 0)
    if (failed !== undefined) console.error(`no code is kept, the session failed: ${failed.words.trim()}`)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

const args = process.argv.slice(2)
await (args.length > 0 ? run(args) : warm())
