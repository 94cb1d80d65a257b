/**
 * npm run bench [-- --rounds N] [-- --only NAME,NAME] [-- --json FILE] [-- --warm GIB] [-- --files N] [-- --share PERCENT]
 *
 * mrsync beside its peers on the lab's hosts (scripts/lab.sh), from tmpfs to tmpfs. Every scenario runs its contestants
 * in turn, so that a slow minute of the machine meets all of them, and prints medians and ratios; a ratio says how often
 * mrsync is faster. Peers that are not installed (Debian: rsync, udpcast, uftp, openssh-server) are left out with a message. Needs root,
 * what scripts/lab.sh needs, and a built dist.
 *
 * All hosts of the lab share the processors of this machine. With `--share` each has so many hundredths of a core for itself,
 * whoever the contestant is: with N hosts at most 100 * cores / N, and nobody waits for another host's processor.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { freemem } from "node:os"
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const options = new Set(["--rounds", "--only", "--json", "--warm", "--files", "--share"])
const wrong = process.argv.slice(2).filter((given, i, all) => !options.has(given) && !options.has(all[i - 1]))
if (wrong.length > 0) {
  const isHelp = wrong.includes("--help")
  const usage =
    "npm run bench [-- --rounds N] [-- --only NAME,NAME] [-- --json FILE] [-- --warm GIB] [-- --files N] [-- --share PERCENT]"
  process[isHelp ? "stdout" : "stderr"].write(isHelp ? `${usage}\n` : `no such option: ${wrong[0]}\n${usage}\n`)
  process.exit(isHelp ? 0 : 1)
}

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const program = join(root, "dist/bin.js")
const lab = join(root, "scripts/lab.sh")
const prefix = "bench"
const argument = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined)
const rounds = Number(argument("--rounds") ?? 3)
const only = argument("--only")?.split(",")
const MiB = 1024 * 1024

const work = mkdtempSync("/dev/shm/mrsync-bench-")
// our sessions are sealed, under keys of this run
process.env.XDG_CONFIG_HOME = join(work, "keys")
// where it is set, Node 20 reads all certificates at its start: 30 ms of each of ours
delete process.env.NODE_EXTRA_CA_CERTS
const running = new Set()
let labHosts = 0
/** Every host of the lab gets every multicast datagram, so a race has no more of them than it needs. */
const labOf = (count) => {
  if (labHosts === count) return labDo("clear")
  if (labHosts > 0) labDo("down")
  labDo("up", String(count))
  labHosts = count
}
const labDo = (...args) =>
  execFileSync(lab, args, { env: { ...process.env, LAB: prefix }, stdio: ["ignore", "ignore", "inherit"] })
const tidy = () => {
  for (const child of running) child.kill("SIGKILL")
  for (const group of groups.values()) spawnSync("rmdir", [group])
  spawnSync(lab, ["down"], { env: { ...process.env, LAB: prefix }, stdio: "ignore" })
  if (existsSync(join(work, "ext4"))) spawnSync("umount", [join(work, "ext4")])
  rmSync(work, { recursive: true, force: true })
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    tidy()
    process.exit(20)
  })
}

// ---- a host's share of a core ----

const share = argument("--share")
/** The control group of each host. */
const groups = new Map()
/** It has its share in each hundredth of a second. */
const periodMicros = 10_000
/** The control group of a host, in whichever of Linux's two hierarchies there is. */
const groupOf = (host) => {
  const isUnified = existsSync("/sys/fs/cgroup/cgroup.controllers")
  const group = join(isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu", `mrsync-${prefix}-${process.pid}-${host}`)
  if (groups.has(host)) return group
  mkdirSync(group)
  groups.set(host, group)
  const quotaMicros = (Number(share) / 100) * periodMicros
  if (isUnified) {
    writeFileSync("/sys/fs/cgroup/cgroup.subtree_control", "+cpu")
    writeFileSync(join(group, "cpu.max"), `${quotaMicros} ${periodMicros}`)
  } else {
    writeFileSync(join(group, "cpu.cfs_period_us"), String(periodMicros))
    writeFileSync(join(group, "cpu.cfs_quota_us"), String(quotaMicros))
  }
  return group
}
/** What makes a command one of a host's group. */
const joining = (host) =>
  share === undefined ? [] : ["sh", "-c", 'echo $$ > "$0" && exec "$@"', join(groupOf(host), "cgroup.procs")]

execFileSync("node", [program, "keygen"], { stdio: ["ignore", "ignore", "inherit"] })

const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis))
const has = (tool) => spawnSync("which", [tool]).status === 0

