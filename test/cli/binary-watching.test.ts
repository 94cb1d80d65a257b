/** The program's figures over HTTP, from session to session; and an address that cannot be had. */
import { assert, it } from "@effect/vitest"
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../../dist/bin.js", import.meta.url))
const port = 20_000 + (process.pid % 30_000)
const network = ["--group", `239.255.67.78:${port}`, "--interface", "lo", "--insecure"]
const place = [...network, "--wait", "30"]

const inFolder = async (test: (folder: string) => Promise<void>) => {
  const folder = mkdtempSync(join(tmpdir(), "mrsync-watching-"))
  try {
    writeFileSync(join(folder, "file"), "content")
    await test(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const send = (folder: string, ...args: ReadonlyArray<string>) =>
  spawnSync(process.execPath, [program, "send", ...place, "--ttl", "0", "--json", ...args, join(folder, "file")], {
    encoding: "utf8",
    timeout: 60_000
  })

it("a service counts its sessions, and tells Prometheus", () =>
  inFolder(async (folder) => {
    const args = ["catch", "--serve", "--json", "--metrics", "0", ...place, join(folder, "to")]
    const service = spawn(process.execPath, [program, ...args])
    try {
      const address = await new Promise<string>((resolve, reject) => {
        let said = ""
        service.stdout.on("data", (text: Buffer) => {
          said += text.toString()
          const [, found] = /"_tag":"Served","time":"[^"]+","metrics":"(http:[^"]+)"/.exec(said) ?? []
          if (found !== undefined) resolve(found)
        })
        service.on("close", () => reject(new Error(said)))
      })
      const figures = async () => (await fetch(address)).text()
      assert.notInclude(await figures(), "mrsync_pages{")
      for (const sessions of [1, 2]) {
        writeFileSync(join(folder, "file"), "x".repeat(sessions))
        const { status, stderr } = send(folder)
        assert.strictEqual(status, 0, stderr)
        // the catcher ends after its master
        const isCounted = (text: string) =>
          text.includes(`mrsync_files{role="catcher"} ${sessions}\n`) && text.includes("mrsync_sessions 0\n")
        let text = await figures()
        for (let i = 0; i < 100 && !isCounted(text); i++) {
          await new Promise((resolve) => setTimeout(resolve, 50))
          text = await figures()
        }
        assert.isTrue(isCounted(text), text)
      }
    } finally {
      service.removeAllListeners("close")
      service.kill("SIGKILL")
    }
  }))

it("an address that another has ends the command before anything is sent: 10", () =>
  inFolder(async (folder) => {
    const other = createServer()
    const taken = await new Promise<number>((resolve) => {
      other.listen(0, "127.0.0.1", () => resolve((other.address() as AddressInfo).port))
    })
    for (const option of ["--web", "--metrics"]) {
      const { status, stderr, stdout } = send(folder, `${option}=${taken}`)
      assert.strictEqual(status, 10)
      assert.strictEqual(
        stderr.split("\n").find((line) => line.startsWith("mrsync: --")),
        `mrsync: ${option}: nothing can be served at 127.0.0.1:${taken}: address already in use (EADDRINUSE); say another address of this machine, or another port (0: any that is free)`
      )
      const last = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Record<string, unknown>
      assert.deepInclude(last, { _tag: "Error", error: "ServerError", option, port: taken, code: "EADDRINUSE" })
      assert.notInclude(stdout, '"Waiting"')
    }
    await new Promise((resolve) => other.close(resolve))
  }))

it.each([
  [["--web=site/", "x"], '--web "site/": expected an address of this machine and a port'],
  [["--web=239.1.2.3:80", "x"], "expected an address of this machine"],
  [["--metrics", "nowhere:80", "x"], '--metrics "nowhere:80": expected an address'],
  [["--web", "--web", "x"], "--web is given more than once"]
])("send %j is a mistake", (args, expected) => {
  const { status, stderr } = spawnSync(process.execPath, [program, "send", ...args], { encoding: "utf8" })
  assert.strictEqual(status, 1)
  assert.include(stderr, expected)
})

it("a session that is not watched loads no HTTP", () =>
  inFolder(async (folder) => {
    const look = join(folder, "look.cjs")
    writeFileSync(
      look,
      `process.on("exit", () => console.log("loaded", process.moduleLoadList.includes("NativeModule http")))`
    )
    const loaded = (...args: ReadonlyArray<string>) => {
      const options = { encoding: "utf8", timeout: 60_000 } as const
      const { status, stdout } = spawnSync(process.execPath, ["-r", look, program, ...args], options)
      return [status, /^loaded (\w+)$/m.exec(stdout)?.[1]]
    }
    const brief = [...network, "--wait", "0.1"]
    assert.deepStrictEqual(loaded("simulate", "--catchers", "1", "--size", "1"), [0, "false"])
    assert.deepStrictEqual(loaded("send", ...brief, "--ttl", "0", join(folder, "file")), [30, "false"])
    assert.deepStrictEqual(loaded("catch", ...brief, join(folder, "to")), [30, "false"])
    assert.deepStrictEqual(loaded("catch", ...brief, "--metrics", "0", join(folder, "to")), [30, "true"])
  }))

it("--speed without a page is a mistake", () => {
  const { status, stderr } = spawnSync(process.execPath, [program, "simulate", "--speed", "2"], { encoding: "utf8" })
  assert.strictEqual(status, 1)
  assert.include(stderr, "--speed is how fast --web shows it")
})
