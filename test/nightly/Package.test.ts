/** The Debian package, made and installed into a system of its own, whose systemd runs the service. At night: it downloads that system. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))
const boot = fileURLToPath(new URL("boot.sh", import.meta.url))
const unit = "mrsync-catch@default.service"

const whyNot = (): string | undefined => {
  if (process.getuid?.() !== 0) return "another system needs root here"
  return ["debootstrap", "dpkg-deb"]
    .find((tool) => spawnSync("which", [tool]).status !== 0)
    ?.concat(" is not installed")
}

const unavailable = whyNot()
if (unavailable !== undefined) console.warn(`the Debian package is not tried: ${unavailable}`)

const said = (command: string, ...args: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(command, args, { encoding: "utf8", timeout: 60_000 })
  return { status, text: stdout + stderr }
}

/** A system that runs: commands in it. */
class Booted {
  private readonly booting: ChildProcess

  constructor(system: string) {
    this.booting = spawn(boot, [system], { stdio: "ignore" })
  }

  /** Its first process, once there is one. */
  private get first(): string {
    return said("ps", "-o", "pid=", "--ppid", String(this.booting.pid)).text.trim()
  }

  run(...command: ReadonlyArray<string>): { readonly status: number | null; readonly text: string } {
    return said("nsenter", "-t", this.first, "-m", "-p", "-n", "-u", "-i", "-C", "-r", "-w", ...command)
  }

  /** Until a command says so; a defect after half a minute. */
  until(what: RegExp, ...command: ReadonlyArray<string>): string {
    let { text } = this.run(...command)
    for (let i = 0; i < 60 && !what.test(text); i++) {
      spawnSync("sleep", ["0.5"])
      ;({ text } = this.run(...command))
    }
    assert.match(text, what)
    return text
  }

