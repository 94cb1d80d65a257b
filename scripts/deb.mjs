/**
 * npm run build:deb
 *
 * Makes dist/deb/mrsync_VERSION_ARCH.deb of the single binary: with the manual page and the completions that it prints itself, the unit of a
 * catcher that serves and its settings, and what there is to read. Needs dpkg-deb.
 */
import { execFileSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createHash } from "node:crypto"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"

const root = fileURLToPath(new URL("..", import.meta.url))
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const binary = join(root, "dist/binary/mrsync")
if (!existsSync(binary)) throw new Error("build it first: npm run build:binary")
const out = join(root, "dist/deb")
const tree = join(out, "tree")
rmSync(out, { recursive: true, force: true })

const put = (path, content, mode = 0o644) => {
  const to = join(tree, path)
  mkdirSync(dirname(to), { recursive: true })
  writeFileSync(to, content, { mode })
}
const packed = (path, content) => put(`${path}.gz`, gzipSync(content, { level: 9 }))
const read = (path) => readFileSync(join(root, path))
const says = (...args) => execFileSync(binary, args)

put("usr/bin/mrsync", readFileSync(binary), 0o755)
packed("usr/share/man/man1/mrsync.1", says("--man"))
put("usr/share/bash-completion/completions/mrsync", says("--completions", "bash"))
put("usr/share/zsh/vendor-completions/_mrsync", says("--completions", "zsh"))
put("usr/share/fish/vendor_completions.d/mrsync.fish", says("--completions", "fish"))
put("usr/lib/systemd/system/mrsync-catch@.service", read("packaging/mrsync-catch@.service"))
put("etc/mrsync/catch/default.conf", read("packaging/default.conf"))

const docs = "usr/share/doc/mrsync"
put(`${docs}/copyright`, read("packaging/copyright"))
packed(`${docs}/changelog`, read("CHANGELOG.md"))
packed(`${docs}/README.md`, read("README.md"))
for (const name of readdirSync(join(root, "docs"))) packed(`${docs}/docs/${name}`, read(`docs/${name}`))
// of what is inside of the binary
put(`${docs}/LICENSE.node`, readFileSync(join(root, "dist/binary/LICENSE.node")))
const inside = ["effect", "@effect/platform-node", "@napi-rs/blake-hash", "@noble/hashes", "@scure/bip39", "koffi"]
for (const name of [...inside, "lit-html", "uplot"]) {
  const from = ["LICENSE", "LICENSE.txt", "LICENSE.md"]
    .map((file) => join(root, "node_modules", name, file))
    .find(existsSync)
  if (from === undefined) throw new Error(`${name} has no license`)
  put(`${docs}/LICENSE.${name.replace("@", "").replace("/", "-")}`, readFileSync(from))
}

const files = readdirSync(tree, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(tree.length + 1))
  .sort()
const bytes = files.reduce((sum, file) => sum + statSync(join(tree, file)).size, 0)
const sums = files
  .filter((file) => !file.startsWith("etc/"))
  .map(
    (file) =>
      `${createHash("md5")
        .update(readFileSync(join(tree, file)))
        .digest("hex")}  ${file}\n`
  )
const architecture = { x64: "amd64", arm64: "arm64" }[process.arch]
if (architecture === undefined) throw new Error(`no package is made for ${process.arch}`)
put(
  "DEBIAN/control",
  `Package: mrsync
Version: ${version}
Architecture: ${architecture}
Maintainer: The mrsync authors <mrsync@localhost>
Installed-Size: ${Math.ceil(bytes / 1024)}
Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6
Section: net
Priority: optional
Description: send a tree of files to many machines at once
 mrsync sends files over UDP multicast to all machines of a network at once, and
 makes every copy whole: what is lost is repaired, what is there is not sent.
 The service mrsync-catch@NAME receives what a master sends.
`
)
put("DEBIAN/conffiles", "/etc/mrsync/catch/default.conf\n")
put("DEBIAN/md5sums", sums.join(""))
cpSync(join(root, "packaging/postinst"), join(tree, "DEBIAN/postinst"))
cpSync(join(root, "packaging/prerm"), join(tree, "DEBIAN/prerm"))

const deb = join(out, `mrsync_${version}_${architecture}.deb`)
execFileSync("dpkg-deb", ["--root-owner-group", "-Zxz", "-z3", "--build", tree, deb], {
  stdio: ["ignore", "ignore", "inherit"]
})
rmSync(tree, { recursive: true })
console.log(`${deb}: ${(statSync(deb).size / 1e6).toFixed(0)} MB`)
