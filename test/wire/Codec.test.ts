import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Limits from "../../src/protocol/Limits.ts"
import * as Chance from "../../src/transport/Chance.ts"
import * as Codec from "../../src/wire/Codec.ts"
import * as Header from "../../src/wire/Header.ts"
import type { Message } from "../../src/wire/Message.ts"
import { int } from "../protocol/generators.ts"
import { AnyMessage } from "./generators.ts"

const decoded = (bytes: Uint8Array) => {
  const result = Codec.decode(bytes)
  return result._tag === "Success" ? result.success : result.failure
}
/** As it was changed, with a checksum that is right for it: what follows is what the body's own checks are for. */
const sealed = (bytes: Uint8Array) => Codec.putChecksum(bytes)
const isSound = (result: Message | Codec.WireError) =>
  result._tag === "WireError"
    ? ["Foreign", "Sealed", "Damaged", "UnknownType", "Body"].includes(result.reason)
    : result._tag in Header.types && typeof result.session === "bigint"

const session = 0x0123_4567_89ab_cdefn
const answer = { session, slot: 5, incarnation: 0x0a0b_0c0d }
const file = 0x1122_3344
const changes = { created: 1, updated: 2, described: 3, kept: 4, deleted: 5, vetoed: 6 }

describe("round trip", () => {
  it.prop(
    "every message comes back as it was, in at most 1200 bytes with the room for a tag [W-5] [W-6]",
    [AnyMessage],
    ([message]) => {
      const bytes = Codec.encode(message)
      // what is padded to some length has that, with whatever tail
      const isPadded = (message._tag === "Probe" || message._tag === "ProbeOk") && message.pageBytes > 0
      if (!isPadded) assert.isAtMost(bytes.length - Limits.checksumBytes + Limits.tagBytes, 1200)
      if (message._tag === "ProbeOk") assert.isAtMost(bytes.length, 1200)
      assert.strictEqual(
        Header.split(bytes, () => {}),
        0
      )
      assert.deepStrictEqual(decoded(bytes), message)
    },
    { arbitrary: { runs: 1000 } }
  )

  it.prop("also from the middle of a buffer", [AnyMessage, int(0, 50)], ([message, at]) => {
    const bytes = Codec.encode(message)
    const glued = new Uint8Array(bytes.length + 100).fill(0xee)
    glued.set(bytes, at)
    const result = Codec.decode(glued, at)
    assert.deepStrictEqual(result._tag === "Success" && result.success, message)
  })

  it("a text that is too long is cut between characters", () => {
    const message = decoded(
      Codec.encode({
        _tag: "Join",
        session,
        incarnation: 1,
        key: 1,
        moves: 0,
        receiveBufferBytes: 1,
        name: "€".repeat(99)
      })
    )
    assert.strictEqual(message._tag === "Join" && message.name, "€".repeat(42))
  })

  it("the decoded bytes are not those of the datagram, whose memory is used again", () => {
    const bytes = Codec.encode({
      ...{ _tag: "Eof", session, file, round: 1, first: 0, count: 1, counts: false, audience: [1] },
      root: new Uint8Array(32).fill(1)
    })
    const message = decoded(bytes)
    bytes.fill(9)
    assert.deepStrictEqual(message._tag === "Eof" && message.root, new Uint8Array(32).fill(1))
  })
})

// The header of each: magic, version, type, length, flags, session, file, index. See the table in docs/protocol.md.
const header = (type: string, length: string, file = "00000000", index = "00000000") =>
  `6d72 03 ${type} ${length} 0000 efcdab8967452301 ${file} ${index} `