/**
 * Free memory of a virtual machine may be its host's again, and getting it back costs more than a whole transfer (here 2.5 s
 * for a GiB that otherwise takes 0.5 s to write). So every contestant writes to memory that was in use a moment ago: files of
 * 1 MiB are made, and every other one is deleted. The gaps are too small to be given back (Linux reports blocks of 2 MiB and
 * more), and small gaps are what is handed out first.
 */
const warm = (gibibytes) => {
  const place = join(work, "warm")
  mkdirSync(place)
  const piece = Buffer.alloc(MiB, 1)
  const path = (i) => join(place, String(i))
  const count = Math.floor(Math.min(2 * 1024 * gibibytes, freemem() / 2 / MiB))
  for (let i = 0; i < count; i++) writeFileSync(path(i), piece)
  for (let i = 0; i < count; i += 2) rmSync(path(i))
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

/**
 * A process on a host, its output in files so that reading it costs the race nothing; `ended` gives its exit, output and
 * peak memory, which the kernel keeps and is looked at now and then.
 */
const on = (host, ...command) => {
  const files = [join(work, `${++outputs}.out`), join(work, `${outputs}.err`)]
  const stdio = ["ignore", ...files.map((file) => openSync(file, "w"))]
  const [file, ...args] = [...joining(host), "ip", "netns", "exec", `${prefix}-${host}`, ...command]
  const child = spawn(file, args, { stdio })
  for (const fd of stdio.slice(1)) closeSync(fd)
  running.add(child)
  const [out, err] = files.map((file) => () => readFileSync(file, "utf8"))
  let peakKiB = 0
  const look = setInterval(() => {
    const status = existsSync(`/proc/${child.pid}/status`) ? readFileSync(`/proc/${child.pid}/status`, "utf8") : ""
    peakKiB = Math.max(peakKiB, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0))
  }, 250)
  const ended = new Promise((resolve) =>
    child.on("close", (status) => {
      clearInterval(look)
      running.delete(child)
      resolve({ out: out(), err: err(), peakKiB, status })
      for (const file of files) rmSync(file)
    })
  )
  return { child, out, ended }
}
let outputs = 0

const until = async (what, millis = 10_000) => {
  for (const end = Date.now() + millis; Date.now() < end; await sleep(20)) if (what()) return
  throw new Error("a receiver did not get ready")
}

/** Destinations of so many, empty but for what `stand` puts into each. */
const fresh = (count, stand) => {
  rmSync(join(work, place), { recursive: true, force: true })
  for (let i = 1; i <= count; i++) {
    mkdirSync(out(i), { recursive: true })
    stand?.(out(i), i)
  }
}
/** Where the destinations are. */
let place = "out"
const out = (i) => join(work, place, `c${i}`)

/** An ext4 file system in a file in memory, on a loop device: the destinations are there from now on. */
const onExt4 = () => {
  place = "ext4/out"
  const mount = join(work, "ext4")
  if (existsSync(mount)) return
  mkdirSync(mount)
  execFileSync("truncate", ["-s", "2G", `${mount}.image`])
  execFileSync("mkfs.ext4", ["-q", "-F", `${mount}.image`])
  execFileSync("mount", ["-o", "loop", `${mount}.image`, mount])
}
const hosts = (count) => Array.from({ length: count }, (_, i) => i + 1)
const timed = async (body) => {
  const start = performance.now()
  const result = await body()
  return { seconds: (performance.now() - start) / 1000, ...result }
}

// ---- contestants: each sends a source to so many catchers and gives the wall seconds of the sender ----

const mrsync =
  (...extra) =>
  async (source, count, stand) => {
    fresh(count, stand)
    const catchers = hosts(count).map((i) =>
      on(`c${i}`, "node", program, "catch", "--json", "--id", `c${i}`, ...extra, out(i))
    )
    await until(() => catchers.every((one) => one.out().includes("Waiting")))
    await sleep(100)
    const run = await timed(async () => {
      const master = await on("m", "node", program, "send", "--json", "--catchers", String(count), ...extra, source)
        .ended
      if (master.status !== 0) throw new Error(`mrsync: ${master.err}`)
      return { report: JSON.parse(master.out.trim().split("\n").at(-1)), masterKiB: master.peakKiB }
    })
    const ended = await Promise.all(catchers.map((one) => one.ended))
    return { ...run, catcherKiB: Math.max(...ended.map((one) => one.peakKiB)) }
  }

