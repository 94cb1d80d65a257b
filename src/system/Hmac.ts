/**
 * HMAC-SHA-256 (RFC 2104), for datagrams of strangers at whatever rate. Node's own makes an object and
 * memory outside of the heap for each, which a flood turns into a larger process, so the call of the
 * OpenSSL that is in Node's executable is used through koffi, an optional dependency: it takes neither.
 * Without koffi, or without that symbol, node:crypto does the same.
 *
 * This is a module of unsafe memory: what goes down are whole typed arrays, and a length that was
 * compared with them.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { createHmac, createSecretKey } from "node:crypto"
import * as Native from "../native/Native.ts"

/** The codes of one key. */
export interface Mac {
  /** That of all bytes before `end`, 32 bytes. It lasts until the next call. */
  readonly of: (bytes: Uint8Array, end: number) => Uint8Array
}

/** Prepares a key. */
type Make = (key: Uint8Array) => Mac

const codeBytes = 32

/** By node:crypto. */
export const portable: Make = (key) => {
  const owned = createSecretKey(key)
  return { of: (bytes, end) => createHmac("sha256", owned).update(bytes.subarray(0, end)).digest() }
}

/** By the OpenSSL that is in this process; none where it cannot be reached. */
export const load = (require: (name: string) => unknown = Native.load): Option.Option<Make> =>
  Result.getSuccess(Result.try(() => bind(require("koffi") as typeof import("koffi"))))

const bind = (koffi: typeof import("koffi")): Make => {
  const library = koffi.load(null)
  const algorithm = library.func("const void *EVP_sha256()")()
  // it answers where the code is, or 0: as a number, because a pointer would be an object
  const hmac = library.func("intptr_t HMAC(const void *, const void *, int, const void *, size_t, void *, void *)")
  // one of each for every call: they are synchronous
  const [code, written] = [new Uint8Array(codeBytes), new Uint32Array(1)]
  return (key) => {
    const owned = Uint8Array.from(key)
    return {
      of: (bytes, end) => {
        if (!(end >= 0 && end <= bytes.length)) throw new RangeError("beyond the bytes")
        if (hmac(algorithm, owned, owned.length, bytes, end, code, written) === 0)
          throw new Error("OpenSSL refuses HMAC-SHA-256")
        return code
      }
    }
  }
}

let best: Make | undefined

/** The codes of a key, by the way that takes least memory. */
export const mac: Make = (key) => (best ??= Option.getOrElse(load(), () => portable))(key)