const golden: ReadonlyArray<readonly [Message, string]> = [
  [
    {
      ...{ _tag: "Announce", session, pageBytes: 1432, blockPages: 128, timeoutMillis: 10_000, uptimeMillis: 258 },
      ...{ spreadMillis: 3, joined: 2, wanted: 4 }
    },
    header("01", "2e00") + "9805 8000 10270000 02010000 0300 0200 0400 82a19c65"
  ],
  [
    {
      ...{ _tag: "Join", session, incarnation: 0x0a0b_0c0d, key: 0x0102_0304, moves: 2 },
      ...{ receiveBufferBytes: 212_992, name: "c1" }
    },
    header("02", "2d00") + "0d0c0b0a 04030201 0200 00400300 02 6331 e13f61f1"
  ],
  [
    { _tag: "Decline", session, incarnation: 0x0a0b_0c0d, silentMillis: 1500, master: "é" },
    header("03", "2700") + "0d0c0b0a dc050000 02 c3a9 e6dc2dbc"
  ],
  [
    {
      ...{ _tag: "Welcome", session },
      guests: [
        { incarnation: 0x0a0b_0c0d, slot: 5 },
        { incarnation: 1, refusal: "NotListed" },
        { incarnation: 2, refusal: "NameTaken" },
        { incarnation: 3, refusal: "Full" },
        { incarnation: 4, refusal: "Started" },
        { incarnation: 5, refusal: "Returning" }
      ]
    },
    header("04", "4800") +
      "0600 0d0c0b0a 0500 00 01000000 ffff 00 02000000 ffff 01 03000000 ffff 02 04000000 ffff 03 05000000 ffff 05 09a5153f"
  ],
  [
    {
      ...{ _tag: "Open", session, file, kind: "Bundle", size: 0x1_0000_0002, members: 3, opening: 7 },
      ...{ pageBytes: 1432, root: undefined, audience: [2, 3, 12] }
    },
    header("05", "3600", "44332211") + "02 0200000001000000 9805 03000000 07000000 00 0200 0200 0304 48b87b2f"
  ],
  [
    {
      ...{ _tag: "Open", session, file, kind: "Single", size: 2, members: 0, opening: 0xffff_fffe },
      ...{ pageBytes: 512, root: new Uint8Array(32).fill(0xab), audience: [5] }
    },
    header("05", "5500", "44332211") +
      `01 0200000000000000 0002 00000000 feffffff 01 ${"ab".repeat(32)} 0500 0100 01 543f92e2`
  ],
  [
    {
      ...{
        _tag: "Open",
        session,
        file,
        kind: "Single",
        size: 2,
        members: 0,
        opening: 9,
        pageBytes: 512,
        audience: [5]
      },
      ...{ root: undefined, signed: { blockPages: 121, hash: new Uint8Array(32).fill(0xab) } }
    },
    header("05", "5700", "44332211") +
      `01 0200000000000000 0002 00000000 09000000 02 7900 ${"ab".repeat(32)} 0500 0100 01 f870e245`
  ],
  [
    {
      ...{ _tag: "Open", session, file, kind: "Revision", size: 99, members: 0, opening: 1 },
      ...{ pageBytes: 1432, root: undefined, audience: [5] }
    },
    header("05", "3500", "44332211") + "03 6300000000000000 9805 00000000 01000000 00 0500 0100 01 d25db192"
  ],
  [
    { _tag: "OpenOk", ...answer, file, opening: 0x01020304 },
    header("06", "2200", "44332211", "04030201") + "0500 0d0c0b0a 83ed735d"
  ],
  [
    { _tag: "SitOut", ...answer, file, reason: "full", about: "File" },
    header("07", "2800", "44332211") + "0500 0d0c0b0a 00 04 66756c6c 324960c4"
  ],
  [
    { _tag: "SitOut", ...answer, file, reason: "full", about: "Veto" },
    header("07", "2800", "44332211") + "0500 0d0c0b0a 02 04 66756c6c 39e8a889"
  ],
  [
    { _tag: "SitOut", ...answer, file, reason: "full", about: "Tree" },
    header("07", "2800", "44332211") + "0500 0d0c0b0a 01 04 66756c6c 979a3c0f"
  ],
  [
    { _tag: "Poll", session, poll: 513, audience: [0] },
    header("09", "2100", "00000000", "01020000") + "0000 0100 01 4d85e0f3"
  ],
  [
    { _tag: "PollOk", ...answer, poll: 513, received: 1000, dropped: 7, held: 2 ** 40 + 5, worked: 0x01020304 },
    header("0a", "3600", "00000000", "01020000") + "0500 0d0c0b0a e8030000 07000000 0500000000010000 04030201 898a8efe"
  ],
  [
    { _tag: "Eof", session, file, round: 2, first: 8192, count: 100, root: undefined, counts: true, audience: [5] },
    header("0b", "2a00", "44332211", "02000000") + "00200000 64000000 02 0500 0100 01 8e8a0c63"
  ],
  [
    {
      _tag: "Eof",
      session,
      file,
      round: 2,
      first: 0,
      count: 1,
      root: new Uint8Array(32).fill(0xab),
      counts: false,
      audience: [5]
    },
    header("0b", "4a00", "44332211", "02000000") + `00000000 01000000 01 ${"ab".repeat(32)} 0500 0100 01 7b56f8dd`
  ],
  [
    {
      _tag: "Missing",
      ...answer,
      file,
      round: 2,
      first: 8192,
      count: 100,
      held: 3,
      lacks: undefined,
      runs: [8193, 2, 8200, 1],
      spoiled: false
    },
    header("0c", "4000", "44332211", "02000000") +
      "0500 0d0c0b0a 00200000 64000000 00 ffff 00 0200 0100 0200 0500 0100 0300000000000000 1a24625e"
  ],
  [
    {
      _tag: "Missing",
      ...answer,
      file,
      round: 2,
      first: 8,
      count: 12,
      held: 3,
      lacks: undefined,
      runs: [8, 1, 10, 2, 19, 1],
      spoiled: true
    },
    header("0c", "3800", "44332211", "02000000") +
      "0500 0d0c0b0a 08000000 0c000000 01 ffff 01 0d08 0300000000000000 37b97e19"
  ],
  [
    {
      ...{ _tag: "Missing", ...answer, file, round: 2, first: 0, count: 300, held: 3, lacks: [0, 128, 7] },
      ...{ runs: [298, 2], spoiled: false }
    },
    header("0c", "3f00", "44332211", "02000000") +
      "0500 0d0c0b0a 00000000 2c010000 00 0300 008007 00 0100 2a01 0200 0300000000000000 edf4d662"
  ],
  [
    { _tag: "Complete", ...answer, file, held: 3 },
    header("0d", "2a00", "44332211") + "0500 0d0c0b0a 0300000000000000 958bc7c1"
  ],
  [
    { _tag: "Close", session, file, from: 6, audience: [4095] },
    header("0e", "2100", "44332211", "06000000") + "ff0f 0100 01 0c807f97"
  ],
  [
    { _tag: "CloseOk", ...answer, file, from: 6, failures: [{ entry: 7, reason: "no" }], next: 9 },
    header("0f", "3100", "44332211", "06000000") + "0500 0d0c0b0a 09000000 00 0100 07000000 00 02 6e6f 645ec900"
  ],
  [
    { _tag: "CloseOk", ...answer, file, from: 0, failures: [], next: undefined },
    header("0f", "2900", "44332211") + "0500 0d0c0b0a ffffffff 00 0000 7d6794e8"
  ],
  [
    {
      ...{ _tag: "CloseOk", ...answer, file: 0, from: 0, done: { ...changes, files: 7, bytes: 8 }, next: undefined },
      failures: [{ entry: 7, reason: "no", isVetoed: true }]
    },
    header("0f", "5500", "00000000") +
      "0500 0d0c0b0a ffffffff 01 01000000 02000000 03000000 04000000 05000000 06000000 07000000 0800000000000000 0100 07000000 01 02 6e6f 3e424dc1"
  ],
  [
    { _tag: "Abort", session, file, reason: "no", audience: [] },
    header("10", "2400", "44332211") + "01 02 6e6f 0000 0000 7ebd028d"
  ],
  [
    { _tag: "Abort", session, file, reason: undefined, audience: [] },
    header("10", "2100", "44332211") + "00 0000 0000 88df02c0"
  ],
  [
    { _tag: "Abort", session, file: undefined, reason: "", audience: [] },
    header("10", "2200", "ffffffff") + "01 00 0000 0000 42f93a5f"
  ],
  [{ _tag: "Aborted", ...answer, file }, header("11", "2200", "44332211") + "0500 0d0c0b0a 2690e605"],
  [{ _tag: "Bye", session }, header("12", "1c00") + "2a80b6f2"],
  [{ _tag: "ByeOk", ...answer }, header("1c", "2200") + "0500 0d0c0b0a cf917db1"],
  [
    { _tag: "Probe", session, probing: 3, train: 4, pageBytes: 0, isGlued: false, audience: [0] },
    header("14", "2400", "03000000", "04000000") + "0000 00 0000 0100 01 7d27c096"
  ],
  [
    { _tag: "Probe", session, probing: 3, train: 4, pageBytes: 512, isGlued: true, audience: [] },
    header("14", "1802", "03000000", "04000000") + `0002 01 0000 0000 ${"00".repeat(501)} 1b0cbf24`
  ],
  [
    { _tag: "ProbeOk", ...answer, probing: 3, train: 4, single: 1332, times: 5, glued: 512, pageBytes: 0 },
    header("15", "2a00", "03000000", "04000000") + "0500 0d0c0b0a 3405 0500 0002 0000 46bc9edd"
  ],
  [
    { _tag: "ProbeOk", ...answer, probing: 3, train: 4, single: 1332, times: 5, glued: 512, pageBytes: 40 },
    header("15", "4000", "03000000", "04000000") + `0500 0d0c0b0a 3405 0500 0002 2800 ${"00".repeat(22)} aab1245f`
  ],
  [
    { _tag: "Digests", session, file, opening: 9, first: 128, digests: Uint8Array.from({ length: 16 }, (_, i) => i) },
    header("16", "3100", "44332211", "80000000") + "09000000 02 0001020304050607 08090a0b0c0d0e0f 54328760"
  ],
  [
    { _tag: "Survey", session, file: 0, from: 8192, audience: [0] },
    header("17", "2100", "00000000", "00200000") + "0000 0100 01 505f6d9f"
  ],
  [
    {
      ...{ _tag: "SurveyOk", ...answer, file: 0, from: 8192, count: 300, runs: [8200, 7] },
      doubted: 5,
      doubts: [8193, 2],
      changes
    },
    header("18", "4e00", "00000000", "00200000") +
      "0500 0d0c0b0a 01000000 02000000 03000000 04000000 05000000 06000000 05000000 2c01 00 0100 0800 0700 00 0100 0100 0200 ecb01211"
  ],
  [
    { _tag: "Comparing", ...answer, file: 0, from: 8192, looked: 7, hashed: 2 ** 40, toHash: 2 ** 41 },
    header("1b", "3600", "00000000", "00200000") + "0500 0d0c0b0a 07000000 0000000000010000 0000000000020000 2ed753c8"
  ],
  [
    { _tag: "Itemize", session, file: 0, from: 9, audience: [0] },
    header("19", "2100", "00000000", "09000000") + "0000 0100 01 507b4fa0"
  ],
  [
    {
      ...{ _tag: "ItemizeOk", ...answer, file: 0, from: 9, total: 11 },
      items: [
        { _tag: "Change", entry: 0x0102_0304, change: 5 },
        { _tag: "Deletion", path: Uint8Array.of(0x64, 0x65), isDirectory: true }
      ]
    },
    header("1a", "3400", "00000000", "09000000") + "0500 0d0c0b0a 0b000000 0200 00 04030201 0500 02 0200 6465 c232d119"
  ]
]