/** rsync to its own daemon on each host, all at once. `-W` of the flags: without its delta. */
const rsyncWith = (flags) => async (source, count, stand) => {
  fresh(count, stand)
  const daemons = hosts(count).map((i) => {
    const config = join(work, `rsyncd-${i}.conf`)
    writeFileSync(
      config,
      `uid=root\ngid=root\nuse chroot=no\nmunge symlinks=no\nreverse lookup=no\n[d]\npath=${out(i)}\nread only=no\n`
    )
    return on(`c${i}`, "rsync", "--daemon", "--no-detach", `--config=${config}`, "--port", "8730")
  })
  await sleep(500)
  const run = await timed(async () => {
    const ended = await Promise.all(
      hosts(count).map((i) => on("m", "rsync", flags, source, `rsync://10.77.0.${i + 1}:8730/d/`).ended)
    )
    if (ended.some((one) => one.status !== 0)) throw new Error(`rsync: ${ended[0].err}`)
    return {}
  })
  for (const { child } of daemons) child.kill("SIGTERM")
  await Promise.all(daemons.map((one) => one.ended))
  return run
}
const rsync = rsyncWith("-aHW")

/** A key of the lab's ssh, and its hosts' own. */
const sshFolder = () => {
  const folder = join(work, "ssh")
  if (existsSync(folder)) return folder
  mkdirSync(folder, { mode: 0o700 })
  mkdirSync("/run/sshd", { recursive: true })
  for (const name of ["host", "id"])
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)])
  return folder
}

/** rsync over a real sshd on each host, under that cipher. */
const rsyncOverSsh = (cipher) => async (source, count, stand) => {
  fresh(count, stand)
  const folder = sshFolder()
  const settings = [
    `AuthorizedKeysFile=${join(folder, "id.pub")}`,
    "StrictModes=no",
    "PermitRootLogin=yes",
    "UsePAM=no"
  ]
  const servers = hosts(count).map((i) =>
    on(
      ...[`c${i}`, "/usr/sbin/sshd", "-D", "-e", "-p", "2222", "-h", join(folder, "host"), "-o", "PidFile=none"],
      ...settings.flatMap((one) => ["-o", one])
    )
  )
  await sleep(400)
  const known = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
  const shell = `ssh -c ${cipher} -p 2222 -i ${join(folder, "id")} ${known}`
  const run = await timed(async () => {
    const ended = await Promise.all(
      hosts(count).map((i) => on("m", "rsync", "-aHW", "-e", shell, source, `root@10.77.0.${i + 1}:${out(i)}/`).ended)
    )
    if (ended.some((one) => one.status !== 0)) throw new Error(`rsync over ssh: ${ended[0].err}`)
    return {}
  })
  for (const { child } of servers) child.kill("SIGKILL")
  await Promise.all(servers.map((one) => one.ended))
  return run
}

const udpcast = async (source, count) => {
  fresh(count)
  const common = ["--interface", "lan0", "--mcast-rdv-address", "239.1.1.1", "--nokbd"]
  const receivers = hosts(count).map((i) =>
    on(`c${i}`, "udp-receiver", "--file", join(out(i), "f"), "--nosync", ...common)
  )
  await sleep(1000)
  const run = await timed(async () => {
    const sender = ["--min-receivers", String(count), "--max-wait", "5", "--autostart", "1"]
    const tuned = ["--full-duplex", "--blocksize", "1456"]
    await on("m", "udp-sender", "--file", source, ...common, ...sender, ...tuned).ended
    await Promise.all(receivers.map((one) => one.ended))
    return {}
  })
  return run
}

const uftp = (rateKbit) => async (source, count) => {
  fresh(count)
  const receivers = hosts(count).map((i) => on(`c${i}`, "uftpd", "-d", "-D", out(i), "-I", "lan0", "-B", "4000000"))
  await sleep(1000)
  const run = await timed(async () => {
    await on("m", "uftp", "-R", String(rateKbit), "-I", "lan0", "-B", "4000000", source).ended
    return {}
  })
  for (const { child } of receivers) child.kill("SIGTERM")
  await Promise.all(receivers.map((one) => one.ended))
  return run
}

