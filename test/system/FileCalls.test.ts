import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as Errno from "../../src/system/Errno.ts"
import * as FileCalls from "../../src/system/FileCalls.ts"
import * as Libc from "../../src/system/Libc.ts"
import * as Status from "../../src/system/Status.ts"

const ours = Option.getOrUndefined(Libc.load())?.files
const ways = [["Node's", FileCalls.node] as const, ...(ours === undefined ? [] : [["the C library's", ours] as const])]
if (ours === undefined) console.log("FileCalls.test.ts: the C library's calls cannot be had here: they are not tried")

const codeOf = (body: () => unknown) => {
  try {
    body()
  } catch (cause) {
    return Errno.codeOf(cause)
  }
  return "none"
}

describe.each(ways)("calls for small files, %s", (_, calls) => {
  it("read what is there, where it is", () => {
    const directory = fs.mkdtempSync("/tmp/mrsync-calls-")
    try {
      const path = Buffer.from(`${directory}/\xff`, "latin1")
      fs.writeFileSync(path, "0123456789", { mode: 0o640 })
      fs.symlinkSync("nowhere", `${directory}/link`)
      const { O_NOFOLLOW, O_RDONLY } = fs.constants
      const file = calls.open(path, O_RDONLY | O_NOFOLLOW)
      if (process.platform === "linux")
        assert.match(fs.readFileSync(`/proc/self/fdinfo/${file}`, "utf8"), /flags:\t0*2\d*\n/)
      const into = Buffer.alloc(4)
      assert.deepStrictEqual([calls.read(file, into, 2), into.toString()], [4, "2345"])
      assert.deepStrictEqual([calls.read(file, into.subarray(1), 8), into.toString()], [2, "2895"])
      assert.strictEqual(calls.read(file, into, 10), 0)
      assert.deepStrictEqual(calls.status(file), Status.ofStats(fs.lstatSync(path, { bigint: true })))
      calls.close(file)
      assert.deepStrictEqual(
        [
          codeOf(() => calls.close(file)),
          codeOf(() => calls.read(file, into, 0)),
          codeOf(() => calls.status(file)),
          codeOf(() => calls.open(Buffer.from(`${directory}/none`), O_RDONLY)),
          codeOf(() => calls.open(Buffer.from(`${directory}/link`), O_RDONLY | O_NOFOLLOW)),
          codeOf(() => calls.open(Buffer.alloc(5000, "x"), O_RDONLY))
        ],
        ["EBADF", "EBADF", "EBADF", "ENOENT", "ELOOP", "ENAMETOOLONG"]
      )
    } finally {
      fs.rmSync(directory, { recursive: true })
    }
  })
})

describe("a file that is read whole", () => {
  it("may come in parts, and end early", () => {
    const content = Buffer.from("content")
    const parts: FileCalls.FileCalls = {
      ...FileCalls.node,
      read: (_, into, offset) => content.copy(into, 0, offset, Math.min(offset + 3, content.length))
    }
    const into = Buffer.alloc(10, ".")
    assert.deepStrictEqual([FileCalls.readAll(parts, 0, into), into.toString()], [7, "content..."])
    assert.strictEqual(FileCalls.readAll(parts, 0, into.subarray(0, 5)), 5)
  })
})