describe("golden vectors", () => {
  it.for(golden)("$0._tag", ([message, hex]) => {
    const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex")
    assert.strictEqual(Buffer.from(Codec.encode(message)).toString("hex"), bytes.toString("hex"))
    assert.deepStrictEqual(decoded(bytes), message)
  })

  it("a page: the header, then its payload", () => {
    const bytes = new Uint8Array(27).fill(0xff)
    Header.put(bytes, 0, Header.types.Page, 27, Header.sessionOf(session), file, 0x0102_0304)
    assert.strictEqual(
      Buffer.from(bytes).toString("hex"),
      (header("08", "1b00", "44332211", "04030201") + "ffffff").replaceAll(" ", "")
    )
  })

  it("a parity page: its index says the block and which of its parity pages it is", () => {
    const index = Header.parityIndex(0x01_0203, 4)
    assert.strictEqual(index, 0x0102_0304)
    assert.deepStrictEqual(Header.parityOf(index), { block: 0x01_0203, index: 4 })
    assert.deepStrictEqual(Header.parityOf(0xffff_ffff), { block: 0xff_ffff, index: 255 })
    const bytes = new Uint8Array(27).fill(0xff)
    Header.put(bytes, 0, Header.types.Parity, 27, Header.sessionOf(session), file, index)
    assert.strictEqual(
      Buffer.from(bytes).toString("hex"),
      (header("13", "1b00", "44332211", "04030201") + "ffffff").replaceAll(" ", "")
    )
  })

  it("every type has one", () => {
    const tags = new Set<string>([...golden.map(([message]) => message._tag), "Page", "Parity"])
    assert.deepStrictEqual(
      Object.keys(Header.types).filter((type) => !tags.has(type)),
      []
    )
    assert.strictEqual(tags.size, 28)
  })
})