// ---- sources ----

const made = new Map()
const random = (mebibytes) => {
  const path = join(work, `random-${mebibytes}`)
  if (!made.has(path)) {
    execFileSync("bash", ["-c", `head -c ${mebibytes * MiB} /dev/urandom > ${path}`])
    made.set(path, true)
  }
  return path
}
/** So many files of that size, a thousand a directory. */
const files = (count, bytes) => {
  const path = join(work, `files-${count}-${bytes}`)
  if (made.has(path)) return path
  const content = randomBytes(bytes + count)
  for (let i = 0; i < count; i++) {
    const folder = join(path, `d${Math.floor(i / 1000)}`)
    if (i % 1000 === 0) mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `f${i}`), content.subarray(i, i + bytes))
  }
  made.set(path, true)
  return path
}
const copied = (source, name) => {
  const path = join(work, name)
  if (!made.has(path)) execFileSync("cp", ["-a", source, path])
  made.set(path, true)
  return path
}

// ---- the scenarios of a race: contestants run in turn ----

const results = []
const say = (line) => process.stdout.write(`${line}\n`)

/** Each contestant: [name, run, source, catchers, before, stand]. The first is measured against the others. */
const race = async (name, contestants, times = rounds) => {
  if (only !== undefined && !only.includes(name)) return
  const seconds = new Map(contestants.map(([who]) => [who, []]))
  const notes = []
  for (let round = 0; round < times; round++) {
    for (const [who, run, source, count, before, stand] of contestants) {
      labOf(Math.max(...contestants.map(([, , , count]) => count)))
      before?.()
      const result = await run(source(), count, stand)
      place = "out"
      seconds.get(who).push(result.seconds)
      if (result.report !== undefined) notes.push(result)
    }
  }
  const medians = Object.fromEntries([...seconds].map(([who, all]) => [who, median(all)]))
  const [first] = contestants[0]
  const row = { name, medians, runs: Object.fromEntries(seconds) }
  row.ratios = Object.fromEntries(
    Object.entries(medians)
      .filter(([who]) => who !== first)
      .map(([who, value]) => [who, value / medians[first]])
  )
  const pages = notes.map(({ report }) => report.pages)
  row.needed = median(pages.map((one) => one.needed))
  row.repaired = median(pages.map((one) => one.repaired / Math.max(1, one.needed)))
  row.masterMB = Math.max(...notes.map((one) => one.masterKiB)) / 1000
  row.catcherMB = Math.max(...notes.map((one) => one.catcherKiB)) / 1000
  results.push(row)
  say(`${name}`)
  for (const [who, value] of Object.entries(medians)) {
    const against = who === first ? "" : `   ${first} is ${row.ratios[who].toFixed(2)} x as fast`
    say(`  ${who.padEnd(22)} ${value.toFixed(2).padStart(8)} s${against}`)
  }
  say(
    `  needed pages ${row.needed}, of them repaired ${(row.repaired * 100).toFixed(3)} %, peak memory: master ${row.masterMB.toFixed(0)} MB, catcher ${row.catcherMB.toFixed(0)} MB`
  )
}

const peers = (source, count, names) => {
  const all = {
    "rsync, ssh with aes128-gcm": ["/usr/sbin/sshd", rsyncOverSsh("aes128-gcm@openssh.com")],
    "rsync, ssh with chacha20": ["/usr/sbin/sshd", rsyncOverSsh("chacha20-poly1305@openssh.com")],
    rsync: ["rsync", rsync],
    "rsync, its delta": ["rsync", rsyncWith("-aH")],
    udpcast: ["udp-sender", udpcast],
    uftp: ["uftp", uftp(2_000_000)]
  }
  return names.flatMap((name) => {
    const [tool, run] = all[name]
    if (has(tool)) return [[name, run, source, count]]
    say(`(${name} is not installed and left out)`)
    return []
  })
}

const overSsh = ["rsync, ssh with aes128-gcm", "rsync, ssh with chacha20"]

const figure = (name, value, unit) => {
  results.push({ name, value, unit })
  say(`${name.padEnd(40)} ${value} ${unit}`)
}

const wants = (name) => only === undefined || only.includes(name)

