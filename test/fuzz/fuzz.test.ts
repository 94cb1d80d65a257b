/** A short run of every target, the inputs that have failed once, and that what is wrong is found. */
import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Header from "../../src/wire/Header.ts"
import * as Fuzz from "./Fuzz.ts"
import { messages, targets } from "./targets.ts"

const kept = fileURLToPath(new URL("kept/", import.meta.url))
const keptOf = (name: string) => {
  const folder = path.join(kept, name)
  return fs.existsSync(folder) ? fs.readdirSync(folder).map((file) => path.join(folder, file)) : []
}

describe.for(targets)("$name", (target) => {
  it("holds for a while", () => {
    const { failure, inputs, kinds } = Fuzz.run(target, { millis: 300, seed: Date.now() & 0xffff })
    assert.isUndefined(failure, `${failure?.reason} ${Buffer.from(failure?.input ?? []).toString("hex")}`)
    assert.isAtLeast(inputs, target.valid.length)
    assert.isAbove(kinds, 1)
  })

  it("holds for what has failed once", () => {
    for (const file of keptOf(target.name)) {
      const seen = Fuzz.examine(target, fs.readFileSync(file))
      assert.notProperty(seen, "reason", file)
    }
  })
})

describe("the fuzzer", () => {
  it("keeps inputs of targets that there are", () => {
    const names = targets.map(({ name }) => name)
    const folders = fs.readdirSync(kept)
    assert.isNotEmpty(folders)
    for (const folder of folders) assert.include(names, folder)
  })

  it("begins with a message of every type", () => {
    const { Page, Parity, ...types } = Header.types
    assert.sameMembers([...new Set(messages.map(({ _tag }) => _tag))], Object.keys(types))
    assert.isDefined(Page && Parity)
  })

  const broken = (check: Fuzz.Target["check"]) =>
    Fuzz.run({ name: "broken", valid: [Uint8Array.of(1, 2, 3, 4, 5)], check }, { millis: 20_000, seed: 1 })

  it("finds what throws, and makes it short", () => {
    const { failure } = broken((bytes) => {
      if (bytes.includes(0x80)) throw new Error("eighty")
      return ""
    })
    assert.strictEqual(failure?.reason, "Error: eighty")
    assert.deepStrictEqual([...failure!.input], [0x80])
  })

  it("finds what takes long", () => {
    const { failure } = broken(() => {
      const until = performance.now() + Fuzz.limits.millis + 1
      while (performance.now() < until);
      return ""
    })
    assert.match(failure!.reason, /^it took \d+ ms$/)
  })

  it("finds what believes a length", () => {
    const { failure } = broken((bytes) => String(new Uint8Array(bytes[0] === 1 ? 16 * 1024 * 1024 : 0).length))
    assert.match(failure!.reason, /^it allocated \d+ bytes$/)
  })

  it("goes on with what is new: three letters are found one after the other", () => {
    const { failure } = broken((bytes) => {
      const known = bytes[0] !== 0x66 ? 0 : bytes[1] !== 0x75 ? 1 : bytes[2] !== 0x7a ? 2 : 3
      if (known === 3) throw new Error("fuz")
      return String(known)
    })
    assert.strictEqual(failure?.reason, "Error: fuz")
  })

  it("makes the same inputs from the same seed", () => {
    const inputsOf = (seed: number) => {
      const seen: Array<string> = []
      const check = (bytes: Uint8Array) => {
        seen.push(Buffer.from(bytes).toString("hex"))
        if (seen.length > 200) throw new Error("enough")
        return ""
      }
      Fuzz.run({ name: "seen", valid: [Uint8Array.of(1, 2, 3)], check }, { millis: 5000, seed })
      return seen.slice(0, 200)
    }
    assert.deepStrictEqual(inputsOf(4), inputsOf(4))
    assert.notDeepEqual(inputsOf(4), inputsOf(5))
  })
})