const leastBytes = Limits.headerBytes + Limits.checksumBytes

describe("a checksum of its own [W-7]", () => {
  it("tells every bit that is damaged, and every two beside each other", () => {
    for (const [message] of golden) {
      const whole = Codec.encode(message)
      for (let bit = 0; bit < whole.length * 8; bit++) {
        for (const bits of [1, 3]) {
          const damaged = whole.slice()
          damaged[bit >> 3] ^= bits << (bit & 7)
          if (Buffer.compare(damaged, whole) === 0) continue
          const result = decoded(damaged)
          assert.include(["Damaged", "Foreign", "Sealed"], result._tag === "WireError" ? result.reason : message._tag)
        }
      }
    }
  })

  it("covers what one datagram of several has, and nothing beside it", () => {
    const [one, two] = [golden[0][0], golden[1][0]]
    const first = Codec.encode(one)
    const glued = Buffer.concat([first, Codec.encode(two)])
    glued[30] ^= 0x10
    assert.strictEqual(Codec.decode(glued, 0)._tag, "Failure")
    const result = Codec.decode(glued, first.length)
    assert.deepStrictEqual(result._tag === "Success" && result.success, two)
  })

  it("is asked for before anything else is read", () => {
    const bytes = Codec.encode({ _tag: "Bye", session })
    bytes[3] = 200
    assert.deepStrictEqual(decoded(bytes), { _tag: "WireError", reason: "Damaged" })
    assert.deepStrictEqual(decoded(sealed(bytes)), { _tag: "WireError", reason: "UnknownType" })
  })
})