const main = async () => {
  warm(Number(argument("--warm") ?? 5))
  const large = () => random(1024)
  const include = () => copied("/usr/include", "include")
  const modules = () => copied(join(root, "node_modules"), "node_modules")
  const shaped = (rate) => () => labDo("shape", rate)
  const lossy = (rate, loss) => () => {
    labDo("shape", rate)
    labDo("loss", loss)
  }

  await race("1MB-1", [
    ["mrsync", mrsync(), () => random(1), 1],
    ["mrsync, in the open", mrsync("--insecure"), () => random(1), 1],
    ...peers(() => random(1), 1, ["rsync"])
  ])
  await race("1GiB-1", [
    ["mrsync", mrsync(), large, 1],
    ["mrsync, plain datagrams", mrsync("--transport", "datagram"), large, 1],
    ["mrsync, in the open", mrsync("--insecure"), large, 1],
    ...peers(large, 1, ["rsync", "udpcast", "uftp", ...overSsh])
  ])
  await race("1GiB-4", [
    ["mrsync", mrsync(), large, 4],
    ["mrsync, in the open", mrsync("--insecure"), large, 4],
    ...peers(large, 4, ["rsync", "udpcast", ...overSsh])
  ])
  await race("1GiB-4-1gbit", [
    ["mrsync", mrsync(), large, 4, shaped("1gbit")],
    ["rsync to ONE", rsync, large, 1, shaped("1gbit")],
    ["mrsync, 1 % loss each", mrsync(), large, 4, lossy("1gbit", "1")],
    // what loss itself costs: the lab loses datagram by datagram, and so without segmentation offload
    ["mrsync, the same with 0 %", mrsync(), large, 4, lossy("1gbit", "0")]
  ])
  await race("64MiB-100mbit", [
    ["mrsync to 32", mrsync(), () => random(64), 32, shaped("100mbit")],
    ["mrsync to 16", mrsync(), () => random(64), 16, shaped("100mbit")],
    ["mrsync to 1", mrsync(), () => random(64), 1, shaped("100mbit")]
  ])
  for (const count of [1, 4]) {
    await race(`include-${count}`, [
      ["mrsync", mrsync(), include, count],
      ["mrsync, in the open", mrsync("--insecure"), include, count],
      ...peers(include, count, ["rsync"])
    ])
  }
  await race("include-4-1gbit", [
    ["mrsync", mrsync(), include, 4, shaped("1gbit")],
    ["mrsync, in the open", mrsync("--insecure"), include, 4, shaped("1gbit")],
    ["rsync to ONE", rsync, include, 1, shaped("1gbit")]
  ])
  await race("include-1-ext4", [
    ["mrsync", mrsync(), include, 1, onExt4],
    ["mrsync, in the open", mrsync("--insecure"), include, 1, onExt4],
    ["rsync", rsync, include, 1, onExt4]
  ])
  await race("modules-4", [["mrsync", mrsync(), modules, 4], ...peers(modules, 4, ["rsync"])])
  await syncs()
  await deltas()
  await race("4GiB-1-memory", [["mrsync", mrsync(), () => random(4096), 1]], 1)

  if (wants("start")) figure("catch, until it waits, median", (await catchStart()).toFixed(3), "s")
  if (wants("simulate")) for (const [name, value, unit] of simulated()) figure(name, value, unit)
  if (wants("entries")) for (const [name, value, unit] of await entries()) figure(name, value, unit)
  if (wants("version")) {
    const times = hosts(15).map(() => {
      const start = performance.now()
      spawnSync("node", [program, "--version"])
      return performance.now() - start
    })
    figure("mrsync --version, median", (median(times) / 1000).toFixed(3), "s")
  }
  if (wants("idle")) {
    labOf(1)
    fresh(1)
    const serving = on("c1", "node", program, "catch", "--serve", "-q", out(1))
    // V8 tidies its heap once, some seconds after the start
    await sleep(15_000)
    const ticks = () => {
      const fields = readFileSync(`/proc/${serving.child.pid}/stat`, "utf8").split(") ")[1].split(" ")
      return Number(fields[11]) + Number(fields[12])
    }
    const before = ticks()
    await sleep(30_000)
    figure("idle catch --serve, of a core", (((ticks() - before) / 100 / 30) * 100).toFixed(3), "%")
    serving.child.kill("SIGKILL")
    await serving.ended
  }
  if (wants("protocol")) for (const [name, value, unit] of await protocol()) figure(name, value, unit)
}

