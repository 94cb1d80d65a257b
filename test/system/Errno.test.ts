/** What the system says is said with its name and in words, also where Node has neither. */
import { assert, describe, it } from "@effect/vitest"
import * as Errno from "../../src/system/Errno.ts"

/** As Node throws what its library has no name for. */
const unknown = (errno: number) =>
  Object.assign(new Error(`Unknown system error -${errno}: Unknown system error -${errno}, write`), {
    code: `Unknown system error -${errno}`,
    errno: -errno,
    syscall: "write"
  })

describe.skipIf(process.platform !== "linux")("a refusal of the system", () => {
  it.each([
    [122, "EDQUOT", "disk quota exceeded (EDQUOT)"],
    [116, "ESTALE", "stale file handle (ESTALE)"],
    [117, "EUCLEAN", "the file system's structure needs cleaning (EUCLEAN)"],
    [126, "ENOKEY", "required key not available (ENOKEY)"]
  ] as const)("%d is %s", (errno, code, reason) => {
    const cause = unknown(errno)
    assert.strictEqual(Errno.codeOf(cause), code)
    assert.deepStrictEqual(Errno.fromCause(cause), { code, reason })
    assert.deepInclude(Errno.toCause(errno), { code, errno: -errno })
    assert.strictEqual(Errno.numberOf(code), errno)
  })

  it("has a name and words for every number of Linux", () => {
    for (let errno = 1; errno <= 133; errno++) {
      // two numbers were never given
      if (errno === 41 || errno === 58) continue
      const { code, reason } = Errno.fromCause(unknown(errno))
      assert.match(code, /^E[0-9A-Z]+$/, String(errno))
      assert.notMatch(reason, /unknown|error \d/i, String(errno))
      assert.include(reason, `(${code})`)
    }
  })

  it("that has no number, or none that anybody knows, keeps Node's words", () => {
    const nul = Object.assign(new TypeError("The argument 'path' must be a string without null bytes"), {
      code: "ERR_INVALID_ARG_VALUE"
    })
    assert.strictEqual(Errno.fromCause(nul).code, "ERR_INVALID_ARG_VALUE")
    assert.include(Errno.fromCause(unknown(4000)).reason, "Unknown system error -4000")
  })
})