  /** Ends all of it, and gives its control groups back. */
  end(): void {
    this.booting.kill("SIGKILL")
    spawnSync("sleep", ["1"])
    for (const groups of ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup"])
      spawnSync("find", [
        `${groups}/mrsync-boot-${this.booting.pid}`,
        "-depth",
        "-type",
        "d",
        "-exec",
        "rmdir",
        "{}",
        ";"
      ])
  }
}

describe.skipIf(unavailable !== undefined)("the Debian package", { timeout: 900_000 }, () => {
  const system = mkdtempSync(join(tmpdir(), "mrsync-system-"))
  const inside = (...command: ReadonlyArray<string>) => said("chroot", system, ...command)
  let booted: Booted | undefined

  beforeAll(() => {
    execFileSync("npm", ["run", "build:deb"], { cwd: root, stdio: "ignore" })
    const [name] = readdirSync(join(root, "dist/deb"))
    execFileSync("debootstrap", ["--variant=minbase", "--include=systemd,man-db", "bookworm", system], {
      stdio: "ignore"
    })
    copyFileSync(join(root, "dist/deb", name), join(system, "root", name))
    const installed = inside("dpkg", "-i", `/root/${name}`)
    assert.strictEqual(installed.status, 0, installed.text)
  }, 900_000)

  afterAll(() => {
    booted?.end()
    rmSync(system, { recursive: true, force: true })
  })

  it("is whole, and its unit is right by systemd's own word", () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
    assert.deepStrictEqual(inside("mrsync", "--version"), { status: 0, text: `mrsync ${version}\n` })
    assert.deepStrictEqual(inside("systemd-analyze", "verify", unit), { status: 0, text: "" })
    const exposure = inside("systemd-analyze", "security", "--offline=true", unit).text
    assert.isAtMost(Number(/exposure level .*: (\d+\.\d) /.exec(exposure)?.[1]), 3)
    assert.include(inside("man", "--warnings", "mrsync").text, "MRSYNC CATCH")
    assert.strictEqual(inside("dpkg", "--verify", "mrsync").text, "")
    assert.strictEqual(inside("bash", "-c", ". /usr/share/bash-completion/completions/mrsync").status, 0)
  })

  it("has a service that receives, is reloaded, and comes back when it is killed or stands still", (test) => {
    const settings = join(system, "etc/mrsync/catch/default.conf")
    const slowly = "if test -e /srv/slow; then touch /srv/began; sleep 4; touch /srv/ended; fi"
    const command = `echo $MRSYNC_STATE >> /srv/story; ${slowly}; touch /usr/not-allowed`
    const options = `OPTIONS="--interface lo --on-complete '${command}'"\n`
    writeFileSync(
      settings,
      readFileSync(settings, "utf8").replace(/^OPTIONS=.*\n/m, () => options)
    )
    // here devices of its own are not to be had, and a minute is too long
    const dropIn = join(system, "etc/systemd/system/mrsync-catch@.service.d")
    mkdirSync(dropIn, { recursive: true })
    writeFileSync(join(dropIn, "test.conf"), "[Service]\nPrivateDevices=no\nWatchdogSec=3\nTimeoutStopSec=1\n")
    mkdirSync(join(system, "srv/source"))
    writeFileSync(join(system, "srv/source/file"), "content")
    execFileSync("chown", ["33:33", join(system, "srv/source/file")])

    booted = new Booted(system)
    const machine = booted
    const status = () => machine.run("systemctl", "is-system-running").text
    for (let i = 0; i < 60 && !/running|degraded/.test(status()); i++) spawnSync("sleep", ["0.5"])
    if (!/running|degraded/.test(status())) return test.skip("no systemd runs in namespaces here")

    assert.strictEqual(machine.run("mrsync", "keygen", "/etc/mrsync").status, 0)
    // it is active when it has said that it listens
    assert.deepStrictEqual(machine.run("systemctl", "start", unit), { status: 0, text: "" })
    machine.until(/Status: "waiting for a master"/, "systemctl", "status", "--no-pager", unit)
    const send = "mrsync send --interface lo --ttl 0 --key /etc/mrsync/master.key /srv/source/"
    const sent = machine.run(...send.split(" "))
    // its command may not write below /usr, and that is told
    assert.strictEqual(sent.status, 23, sent.text)
    assert.include(sent.text, "Read-only file system")
    assert.strictEqual(machine.run("stat", "-c", "%u %g %s", "/srv/mrsync/file").text, "33 33 7\n")
    assert.strictEqual(readFileSync(join(system, "srv/story"), "utf8"), "Complete\n")

    assert.deepStrictEqual(machine.run("systemctl", "reload", unit), { status: 0, text: "" })
    machine.until(/Status: "waiting for a master"/, "systemctl", "status", "--no-pager", unit)
    const restarts = ["systemctl", "show", "-p", "NRestarts", "-p", "SubState", unit]
    assert.include(machine.run(...restarts).text, "NRestarts=0")
    machine.run("systemctl", "kill", "-s", "KILL", unit)
    machine.until(/NRestarts=1\nSubState=running/, ...restarts)
    machine.run("systemctl", "kill", "-s", "STOP", "--kill-who=main", unit)
    machine.until(/NRestarts=2\nSubState=running/, ...restarts)
    // its command lasts longer than a stop may without being asked for more
    writeFileSync(join(system, "srv/slow"), "")
    const stopping = `${send} & until test -e /srv/began; do sleep 0.1; done; systemctl stop ${unit}; wait`
    machine.run("sh", "-c", stopping)
    assert.isTrue(existsSync(join(system, "srv/ended")))
    assert.include(machine.run("systemctl", "show", "-p", "Result", unit).text, "Result=success")
  })

  it("leaves nothing when it is purged", () => {
    booted?.end()
    assert.strictEqual(inside("rm", "-f", "/etc/mrsync/master.key", "/etc/mrsync/catcher.key").status, 0)
    assert.strictEqual(inside("dpkg", "--purge", "mrsync").status, 0)
    for (const path of ["etc/mrsync", "usr/bin/mrsync", "usr/share/doc/mrsync"])
      assert.isFalse(existsSync(join(system, path)), path)
  })
})