/** Seconds from the start of a catcher until it says that it waits. */
const catchStart = async () => {
  labOf(1)
  fresh(1)
  const times = []
  for (let i = 0; i < 15; i++) {
    const start = performance.now()
    const catcher = spawn("ip", ["netns", "exec", `${prefix}-c1`, "node", program, "catch", "--json", out(1)])
    running.add(catcher)
    await new Promise((resolve) => catcher.stdout.once("data", resolve))
    times.push((performance.now() - start) / 1000)
    catcher.kill("SIGKILL")
    await new Promise((resolve) => catcher.on("close", resolve))
    running.delete(catcher)
  }
  return median(times)
}

/** A planned roll-out to 1000 catchers against one to a single one, and what planning it takes. */
const simulated = () => {
  const plan = (catchers) => {
    const start = performance.now()
    const told = spawnSync("node", [program, "simulate", "--catchers", String(catchers), "--loss", "1", "--json"], {
      encoding: "utf8",
      maxBuffer: 2 ** 30
    })
    const { seconds } = JSON.parse(told.stdout.trim().split("\n").at(-1))
    return { seconds, real: (performance.now() - start) / 1000 }
  }
  const [one, thousand] = [plan(1), plan(1000)]
  return [
    ["32 MiB to 1000 catchers of 1 % loss, as planned, against one", (thousand.seconds / one.seconds).toFixed(2), "x"],
    ["to plan it", thousand.real.toFixed(1), "s"]
  ]
}

/** Peak memory an entry, as the kernel has it (Debian: time), of sessions in which nothing is lacked: of many files (`--files`) and of one. */
const entries = async () => {
  if (!existsSync("/usr/bin/time")) return [["peak memory an entry", "-", "(time is not installed)"]]
  const peaks = async (count) => {
    const source = files(count, 100)
    labOf(1)
    fresh(1, (at) => execFileSync("cp", ["-a", source, at]))
    const kept = ["m", "c1"].map((host) => join(work, `${host}.peak`))
    const under = (file, ...command) => ["/usr/bin/time", "-f", "%M", "-o", file, "node", program, ...command]
    const catcher = on("c1", ...under(kept[1], "catch", "--json", "--id", "c1", out(1)))
    await until(() => catcher.out().includes("Waiting"))
    await on("m", ...under(kept[0], "send", "--json", "--catchers", "1", source)).ended
    await catcher.ended
    return kept.map((file) => Number(readFileSync(file, "utf8")))
  }
  const count = Number(argument("--files") ?? 200_000)
  const [one, many] = [await peaks(1), await peaks(count)]
  return ["master", "catcher"].map((who, i) => [
    `peak memory an entry, ${who}, of ${count}`,
    ((many[i] - one[i]) / count).toFixed(2),
    "KiB"
  ])
}

/** Catchers have the tree already, but for some files of it. */
const syncs = async () => {
  const include = () => copied("/usr/include", "include")
  /** A copy of the source, of which a catcher has `lacks(i)` files in an older version: their first so many, from an index on. */
  const standing =
    (source, lacks = () => [0, 0]) =>
    (at, i) => {
      execFileSync("cp", ["-a", source(), at])
      const [first, count] = lacks(i)
      for (let n = first; n < first + count; n++) {
        const path = join(at, basename(source()), `d${Math.floor(n / 1000)}`, `f${n}`)
        writeFileSync(path, "of old")
        utimesSync(path, 1, 1)
      }
    }
  const quiet = () => {}
  const sync = (name, source, count, stand, others) =>
    race(name, [
      ["mrsync", mrsync(), source, count, quiet, stand],
      ...others.flatMap(([label, peer, to]) =>
        peers(source, to, [peer]).map(([, run]) => [label, run, source, to, quiet, stand])
      )
    ])
  const toOne = [
    ["rsync to ONE", "rsync", 1],
    ["rsync to ONE, over ssh", "rsync, ssh with aes128-gcm", 1]
  ]
  const same = standing(include)
  for (const count of [1, 4]) await sync(`sync-include-${count}`, include, count, same, toOne)
  const many = () => files(Number(argument("--files") ?? 200_000), 100)
  const few = standing(many, (i) => (i === 1 ? [0, 3] : [0, 0]))
  await sync("sync-many-4", many, 4, few, toOne)
  // 512 MiB, of which a hundredth is another one
  const large = () => files(1000, 512 * 1024)
  for (const [name, lacks] of [
    ["same", () => [0, 10]],
    ["other", (i) => [10 * i, 10]]
  ])
    await sync(`sync-percent-4-${name}`, large, 4, standing(large, lacks), toOne)
}