describe("hostile bytes give a message or a WireError, and nothing is thrown [W-3]", () => {
  it("random bytes, with and without a header that is right", () => {
    const chance = Chance.make(20)
    for (let i = 0; i < 20_000; i++) {
      const bytes = Uint8Array.from({ length: Math.floor(chance.next() * 120) }, () => Math.floor(chance.next() * 256))
      if (chance.hits(0.9) && bytes.length >= Limits.headerBytes) {
        const type = Math.floor(chance.next() * 23)
        Header.put(bytes, 0, type, bytes.length, Header.sessionOf(session), file, i)
        if (bytes.length >= leastBytes && chance.hits(0.9)) sealed(bytes)
      }
      assert.isTrue(isSound(decoded(bytes)))
    }
  })

  it("every truncation of every message, with its length left and with its length mended", () => {
    for (const [message] of golden) {
      const whole = Codec.encode(message)
      for (let length = 0; length < whole.length; length++) {
        const cut = whole.slice(0, length)
        assert.deepStrictEqual(decoded(cut), { _tag: "WireError", reason: "Foreign" })
        if (length < Limits.headerBytes) continue
        Header.putU16(cut, 4, length)
        assert.deepStrictEqual(decoded(cut), { _tag: "WireError", reason: "Damaged" })
        if (length < leastBytes) continue
        assert.deepStrictEqual(decoded(sealed(cut)), { _tag: "WireError", reason: "Body" })
      }
    }
  })

  it("bytes that follow a message inside its length", () => {
    for (const [message] of golden) {
      const longer = new Uint8Array([...Codec.encode(message), 0])
      Header.putU16(longer, 4, longer.length)
      assert.deepStrictEqual(decoded(sealed(longer)), { _tag: "WireError", reason: "Body" })
    }
  })

  it("every change of a single byte of every message", () => {
    for (const [message] of golden) {
      const whole = Codec.encode(message)
      for (let at = 0; at < whole.length - Limits.checksumBytes; at++) {
        const before = whole[at]
        for (let value = 0; value < 256; value++) {
          whole[at] = value
          if (!isSound(decoded(sealed(whole)))) assert.fail(`${message._tag}, byte ${at} = ${value}`)
        }
        whole[at] = before
      }
    }
  })

  it.prop(
    "changes of several bytes of any message",
    [AnyMessage, Schema.Array(Schema.Tuple([int(0, 1199), int(0, 255)]))],
    ([message, changes]) => {
      const bytes = Codec.encode(message)
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      assert.isTrue(isSound(decoded(bytes)))
      assert.isTrue(isSound(decoded(sealed(bytes))))
    }
  )

  it("an unknown type, version, magic or flag [W-2]", () => {
    const bytes = (change: (bytes: Uint8Array) => void) => {
      const out = Codec.encode({ _tag: "Bye", session })
      change(out)
      return decoded(sealed(out))
    }
    assert.deepStrictEqual(
      bytes((b) => (b[3] = 19)),
      { _tag: "WireError", reason: "UnknownType" }
    )
    assert.deepStrictEqual(
      bytes((b) => (b[3] = Header.types.Page)),
      { _tag: "WireError", reason: "UnknownType" }
    )
    for (const at of [0, 1, 2, 6, 7]) {
      assert.deepStrictEqual(
        bytes((b) => (b[at] ^= 2)),
        { _tag: "WireError", reason: "Foreign" }
      )
    }
    assert.deepStrictEqual(
      bytes((b) => (b[6] ^= 1)),
      { _tag: "WireError", reason: "Sealed" }
    )
  })
})

