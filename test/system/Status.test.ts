import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as Libc from "../../src/system/Libc.ts"
import * as Status from "../../src/system/Status.ts"

const isLinux = process.platform === "linux"
const bytes = (path: string) => Buffer.from(path, "latin1")

describe("Status", () => {
  it.runIf(isLinux)("is the same by the C library as by Node, and nothing where nothing is", () => {
    const { lstatat } = Option.getOrThrow(Libc.load())
    assert.isDefined(lstatat)
    const directory = fs.mkdtempSync("/tmp/mrsync-status-")
    const fd = fs.openSync(directory, fs.constants.O_RDONLY)
    try {
      fs.writeFileSync(`${directory}/file`, "content", { mode: 0o640 })
      fs.utimesSync(`${directory}/file`, -1.5, -1.5)
      fs.linkSync(`${directory}/file`, `${directory}/other`)
      fs.symlinkSync("file", `${directory}/link`)
      fs.writeFileSync(bytes(`${directory}/\xff`), "")
      fs.mkdirSync(`${directory}/d/e`, { recursive: true, mode: 0o1751 })
      execFileSync("mkfifo", [`${directory}/fifo`])
      for (const name of ["file", "other", "link", "\xff", "d", "d/e", "fifo"]) {
        const expected = Status.ofStats(fs.lstatSync(bytes(`${directory}/${name}`), { bigint: true }))
        const seen = lstatat(fd, bytes(name))
        assert.deepStrictEqual(seen, expected, name)
        assert.deepStrictEqual(lstatat(undefined, bytes(`${directory}/${name}`)), seen, name)
      }
      assert.strictEqual(lstatat(undefined, bytes("/dev/null"))?.kind, "CharacterDevice")
      for (const path of ["/", "/proc", "/dev/null", "/dev/shm"])
        assert.deepStrictEqual(lstatat(undefined, path)?.device, Number(fs.lstatSync(path).dev), path)
      assert.throws(() => lstatat(fd, "file\0in"), /EINVAL/)
      assert.isUndefined(lstatat(fd, bytes("none")))
      assert.throws(() => lstatat(fd, bytes("file/in")), /ENOTDIR/)
      assert.throws(() => lstatat(fd, bytes("x".repeat(4096))), /ENAMETOOLONG/)
      const seen = (name: string) => lstatat(fd, bytes(name))!
      assert.isTrue(Status.isSameFile(seen("file"), seen("other")))
      assert.isFalse(Status.isSameFile(seen("file"), seen("link")))
    } finally {
      fs.closeSync(fd)
      fs.rmSync(directory, { recursive: true })
    }
  })
})
