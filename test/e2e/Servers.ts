/** A real sshd on hosts of a lab, with keys made for it, and a client's configuration that reaches each under its name. */
import { execFileSync, spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Lab from "./Lab.ts"

const find = (name: string): string =>
  spawnSync("sh", ["-c", `PATH="$PATH:/usr/sbin:/sbin" command -v ${name}`], { encoding: "utf8" }).stdout.trim()

const sshd = find("sshd")

/** Why no server can run here; undefined: they can. */
export const unavailable =
  Lab.unavailable ?? (sshd === "" || find("ssh") === "" ? "openssh-server is not installed" : undefined)
if (Lab.unavailable === undefined && unavailable !== undefined)
  console.warn(`tests with servers of ssh are skipped: ${unavailable}`)

/** What is special about a host. */
export type Oddity = "NoPermission" | "NoProgram" | "Hangs"

/** Servers on c1..cN. The home of each is its own, though all share this machine's disk. */
export interface Servers {
  /** For `--rsh`. */
  readonly shell: string
  readonly homeOf: (catcher: number) => string
  /** Processes of a host, but for its server itself, as "PID COMMAND". */
  readonly others: (host: string) => ReadonlyArray<string>
  /** Ends a host's connections, as a server does that crashes. */
  readonly drop: (catcher: number) => void
}

/** The address of a catcher in a lab. */
const addressOf = (catcher: number): string => `10.77.0.${catcher + 1}`

export const start = (lab: Lab.Lab, count: number, odd: Readonly<Record<number, Oddity>> = {}): Servers => {
  const folder = join(lab.folder, "ssh")
  const at = (...names: ReadonlyArray<string>) => join(folder, ...names)
  mkdirSync(at("bin"), { recursive: true })
  mkdirSync("/run/sshd", { recursive: true })
  for (const name of ["host", "user"]) execFileSync("ssh-keygen", ["-qt", "ed25519", "-N", "", "-f", at(name)])
  writeFileSync(at("known"), `* ${readFileSync(at("host.pub"), "utf8")}`)
  writeFileSync(at("nobody"), "")
  writeFileSync(at("bin/mrsync"), `#!/bin/sh\nexec ${process.execPath} ${Lab.program} "$@"\n`)
  chmodSync(at("bin/mrsync"), 0o755)
  const homeOf = (catcher: number) => at(`home-c${catcher}`)
  const numbers = Array.from({ length: count }, (_, i) => i + 1)
  const client = [
    ...numbers.map((catcher) => `Host c${catcher}\n  HostName ${addressOf(catcher)}`),
    `Host *\n  User root\n  IdentityFile ${at("user")}\n  IdentitiesOnly yes`,
    `  UserKnownHostsFile ${at("known")}\n  GlobalKnownHostsFile /dev/null`
  ]
  writeFileSync(at("client"), `${client.join("\n")}\n`)
  const listeners = new Map<string, number>()
  for (const catcher of numbers) {
    mkdirSync(homeOf(catcher))
    const lines = [
      ...[`ListenAddress ${addressOf(catcher)}`, `HostKey ${at("host")}`, "PidFile none", "UsePAM no"],
      ...["StrictModes no", "PermitRootLogin prohibit-password", "PasswordAuthentication no"],
      ...["KbdInteractiveAuthentication no", "MaxStartups 100"],
      `AuthorizedKeysFile ${at(odd[catcher] === "NoPermission" ? "nobody" : "user.pub")}`,
      ...(odd[catcher] === "Hangs" ? ["ForceCommand cat"] : []),
      // the program is where a login shell would find it, except where there is none
      `SetEnv HOME=${homeOf(catcher)} PATH=${odd[catcher] === "NoProgram" ? "" : `${at("bin")}:`}/usr/bin:/bin`
    ]
    writeFileSync(at(`server-c${catcher}`), `${lines.join("\n")}\n`)
    const { process } = lab.exec(`c${catcher}`, sshd, "-D", "-e", "-f", at(`server-c${catcher}`))
    listeners.set(`c${catcher}`, process.pid!)
  }
  const others = (host: string) =>
    lab
      .pids(host)
      .filter((pid) => pid !== listeners.get(host))
      .flatMap((pid) => {
        const { stdout } = spawnSync("ps", ["-o", "pid=,args=", "-p", String(pid)], { encoding: "utf8" })
        return stdout.trim() === "" ? [] : [stdout.trim()]
      })
  return {
    shell: `ssh -F ${at("client")}`,
    homeOf,
    others,
    drop: (catcher) => {
      for (const line of others(`c${catcher}`))
        if (/^\d+ sshd/.test(line)) process.kill(Number.parseInt(line), "SIGKILL")
    }
  }
}
