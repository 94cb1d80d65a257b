/**
 * npm run build && node scripts/parity.mjs [--page BYTES]
 *
 * The parity code on one core: MB/s of data, for blocks of 128 pages, in WebAssembly and in its reference. The best of many
 * short runs, because other work on the machine can only make one slower. Every decode is looked at.
 */
import { fileURLToPath } from "node:url"
import * as Options from "./options.mjs"

const { values } = Options.parse({ options: { page: { type: "string", default: "1432" } } })
const pageBytes = Options.whole("--page", values.page, 1, 0xffff)

const dist = fileURLToPath(new URL("../dist", import.meta.url))
const load = (name) => import(Options.built(dist, `parity/${name}.js`))
const [Code, Wasm] = await Promise.all([load("Code"), load("Wasm")])

const pages = 128
const block = Uint8Array.from({ length: pages * pageBytes }, (_, i) => (i * 2_654_435_761) >>> 13)

const rate = (work) => {
  let best = 0
  for (let run = 0; run < 30; run++) {
    const start = performance.now()
    let times = 0
    let millis = 0
    for (; millis < 20; times++, millis = performance.now() - start) work()
    best = Math.max(best, (block.length * times) / millis / 1000)
  }
  return best
}

const wasm = Wasm.load()
if (wasm === undefined) console.log("no WebAssembly kernel: npm run build")
for (const [name, kernel] of [
  ["wasm", wasm],
  ["reference", Code.reference]
]) {
  if (kernel === undefined) continue
  for (const count of [1, 2, 4, 8, 16]) {
    const indices = Uint8Array.from({ length: count }, (_, i) => i)
    const missing = Uint8Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * pages) / count))
    const parity = new Uint8Array(count * pageBytes)
    const encode = rate(() => Code.encode(kernel, block, pageBytes, indices, parity))
    const damaged = block.slice()
    for (const page of missing) damaged.fill(0, page * pageBytes, (page + 1) * pageBytes)
    const decode = rate(() => Code.decode(kernel, damaged, pageBytes, missing, parity, indices))
    const verdict = Buffer.compare(damaged, block) === 0 ? "" : "  WRONG"
    console.log(
      `${name}  ${count} parity: encode ${encode.toFixed(0)} MB/s, decode ${decode.toFixed(0)} MB/s${verdict}`
    )
  }
}
