/**
 * Feeds targets with mutated and random bytes, from a seed. An input that fails is cut as short as it still fails; kept in
 * test/fuzz/kept/TARGET it is a regression.
 */
import { getHeapStatistics } from "node:v8"
import * as Chance from "../../src/transport/Chance.ts"

export interface Target {
  readonly name: string
  /** Valid inputs, which are mutated. */
  readonly valid: ReadonlyArray<Uint8Array>
  /** Throws when something is wrong. Answers what kind of input it was: one of a new kind is mutated further. */
  readonly check: (bytes: Uint8Array) => string
  /** Makes a mutated input pass the first test, for example a checksum. */
  readonly mend?: (bytes: Uint8Array) => Uint8Array
}

export interface Failure {
  readonly input: Uint8Array
  readonly reason: string
}

export interface Outcome {
  readonly inputs: number
  readonly kinds: number
  readonly failure: Failure | undefined
}

export const limits = {
  inputBytes: 4096,
  /** An input that takes longer, each of three times, fails. */
  millis: 250,
  /** What an input may allocate: so much, and so much for each of its bytes. */
  allocatedBytes: 8 * 1024 * 1024,
  allocatedPerByte: 1024,
  corpus: 1000,
  shortenings: 2000
}

const tries = 3

// `process.memoryUsage` reads files, and costs more than most inputs.
const memoryBytes = () => {
  const { external_memory, used_heap_size } = getHeapStatistics() as ReturnType<typeof getHeapStatistics> & {
    readonly external_memory: number
  }
  return external_memory + used_heap_size
}

const measured = (target: Target, bytes: Uint8Array) => {
  const before = memoryBytes()
  const began = performance.now()
  const kind = target.check(bytes)
  const millis = performance.now() - began
  // A collection meanwhile hides some of it, and adds nothing.
  return { kind, millis, allocatedBytes: memoryBytes() - before }
}

// Never a Buffer, whose slices share its bytes.
const joined = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))

/** The kind of an input, or what is wrong with it. */
export const examine = (target: Target, input: Uint8Array): { readonly kind: string } | Failure => {
  const bytes = new Uint8Array(input)
  let [fastestMillis, leastBytes, kind] = [Infinity, Infinity, ""]
  const mostBytes = limits.allocatedBytes + limits.allocatedPerByte * bytes.length
  for (let i = 0; i < tries && (fastestMillis > limits.millis || leastBytes > mostBytes); i++) {
    try {
      const seen = measured(target, bytes)
      kind = seen.kind
      fastestMillis = Math.min(fastestMillis, seen.millis)
      leastBytes = Math.min(leastBytes, seen.allocatedBytes)
    } catch (error) {
      return { input: bytes, reason: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }
    }
  }
  if (fastestMillis > limits.millis) return { input: bytes, reason: `it took ${fastestMillis.toFixed(0)} ms` }
  if (leastBytes > mostBytes) return { input: bytes, reason: `it allocated ${leastBytes} bytes` }
  return { kind }
}

const striking = [0, 1, 7, 8, 127, 128, 254, 255, 256, 4095, 4096, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0xffff_ffff]

class Mutator {
  private readonly chance: Chance.Chance
  constructor(seed: number) {
    this.chance = Chance.make(seed)
  }
  whole(most: number): number {
    return Math.floor(this.chance.next() * (most + 1))
  }
  pick<A>(of: ReadonlyArray<A>): A {
    return of[this.whole(of.length - 1)]
  }
  random(): Uint8Array {
    return Uint8Array.from({ length: this.whole(this.whole(limits.inputBytes)) }, () => this.whole(255))
  }
  mutated(corpus: ReadonlyArray<Uint8Array>): Uint8Array {
    let bytes = this.pick(corpus)
    // One change, as often as more.
    for (let times = 1 + this.whole(1) * this.whole(3); times > 0; times--) bytes = this.once(bytes, corpus)
    return bytes.slice(0, limits.inputBytes)
  }
  private once(bytes: Uint8Array, corpus: ReadonlyArray<Uint8Array>): Uint8Array {
    const at = this.whole(bytes.length)
    const end = Math.min(bytes.length, at + this.whole(16))
    const out = bytes.slice()
    switch (this.whole(7)) {
      case 0:
        if (at < out.length) out[at] ^= 1 << this.whole(7)
        return out
      case 1:
        return joined(out.subarray(0, at), Uint8Array.of(this.whole(255)), out.subarray(at + this.whole(1)))
      case 2:
      case 3: {
        const value = this.pick(striking)
        const width = this.pick([1, 2, 4])
        for (let i = 0; i < width && at + i < out.length; i++) out[at + i] = value >>> (8 * i)
        return out
      }
      case 4:
        return joined(out.subarray(0, at), out.subarray(end))
      case 5:
        return joined(out.subarray(0, end), out.subarray(at))
      case 6:
        return out.subarray(0, at)
      default:
        return joined(out.subarray(0, at), this.pick(corpus).subarray(at))
    }
  }
}

/** Cuts out of a failing input what it needs not for failing. */
const shortened = (target: Target, failure: Failure): Failure => {
  let best = failure
  let left = limits.shortenings
  for (let length = Math.ceil(best.input.length / 2); length > 0; length = length > 1 ? Math.ceil(length / 2) : 0) {
    for (let at = 0; at < best.input.length && left > 0; left--) {
      const { input } = best
      const shorter = joined(input.subarray(0, at), input.subarray(at + length))
      const seen = examine(target, shorter)
      if ("reason" in seen) best = seen
      else at += length
    }
  }
  return best
}

/** Runs one target until its time is over, or an input fails. The same seed makes the same inputs. */
export const run = (target: Target, { millis, seed }: { readonly millis: number; readonly seed: number }): Outcome => {
  const mutator = new Mutator(seed)
  const corpus = target.valid.map((bytes) => new Uint8Array(bytes))
  const kinds = new Set<string>()
  const began = performance.now()
  let inputs = 0
  for (; performance.now() - began < millis || inputs < target.valid.length; inputs++) {
    const made = mutator.whole(31) === 0 ? mutator.random() : mutator.mutated(corpus)
    const bytes = target.mend !== undefined && mutator.whole(7) > 0 ? target.mend(made) : made
    const input = inputs < target.valid.length ? corpus[inputs] : bytes
    const seen = examine(target, input)
    if ("reason" in seen) return { inputs: inputs + 1, kinds: kinds.size, failure: shortened(target, seen) }
    if (kinds.has(seen.kind)) continue
    kinds.add(seen.kind)
    if (corpus.length < limits.corpus) corpus.push(input.slice())
  }
  return { inputs, kinds: kinds.size, failure: undefined }
}
