/**
 * What `push` and a catcher that it has started say to each other before they meet on the network, over the catcher's standard
 * streams: the catcher says which program it is, and only then is handed its key and all else that it needs. A line each. Pure.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** What a catcher says first. These fields stay as they are, so that versions that differ can tell each other so. */
export const Hello = Schema.Struct({
  /** Of the program. */
  version: Schema.String,
  /** Of the wire. */
  protocol: Schema.Int,
  /** The address of the master from which the connection came, where the remote shell tells it. */
  from: Schema.optionalKey(Schema.String),
  /** The catcher's own address of that connection. */
  to: Schema.optionalKey(Schema.String)
})
/** What a catcher says first. */
export type Hello = typeof Hello.Type

/** What a catcher needs. */
export const Handover = Schema.Struct({
  /** The text of a catcher's key file; the key is made for one session. */
  key: Schema.RedactedFromValue(Schema.String),
  group: Schema.String,
  port: Schema.Int,
  transport: Schema.Literals(["auto", "offload", "datagram"]),
  /** The name by which it joins. */
  name: Schema.String,
  /** DEST as it was typed: relative to the home directory. */
  destination: Schema.String,
  /** The master's address on the session's network, to which answers go. */
  master: Schema.String,
  waitMillis: Schema.Number,
  timeoutMillis: Schema.Number
})
/** What a catcher needs. */
export type Handover = typeof Handover.Type

/** Bytes of a line; one that is longer is none of these. */
export const mostBytes = 64 * 1024

/** What a login shell says before it is on lines of its own, and none begins like this. */
const marker = "mrsync-pushed "

const hello = Schema.fromJsonString(Hello)
const handover = Schema.fromJsonString(Handover)

/** The line that says hello, behind the end of whatever was said before it. */
export const printHello = (one: Hello): string => `\n${marker}${Schema.encodeSync(hello)(one)}`

/** Undefined: the line says something else. */
export const readHello = (line: string): Hello | undefined =>
  line.startsWith(marker)
    ? Result.getOrUndefined(Schema.decodeUnknownResult(hello)(line.slice(marker.length)))
    : undefined

/** A catcher's line, with its end. It has the key in the open. */
export const print = (one: Handover): string => `${Schema.encodeSync(handover)(one)}\n`

/** Reads a catcher's line. A failure repeats nothing of it. */
export const read = (line: string): Result.Result<Handover, string> =>
  Result.mapError(
    Schema.decodeUnknownResult(handover)(line),
    () => "what came on standard input is not what mrsync push of this version hands over"
  )

/** Why a catcher of another version cannot take part. */
export const whyOther = (there: Hello, here: Pick<Hello, "version" | "protocol">): string | undefined => {
  if (there.version === here.version && there.protocol === here.protocol) return undefined
  const of = ({ protocol, version }: typeof here) => `mrsync ${version} (protocol ${protocol})`
  return `there is ${of(there)}, and here ${of(here)}: install the same version on both sides`
}

// ---- lines ----

/** Splits what arrives into lines, and drops those that are too long. */
export class Lines {
  private rest = Buffer.alloc(0)
  private isDropping = false
  private readonly most: number

  constructor(most: number) {
    this.most = most
  }

  /** The lines that are whole now. */
  push(piece: Uint8Array): ReadonlyArray<string> {
    const out: Array<string> = []
    let bytes: Buffer = Buffer.concat([this.rest, piece])
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
      if (!this.isDropping && end <= this.most) out.push(bytes.toString("utf8", 0, end))
      this.isDropping = false
      bytes = bytes.subarray(end + 1)
    }
    this.isDropping ||= bytes.length > this.most
    this.rest = this.isDropping ? Buffer.alloc(0) : Buffer.from(bytes)
    return out
  }
}

/** The end of what was said, so many bytes of it. */
export class Tail {
  private bytes = Buffer.alloc(0)
  private readonly most: number

  constructor(most: number) {
    this.most = most
  }

  push(piece: Uint8Array): void {
    this.bytes = Buffer.concat([this.bytes, piece]).subarray(-this.most)
  }
  /** Forgets what was said so far. */
  clear(): void {
    this.bytes = Buffer.alloc(0)
  }
  text(): string {
    return this.bytes.toString("utf8")
  }
}
