/** Of a large file that is not there an older version may stand under another name beside it. [Y-16] */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import type { Veto } from "../../src/filter/Veto.ts"
import { countOf } from "../../src/protocol/Runs.ts"
import * as Tree from "../../src/simulate/Tree.ts"
import * as Memory from "../../src/store/Memory.ts"
import type { Store, StoreError } from "../../src/store/Store.ts"
import * as Compare from "../../src/tree/Compare.ts"
import type { Entry } from "../../src/tree/Entry.ts"
import * as Policy from "../../src/tree/Policy.ts"
import { Volume } from "../../src/store/Volume.ts"
import { dir, directory, disk, file, none, single, veto, ways } from "./Sandbox.ts"
import { pageBytes, reusing } from "./reusing.ts"

const size = 1_100_000
const content = Tree.bytes(size, 1)
/** The first block is another. */
const older = content.map((byte, at) => (at === 5 ? byte ^ 1 : byte))
const policy = { ...Policy.defaults, isFuzzy: true, deletes: true }
const tree: ReadonlyArray<Entry> = [dir(""), dir("d"), file("d/app-1.2.tar", size)]

/** A file that stands there: its content, and whether its time is that of the entry. */
interface Old {
  readonly content: Uint8Array
  readonly isSameTime?: boolean
}
type Olds = Readonly<Record<string, Old>>

interface Subject {
  readonly store: Store["Service"]
  readonly content: (path: string) => Uint8Array | undefined
  readonly remove: (path: string) => void
}

type Make = (olds: Olds, veto?: Veto) => Effect.Effect<Subject, StoreError, Scope.Scope>

const timeOf = (isSameTime = false) => (isSameTime ? 1_600_000_000 : 7)

const contract = (name: string, make: Make) =>
  describe(name, () => {
    /** Bytes that are held of an older version; undefined: none is found. */
    const held = Effect.fnUntraced(function* (olds: Olds, wished: Partial<Policy.Policy> = {}, own?: Veto) {
      const subject = yield* make(olds, own)
      const { store } = subject
      const wish = { ...policy, ...wished }
      const changes = yield* store.survey(tree, wish)
      yield* store.prepare(tree, { policy: wish, changes })
      const writer = yield* store.open(single(tree), reusing(2, content))
      const bytes = countOf(writer.held ?? [])
      assert.strictEqual(Compare.isOld(changes[2]), bytes > 0)
      yield* writer.write(0, content.subarray(0, pageBytes))
      if (bytes > 0) assert.deepStrictEqual(yield* writer.commit(none), [])
      return { ...subject, bytes }
    })
    const most = size - pageBytes

    it.effect("what its most similar name has is held, and what is to be deleted is deleted afterwards", () =>
      Effect.gen(function* () {
        const olds = { "d/app-1.1.tar": { content: older }, "d/map-9.tar": { content: content.toReversed() } }
        const { bytes, content: contentOf, store } = yield* held(olds)
        assert.strictEqual(bytes, most)
        assert.isTrue(Buffer.from(content).equals(contentOf("d/app-1.2.tar") ?? new Uint8Array(0)))
        assert.strictEqual((yield* store.deleteOthers({ isDry: false, spared: [], most: Infinity })).count, 2)
      })
    )
    it.effect("one of the same size and time comes first, whatever its name", () =>
      Effect.gen(function* () {
        const olds = { "d/x": { content: older, isSameTime: true }, "d/app-1.1.tar": { content: content.toReversed() } }
        assert.strictEqual((yield* held(olds)).bytes, most)
      })
    )
    it.effect("none where nobody asks for it, where files are sent whole, or where none is large or similar", () =>
      Effect.gen(function* () {
        const olds = { "d/app-1.1.tar": { content: older } }
        assert.strictEqual((yield* held(olds, { isFuzzy: false })).bytes, 0)
        assert.strictEqual((yield* held(olds, { sendsWhole: true })).bytes, 0)
        assert.strictEqual((yield* held({ "d/app-1.1.tar": { content: older.subarray(0, 1_000_000) } })).bytes, 0)
        assert.strictEqual((yield* held({ "d/other": { content: older } })).bytes, 0)
        assert.strictEqual((yield* held({ "app-1.1.tar": { content: older } })).bytes, 0)
      })
    )
    it.effect("none that is protected [Y-9]", () =>
      Effect.gen(function* () {
        const olds = { "d/app-1.1.tar": { content: older } }
        assert.strictEqual((yield* held(olds, {}, veto(["/d/app-1.1*"]))).bytes, 0)
        assert.strictEqual((yield* held(olds, {}, veto(["/d/app-1.3*"]))).bytes, most)
      })
    )
    it.effect("one that is gone by then has nothing, and is no failure", () =>
      Effect.gen(function* () {
        const { remove, store } = yield* make({ "d/app-1.1.tar": { content: older } })
        const changes = yield* store.survey(tree, policy)
        yield* store.prepare(tree, { policy, changes })
        remove("d/app-1.1.tar")
        const writer = yield* store.open(single(tree), reusing(2, content))
        assert.deepStrictEqual(writer.held ?? [], [])
      })
    )
  })

contract("Memory", (olds, veto) =>
  Effect.sync(() => {
    const volume = new Volume({})
    const files = Object.entries(olds).map(([path, { content, isSameTime }]) => {
      const entry = file(path, content.length, { mtimeSeconds: timeOf(isSameTime) })
      return { entry, content }
    })
    Tree.stand(volume, [Tree.directory("d"), ...files])
    const memory = Memory.make({ volume, ...(veto === undefined ? {} : { veto }) })
    return {
      store: memory.store,
      content: (path) => memory.tree.get(path)?.content,
      remove: (path) => void volume.unlink(`${Memory.destination}/${path}`)
    }
  })
)
for (const way of ways) {
  contract(way.name, (olds, veto) =>
    Effect.gen(function* () {
      const top = yield* directory
      fs.mkdirSync(`${top}/d`)
      for (const [path, { content, isSameTime }] of Object.entries(olds)) {
        fs.writeFileSync(`${top}/${path}`, content)
        fs.utimesSync(`${top}/${path}`, 1, timeOf(isSameTime))
      }
      const store = yield* disk(top, way, undefined, veto === undefined ? {} : { veto })
      return {
        store,
        content: (path) => fs.readFileSync(`${top}/${path}`),
        remove: (path) => fs.unlinkSync(`${top}/${path}`)
      }
    })
  )
}

it.effect("no link is followed to one, and what is none of ours to read is left", () =>
  Effect.gen(function* () {
    const top = yield* directory
    fs.mkdirSync(`${top}/d`)
    fs.writeFileSync(`${top}/elsewhere`, older)
    fs.symlinkSync("../elsewhere", `${top}/d/app-1.1.tar`)
    const store = yield* disk(top)
    assert.isFalse(Compare.isOld((yield* store.survey(tree, policy))[2]))
    // a link that takes its place after the survey
    fs.rmSync(`${top}/d/app-1.1.tar`)
    fs.writeFileSync(`${top}/d/app-1.1.tar`, older)
    const changes = yield* store.survey(tree, policy)
    assert.isTrue(Compare.isOld(changes[2]))
    yield* store.prepare(tree, { policy, changes })
    fs.rmSync(`${top}/d/app-1.1.tar`)
    fs.symlinkSync("../elsewhere", `${top}/d/app-1.1.tar`)
    assert.deepStrictEqual((yield* store.open(single(tree), reusing(2, content))).held ?? [], [])
  })
)
