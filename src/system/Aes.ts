/**
 * AES-256 in counter mode, in place and from any byte of its stream on. Node's own cipher gives new
 * memory for all that it takes, so the calls of the OpenSSL that is in Node's executable are used
 * through koffi, an optional dependency: they work in place, at twice the speed. Without koffi, or
 * without those symbols, node:crypto does the same.
 *
 * This is a module of unsafe memory: what goes down are whole typed arrays and contexts of OpenSSL,
 * which are freed when nothing holds their cipher any more.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { createCipheriv } from "node:crypto"
import * as Native from "../native/Native.ts"

/** The key streams of one key: `apply` adds one to bytes, which enciphers and deciphers. */
interface Cipher {
  /** `iv`: the counter at the stream's begin, 16 bytes. The bytes stand at `offset` in the stream. */
  readonly apply: (iv: Uint8Array, offset: number, bytes: Uint8Array) => void
}

/** Makes the cipher of a key of 32 bytes. */
export type Make = (key: Uint8Array) => Cipher

const unitBytes = 16

/** Puts the counter of the unit that has the offset; answers bytes of the unit that come before. */
const count = (counter: Uint8Array, iv: Uint8Array, offset: number): number => {
  counter.set(iv)
  let unit = Math.floor(offset / unitBytes)
  const skipped = offset - unit * unitBytes
  for (let at = unitBytes - 1; unit > 0 && at >= 0; at--) {
    unit += counter[at]
    counter[at] = unit % 256
    unit = Math.floor(unit / 256)
  }
  return skipped
}

// A cipher's output is new memory: pieces of this length stay in the processor's cache.
const pieceBytes = 16 * 1024

/** By node:crypto. */
export const portable: Make = (key) => {
  const owned = Uint8Array.from(key)
  const counter = new Uint8Array(unitBytes)
  const before = new Uint8Array(unitBytes)
  return {
    apply: (iv, offset, bytes) => {
      const skipped = count(counter, iv, offset)
      const cipher = createCipheriv("aes-256-ctr", owned, counter)
      if (skipped > 0) cipher.update(before.subarray(0, skipped))
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        bytes.set(cipher.update(bytes.subarray(at, at + pieceBytes)), at)
      }
    }
  }
}

/** By the OpenSSL that is in this process; none where it cannot be reached. */
export const load = (require: (name: string) => unknown = Native.load): Option.Option<Make> =>
  Result.getSuccess(Result.try(() => bind(require("koffi") as typeof import("koffi"))))

const bind = (koffi: typeof import("koffi")): Make => {
  const library = koffi.load(null)
  const make = library.func("void *EVP_CIPHER_CTX_new()")
  const free = library.func("void EVP_CIPHER_CTX_free(void *)")
  const algorithm = library.func("const void *EVP_aes_256_ctr()")()
  const initialise = library.func("int EVP_EncryptInit_ex(void *, const void *, void *, const void *, const void *)")
  const update = library.func("int EVP_EncryptUpdate(void *, void *, void *, const void *, int)")
  const freed = new FinalizationRegistry(free)
  // one of each for every call: they are synchronous
  const [counter, before, written] = [new Uint8Array(unitBytes), new Uint8Array(unitBytes), new Int32Array(1)]
  const check = (status: number) => {
    if (status !== 1) throw new Error("OpenSSL refuses AES-256-CTR")
  }
  const through = (context: unknown, bytes: Uint8Array, length: number) =>
    check(update(context, bytes, written, bytes, length))
  return (key) => {
    const context: unknown = make()
    check(initialise(context, algorithm, null, Uint8Array.from(key), counter))
    const cipher: Cipher = {
      apply: (iv, offset, bytes) => {
        const skipped = count(counter, iv, offset)
        check(initialise(context, null, null, null, counter))
        if (skipped > 0) through(context, before, skipped)
        if (bytes.length > 0) through(context, bytes, bytes.length)
      }
    }
    freed.register(cipher, context)
    return cipher
  }
}

let best: Make | undefined

/** The cipher of a key, by the fastest way that there is. */
export const cipher: Make = (key) => (best ??= Option.getOrElse(load(), () => portable))(key)