/** Catchers have older versions, each its own: of one large file, and of many of 1 MiB. */
const deltas = async () => {
  const toOneAndFour = async (name, source, changed) => {
    const one = peers(source, 1, ["rsync, its delta"]).map(([, run]) => run)
    for (const count of [1, 4])
      await race(`${name}-${count}`, [
        ["mrsync", mrsync(), source, count, () => {}, changed],
        ...one.map((run) => ["rsync to ONE, its delta", run, source, 1, () => {}, changed])
      ])
  }
  /** Writes pieces of `i` over a file, each at its place, and makes it old. */
  const change = (path, i, pieceBytes, places) => {
    const file = openSync(path, "r+")
    const piece = Buffer.alloc(pieceBytes, i)
    for (const place of places) writeSync(file, piece, 0, piece.length, place)
    closeSync(file)
    utimesSync(path, 1, 1)
  }
  const large = () => random(1024)
  /** Another hundredth of the bytes is changed in place at each catcher, 4 KiB at a time, as in an image or a database. */
  await toOneAndFour("delta", large, (at, i) => {
    const path = join(at, basename(large()))
    execFileSync("cp", [large(), path])
    const [size, count] = [1024 * MiB, (1024 * MiB) / 100 / 4096]
    const places = Array.from({ length: count }, (_, n) => Math.floor((n + i / 8) * (size / count)))
    change(path, i, 4096, places)
  })
  const many = () => files(400, MiB)
  await toOneAndFour("delta-many", many, (at, i) => {
    execFileSync("cp", ["-a", many(), at])
    for (let n = 0; n < 400; n++) change(join(at, basename(many()), "d0", `f${n}`), i, 16, [MiB / 2 + 1000 * i])
  })
}

/** The reducer and the codecs alone, in this process. */
const protocol = async () => {
  const load = (path) => import(join(root, "dist", path))
  const [FileState, Layout, Codec] = [
    await load("protocol/file/FileState.js"),
    await load("protocol/file/Layout.js"),
    await load("wire/Codec.js")
  ]
  const pages = 4_000_000
  const layout = Layout.make({ size: pages * 1432, pageBytes: 1432 })
  // one batch is what one glued datagram brings
  const batches = (isLost) =>
    Array.from({ length: Math.ceil(pages / 44) }, (_, i) => {
      const indices = Array.from({ length: Math.min(44, pages - i * 44) }, (_, k) => i * 44 + k)
      return { _tag: "Pages", batch: { indices: indices.filter((page) => !isLost(page)), payloads: [] } }
    })
  const reduce = (events) => {
    let [state] = FileState.step(FileState.initial, { _tag: "Open", layout })
    ;[state] = FileState.step(state, { _tag: "Opened" })
    const start = performance.now()
    for (const event of events) [state] = FileState.step(state, event)
    return pages / (performance.now() - start) / 1000
  }
  let seed = 1
  const lost = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed / 2 ** 32 < 0.05
  }
  const [whole, holed] = [batches(() => false), batches(lost)]
  reduce(whole)
  const inOrder = median(hosts(5).map(() => reduce(whole)))
  const lossy = median(hosts(5).map(() => reduce(holed)))
  const message = {
    _tag: "PollOk",
    session: 1n,
    slot: 3,
    incarnation: 7,
    poll: 9,
    received: 5,
    dropped: 0,
    held: 7,
    worked: 0
  }
  const start = performance.now()
  for (let i = 0; i < 300_000; i++) Codec.decode(Codec.encode(message))
  const codec = 300_000 / (performance.now() - start)
  return [
    ["reducer in order", inOrder.toFixed(1), "million pages a second"],
    ["reducer at 5 % random loss", lossy.toFixed(1), "million pages a second"],
    ["codec, PollOk to bytes and back", codec.toFixed(0), "thousand a second"]
  ]
}

if (!existsSync(program) || statSync(program).size === 0) throw new Error("build it first: npm run build")
try {
  await main()
  const file = argument("--json")
  const json = JSON.stringify({ node: process.version, rounds, results }, undefined, 2)
  if (file === undefined) say(json)
  else writeFileSync(file, `${json}\n`)
} finally {
  tidy()
}