describe("claims of a datagram are checked before they are believed [W-4]", () => {
  const reject = (message: Message, change: (body: DataView) => void) => {
    const bytes = Codec.encode(message)
    change(new DataView(bytes.buffer, bytes.byteOffset + Limits.headerBytes, bytes.length - leastBytes))
    assert.deepStrictEqual(decoded(sealed(bytes)), { _tag: "WireError", reason: "Body" })
  }
  const announce = golden[0][0]
  const open = golden[4][0]
  const [runs, bitmap, counted] = golden.flatMap(([message]) => (message._tag === "Missing" ? [message] : []))

  it("Announce: sizes of page and block outside their limits", () => {
    for (const pageBytes of [0, Limits.minPageBytes - 1, Limits.maxPageBytes + 1]) {
      reject(announce, (body) => body.setUint16(0, pageBytes, true))
    }
    for (const blockPages of [0, Limits.blockPages + 1]) reject(announce, (body) => body.setUint16(2, blockPages, true))
  })

  it("Announce: a time-out that nothing could be done in", () => {
    for (const millis of [0, Limits.minTimeoutMillis - 1]) reject(announce, (body) => body.setUint32(4, millis, true))
  })

  it("Welcome: more guests than there are bytes, a slot beyond the limit, an unknown refusal", () => {
    const welcome = golden[3][0]
    reject(welcome, (body) => body.setUint16(0, 0xffff, true))
    reject(welcome, (body) => body.setUint16(6, Limits.slots, true))
    reject(welcome, (body) => body.setUint8(8 + 7, 6))
  })

  it("Open: an unknown kind, a size that no number holds", () => {
    reject(open, (body) => body.setUint8(0, 7))
    reject(open, (body) => body.setUint32(5, 0x20_0000, true))
    for (const pageBytes of [0, Limits.minPageBytes - 1, Limits.maxPageBytes + 1])
      reject(open, (body) => body.setUint16(9, pageBytes, true))
  })

  it("a form or a flag that there is not", () => {
    // a root is there or not; runs are pairs or a bitmap
    reject(open, (body) => body.setUint8(19, 2))
    // a reason is there or not, and that of a session always is
    const abort: Message = { _tag: "Abort", session, file, reason: "no", audience: [] }
    reject(abort, (body) => body.setUint8(0, 2))
    const putOff = Codec.encode({ ...abort, reason: undefined })
    putOff.fill(0xff, 16, 20)
    assert.deepStrictEqual(decoded(sealed(putOff)), { _tag: "WireError", reason: "Body" })
    reject(bitmap, (body) => body.setUint8(17, 2))
    // something is spoiled or not, and then it is listed
    reject(bitmap, (body) => body.setUint8(14, 2))
    reject(counted, (body) => body.setUint8(14, 1))
    // a reason is about the file or about the tree
    reject({ _tag: "SitOut", ...answer, file, reason: "no", about: "Tree" }, (body) => body.setUint8(6, 3))
  })

  it("audience: a bitmap longer than the datagram, slots beyond the limit", () => {
    const poll: Message = { _tag: "Poll", session, poll: 1, audience: [0] }
    reject(poll, (body) => body.setUint16(2, 2, true))
    reject(poll, (body) => body.setUint16(2, 0xffff, true))
    reject(poll, (body) => body.setUint16(0, Limits.slots, true))
    reject(poll, (body) => body.setUint16(0, 0xffff, true))
    // the last slot there is, and the one after it
    const last: Message = { _tag: "Poll", session, poll: 1, audience: [Limits.slots - 1] }
    assert.deepStrictEqual(decoded(Codec.encode(last)), last)
    reject(last, (body) => body.setUint8(4, 2))
    const all: Message = { ...poll, audience: Array.from({ length: Limits.slots }, (_, slot) => slot) }
    assert.deepStrictEqual(decoded(Codec.encode(all)), all)
  })

  it("answers: a slot beyond the limit", () => {
    for (const [message] of golden)
      if ("slot" in message) reject(message, (body) => body.setUint16(0, Limits.slots, true))
  })

  it("Eof and Missing: a span longer than any", () => {
    const eof: Message = {
      _tag: "Eof",
      session,
      file,
      round: 1,
      first: 0,
      count: 1,
      root: undefined,
      counts: false,
      audience: [1]
    }
    reject(eof, (body) => body.setUint32(4, Limits.spanPages + 1, true))
    reject(runs, (body) => body.setUint32(10, Limits.spanPages + 1, true))
    reject(bitmap, (body) => body.setUint32(10, 0xffff_ffff, true))
  })

  it("Missing: runs that are empty, or leave their span; a list or a bitmap longer than the datagram", () => {
    reject(runs, (body) => body.setUint16(22, 0, true))
    reject(runs, (body) => body.setUint16(20, 100, true))
    reject(runs, (body) => body.setUint16(26, 0xffff, true))
    reject(runs, (body) => body.setUint16(18, 3, true))
    reject(runs, (body) => body.setUint16(18, 0xffff, true))
    reject(bitmap, (body) => body.setUint32(10, 17, true))
  })

  it("Missing: a block that lacks more than any has, more blocks than a span has, counts longer than the datagram", () => {
    reject(counted, (body) => body.setUint8(17, Limits.blockPages + 1))
    reject({ ...counted, lacks: Array.from({ length: Limits.spanBlocks + 1 }, () => 0) }, () => {})
    reject(counted, (body) => body.setUint16(15, 60, true))
  })

  it("Digests: none, more than a block has, more than there are bytes, bytes that are left over [Q-15]", () => {
    const digests: Message = { _tag: "Digests", session, file, opening: 1, first: 0, digests: new Uint8Array(16) }
    for (const count of [0, 1, 3, Limits.blockPages + 1]) reject(digests, (body) => body.setUint8(4, count))
    const most = { ...digests, digests: new Uint8Array(Limits.blockPages * Limits.digestBytes) }
    assert.deepStrictEqual(decoded(Codec.encode(most)), most)
    // for a counter, a tag and a signature
    const roomBytes = 88
    assert.isAtMost(Codec.encode(most).length - Limits.checksumBytes + roomBytes, 1200)
    reject({ ...digests, digests: new Uint8Array(most.digests.length + Limits.digestBytes) }, () => {})
  })

  const doubts = { doubted: 1, doubts: [7, 1] }
  it("SurveyOk: entries beyond its slice, more of them than a slice has; of another file [Y-1]", () => {
    const survey: Message = {
      ...answer,
      _tag: "SurveyOk",
      file: 0,
      from: 5,
      count: 300,
      runs: [9, 2],
      ...doubts,
      changes
    }
    reject(survey, (body) => body.setUint16(34, 3, true))
    reject(survey, (body) => body.setUint16(34, Limits.surveyEntries + 1, true))
    // the doubts reach beyond the slice
    reject(survey, (body) => body.setUint16(46, 301, true))
    const most = {
      ...survey,
      count: Limits.surveyEntries,
      runs: Array.from({ length: 8192 }, (_, i) => (i % 2 === 0 ? i + 5 : 1))
    }
    const comb = Array.from({ length: 4096 }, (_, i) => (i % 2 === 0 ? i + 5 : 1))
    const both = { ...survey, count: Limits.surveyEntries / 2, runs: comb, doubts: comb }
    for (const one of [most, both]) {
      assert.deepStrictEqual(decoded(Codec.encode(one)), one)
      assert.isAtMost(Codec.encode(one).length, 1200)
    }
    const elsewhere = Codec.encode(survey)
    elsewhere[16] = 1
    assert.deepStrictEqual(decoded(sealed(elsewhere)), { _tag: "WireError", reason: "Body" })
  })

  it("ItemizeOk: more items than an answer has, or than there are bytes; a path that is empty or too long [Y-7]", () => {
    const items = golden.flatMap(([message]) => (message._tag === "ItemizeOk" ? [message] : []))[0]
    for (const count of [1, 3, Limits.itemsAnswered + 1]) reject(items, (body) => body.setUint16(10, count, true))
    reject(items, (body) => body.setUint8(12, 3))
    for (const length of [0, 1, 3, Limits.pathBytes + 1]) reject(items, (body) => body.setUint16(20, length, true))
  })

  it("items are cut where the datagram ends, and a path that is too long for any [Y-7]", () => {
    const change = { _tag: "Change", entry: 1, change: 1 } as const
    const long = { _tag: "Deletion", path: new Uint8Array(Limits.pathBytes).fill(65), isDirectory: false } as const
    for (const items of [Array.from({ length: 400 }, () => change), [change, long], [long, change]]) {
      const fitted = Codec.fitItems(items)
      const message: Message = { ...answer, _tag: "ItemizeOk", file: 0, from: 0, total: 9, items: fitted }
      assert.deepStrictEqual(decoded(Codec.encode(message)), message)
      assert.isAtMost(Codec.encode(message).length, 1200)
      assert.isAtLeast(fitted.length, 1)
    }
  })

  it("Eof: a flag that is not known", () => {
    const eof = golden.flatMap(([message]) => (message._tag === "Eof" ? [message] : []))[0]
    reject(eof, (body) => body.setUint8(8, 4))
  })

  // An answer's last field.
  const heldBytes = 8

  it("Missing: runs that touch become one; bits beyond the span are no pages", () => {
    const bytes = Codec.encode({ ...bitmap, runs: [8, 2, 10, 1, 11, 9] })
    const whole = decoded(bytes)
    assert.deepStrictEqual(whole._tag === "Missing" && whole.runs, [8, 12])
    bytes[bytes.length - Limits.checksumBytes - heldBytes - 1] = 0xff
    assert.deepStrictEqual(decoded(sealed(bytes)), whole)
  })

  it("CloseOk: more failures than there are bytes; texts longer than their limit", () => {
    const closeOk = golden.find(([message]) => message._tag === "CloseOk")![0]
    reject(closeOk, (body) => body.setUint16(11, 0xffff, true))
    // changes are there or not; a failure is one or a veto
    reject(closeOk, (body) => body.setUint8(10, 2))
    reject(closeOk, (body) => body.setUint8(17, 2))
    const long = Buffer.concat([
      Codec.encode({ _tag: "Decline", session, incarnation: 1, silentMillis: 0, master: "" }),
      Buffer.alloc(255, 97)
    ])
    long[32] = Limits.nameBytes + 1
    for (const length of [Limits.nameBytes, Limits.nameBytes + 1]) {
      long[32] = length
      const bytes = long.subarray(0, 33 + length + Limits.checksumBytes)
      Header.putU16(bytes, 4, bytes.length)
      assert.strictEqual(decoded(sealed(bytes))._tag, length > Limits.nameBytes ? "WireError" : "Decline")
    }
  })

  it("no small datagram makes a large answer: the work is bounded by what is there", () => {
    const chance = Chance.make(7)
    let most = 0
    for (let i = 0; i < 5000; i++) {
      const bytes = new Uint8Array(60).fill(0xff)
      for (let k = 24; k < 60; k++) if (chance.hits(0.5)) bytes[k] = Math.floor(chance.next() * 256)
      Header.put(bytes, 0, 1 + (i % 18), 60, Header.sessionOf(session), file, 1)
      const message = decoded(sealed(bytes))
      const list =
        "audience" in message
          ? message.audience
          : "runs" in message
            ? message.runs
            : "guests" in message
              ? message.guests
              : "failures" in message
                ? message.failures
                : []
      most = Math.max(most, list.length)
    }
    assert.isAtMost(most, 60 * 8 * 2)
  })
})

describe("failures of a commit", () => {
  it.effect("any number is answered page by page, all of them and each once", () =>
    Effect.gen(function* () {
      const counts = yield* Arbitrary.sampleEffect(Arbitrary.schema(int(0, 40)), { count: 30, seed: 1 })
      for (const count of counts) {
        const failures = Array.from({ length: count }, (_, i) => ({ entry: i * 3, reason: "r".repeat(200) }))
        const got: Array<(typeof failures)[number]> = []
        let from: number | undefined = 0
        while (from !== undefined) {
          const least: number = from
          const page = Codec.fitFailures(failures.filter(({ entry }) => entry >= least))
          const { length } = Codec.encode({
            _tag: "CloseOk",
            ...answer,
            file,
            from,
            done: { ...changes, files: 7, bytes: 8 },
            ...page
          })
          assert.isAtMost(length - Limits.checksumBytes + Limits.tagBytes, 1200)
          got.push(...page.failures)
          from = page.next
        }
        assert.deepStrictEqual(got, failures)
      }
    })
  )
})
