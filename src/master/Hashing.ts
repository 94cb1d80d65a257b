/**
 * Hashes the contents of files that catchers cannot tell from their own without that: small files
 * many at a time, large ones piece by piece. [Y-12]
 */
import * as Effect from "effect/Effect"
import { hash as hashOf, hashPieces } from "../content/Hash.ts"
import * as Blocks from "../delta/Blocks.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Runs } from "../protocol/Words.ts"
import { Source } from "../source/Source.ts"
import type { Entry } from "../tree/Entry.ts"
import { Hashes } from "../tree/Hashes.ts"
import * as Lacks from "../tree/Lacks.ts"
import { type Member, memberOf, partOf } from "../tree/Members.ts"
import type { Ledger } from "./Ledger.ts"
import { signed } from "./Signing.ts"

/**
 * Of what cannot be read, or has changed since the scan, there is no hash: then it is sent, and the
 * sending says why it cannot be.
 */
export const hash = Effect.fn("Master.hash")(function* (ledger: Ledger, wanted: Runs, pageBytes: number) {
  const files = Lacks.only(wanted, (entry) => ledger.isHashable(entry))
  const hashes = new Hashes(wanted)
  const piece = new Uint8Array(Limits.hashedBytes)
  const { bytes: total } = Lacks.filesIn(files, ledger.manifest)
  const { doubts } = ledger
  doubts.own = { bytes: 0, total }
  const count = (bytes: number) => void (doubts.own = { bytes: doubts.own.bytes + bytes, total })
  for (const members of batches(files, ledger.manifest)) {
    const [{ entry }] = members
    if (Blocks.hasBlocks(ledger.manifest[entry])) yield* inBlocks(ledger, entry, hashes, { pageBytes, told: count })
    else if (isAlone(members[0])) yield* large(members[0], { piece, hashes, count })
    else {
      yield* small(members, piece, hashes)
      count(members.reduce((sum, { size }) => sum + size, 0))
    }
    yield* Effect.yieldNow
  }
  doubts.own = { bytes: total, total }
  return hashes
})

/** Is it read piece by piece? */
const isAlone = ({ extent, size }: Member): boolean => extent !== undefined || size > Limits.hashedBytes

/** As many files as have room in a piece; one that has none comes alone. */
function* batches(files: Runs, entries: ReadonlyArray<Entry>): Generator<ReadonlyArray<Member>> {
  let members: Array<Member> = []
  let offset = 0
  for (const entry of Lacks.each(files)) {
    const file = entries[entry]
    if (file?._tag !== "File") continue
    const member = memberOf(entry, 0, file)
    const isFull = offset + member.size > Limits.hashedBytes || members.length === Limits.bundleFiles
    if (members.length > 0 && (isFull || isAlone(member) || isAlone(members[0]))) {
      yield members
      members = []
      offset = 0
    }
    members.push({ ...member, offset })
    offset += member.size
  }
  if (members.length > 0) yield members
}

const small = Effect.fnUntraced(function* (members: ReadonlyArray<Member>, piece: Uint8Array, hashes: Hashes) {
  const { readMembers } = yield* Source
  const failed = new Set((yield* readMembers(members, piece)).map(({ member }) => member))
  members.forEach((member, position) => {
    if (!failed.has(position)) hashes.put(member.entry, hashOf(partOf(piece, member)))
  })
})

/** What is read for this need not be read again, should the file be sent as a delta. [Y-13] */
const inBlocks = Effect.fnUntraced(function* (ledger: Ledger, entry: number, hashes: Hashes, hashing: Blocks.Hashing) {
  const signature = yield* signed(ledger, entry, hashing)
  if (signature === undefined) return
  hashes.put(entry, Blocks.hashOf(signature))
  ledger.deltas.keep(signature)
})

interface Into {
  readonly piece: Uint8Array
  readonly hashes: Hashes
  readonly count: (bytes: number) => void
}

const large = Effect.fnUntraced(
  function* ({ entry, size }: Member, { count, hashes, piece }: Into) {
    const { open } = yield* Source
    const { isUntouched, read } = yield* open(entry)
    const hash = yield* hashPieces(size, piece, read, count)
    if (yield* isUntouched) hashes.put(entry, hash)
  },
  Effect.scoped,
  (hashing) => Effect.ignore(hashing)
)
