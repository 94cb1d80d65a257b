/** BLAKE3, 32 bytes: of blocks, and of a trailer. One call for a whole block, because single pages hash slowly. */
import { blake3 } from "@napi-rs/blake-hash"

export const hash = (bytes: Uint8Array): Uint8Array => blake3(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))

export const agrees = (bytes: Uint8Array, expected: Uint8Array): boolean => Buffer.compare(hash(bytes), expected) === 0
