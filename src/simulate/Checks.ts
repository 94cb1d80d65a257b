/**
 * What must hold in every session, looked at from outside while it happens: from the changes on the disks, the datagrams
 * on the network and the reports. Nothing of the protocol is used here, so that its mistakes are not made twice.
 *
 * - A file under its final name has the source's content, at every instant; what was there before stays until then.
 * - A program puts a file in place once, and does not begin it again, unless it was given up and has joined anew.
 * - Nothing is changed outside of the destination, and no name appears that is neither the tree's nor a temporary one.
 * - What was right before is not touched, nor what the policy keeps or protects. What is deleted goes when all files are there.
 * - What a report calls complete stands on that catcher's disk when the report is made. A disk outlives its program, so
 *   this holds for a catcher that crashed meanwhile, too.
 * - Nothing of a name or of a content of a sealed session is on the air.
 * - Datagrams keep their limits; a store has no more files open than it may.
 * - A master whose catchers are all gone ends soon.
 * - Every program ends. A catcher that no fault has hit ends complete, if the master lived. A program that was not killed leaves
 *   nothing behind.
 */
import type { Report } from "../report/Report.ts"
import { destination, type Given } from "../store/Memory.ts"
import type { Change, Directory, File, Node, Volume } from "../store/Volume.ts"
import type { Event } from "../transport/simulated/Network.ts"
import type { Metadata } from "../tree/Metadata.ts"
import { display } from "../tree/Names.ts"
import type { Policy } from "../tree/Policy.ts"
import { Changing } from "./Changing.ts"
import type { Host, Observer, Outcome, Scenario } from "./Simulation.ts"
import { attributesOf, Stood, type Wishes } from "./Stood.ts"
import * as Tree from "./Tree.ts"

interface Expectations {
  readonly tree: ReadonlyArray<Given>
  /** Paths that are to fail everywhere. */
  readonly refused: ReadonlySet<string>
  /** Why that catcher need not be complete; undefined: it must be. */
  readonly excuse: (host: Host) => string | undefined
  readonly masterLives: boolean
  readonly isAnybodyThere: () => boolean
  /** How long a master may go on without anybody. */
  readonly aloneMillis: number
  /** Is the session under a seal? */
  readonly isSealed?: boolean
  /** How the trees are to become like the source; without it everything is sent. */
  readonly wishes?: Wishes | undefined
  /** What the files of the tree have been; without it none changes. */
  readonly source?: Changing
}

interface Lack {
  readonly path: string
  readonly words: string
  readonly isLink: boolean
}

/** Problems told; one defect shows itself many times. */
const maxProblems = 20
/** As docs/protocol.md has them. */
const maxDatagramBytes = 65_507
const maxControlBytes = 1200
/** Page, Parity and Probe: the types that may have a page's length. */
const pageSized: ReadonlySet<number> = new Set([8, 19, 20])
const maxOpenFiles = 32
/** `.NAME.mrsync-XXXXXX` */
const temporaryName = /(^|\/)\.([^/]*)\.mrsync-[A-Za-z0-9]{6}$/

const otherMetadata = "has other metadata"

export class Checks implements Observer {
  readonly problems: Array<string> = []
  private readonly expectations: Expectations
  private readonly contents: ReadonlyMap<string, Uint8Array>
  private readonly source: Changing
  /** Paths that need not arrive anywhere. */
  private readonly refused: ReadonlySet<string>
  private readonly now: () => number
  /** What nobody without a key may hear: names and pieces of contents. */
  private readonly secrets: ReadonlyArray<Buffer>
  /** When a catcher ran last. */
  private aliveMillis = 0
  /** What was put in place, by machine and attempt. */
  private readonly placed = new Set<string>()
  /** What stood before, by machine. */
  private readonly before = new Map<string, Stood>()

  constructor(expectations: Expectations, now: () => number) {
    this.expectations = expectations
    this.contents = new Map([...Tree.contents(expectations.tree), ...linked(expectations.tree)])
    this.source = expectations.source ?? new Changing(expectations.tree)
    this.refused = new Set(expectations.refused)
    this.secrets = expectations.isSealed === true ? secretsOf(this.contents) : []
    this.now = now
  }

  private problem(host: string, words: string): void {
    if (this.problems.length < maxProblems) this.problems.push(`${this.now().toFixed(1)} ms: ${host}: ${words}`)
  }

  // ---- the disks ----

  /** Furnishes disks, and remembers what they have then. */
  standing(furnish: Scenario["before"]): NonNullable<Scenario["before"]> {
    const { tree, wishes } = this.expectations
    return (catcher, volume) => {
      furnish?.(catcher, volume)
      if (wishes !== undefined) this.before.set(`c${catcher + 1}`, new Stood(tree, wishes, volume))
    }
  }

  /** What has to stay, if so. What is sent anew because it changed is right no longer; what is kept stays all the same. */
  private staying(host: Host, name: string) {
    const found = this.before.get(host.name)?.of(name)
    if (host.replacements > 0 || (found?.stays !== "Kept" && this.source.changes(this.leaderOf(name)))) return undefined
    return found
  }

  readonly changed = (host: Host, { node, operation, path }: Change): void => {
    if (path !== destination && !path.startsWith(`${destination}/`)) {
      return this.problem(host.name, `${operation} outside of its destination: ${path}`)
    }
    const name = path.slice(destination.length + 1)
    if (host.isMeddledWith) {
      // a hard link is right no longer either, where its leader is another file
      for (const own of [name, ...this.linksOf(name)]) this.before.get(host.name)?.forget(own, operation === "metadata")
      return
    }
    if (host.memory.writers() > maxOpenFiles) this.problem(host.name, `${host.memory.writers()} files are open`)
    const attempt = `${host.name} ${host.life} ${host.attempts} `
    if (temporaryName.test(name)) {
      const own = name.replace(temporaryName, "$1$2")
      if (!this.isOfTree(own)) this.problem(host.name, `${operation} of ${name}, whose own name is not in the tree`)
      this.mayChange(host, own, operation)
      const isAgain = this.placed.has(attempt + own) && !this.source.changes(this.leaderOf(own))
      if (operation === "create" && isAgain) this.problem(host.name, `${own} is begun again`)
      return
    }
    if (Tree.partName.test(name)) {
      const own = name.replace(Tree.partName, "$1$2")
      if (!this.isOfTree(own)) this.problem(host.name, `${operation} of ${name}, whose own name is not in the tree`)
      return this.mayChange(host, own, operation)
    }
    this.mayChange(host, name, operation)
    if (operation === "unlink" && !this.isOfTree(name)) this.mayDelete(host, name)
    if (operation === "rename") {
      if (this.placed.has(attempt + name) && !this.source.changes(this.leaderOf(name)))
        this.problem(host.name, `${name} is put in place twice`)
      this.placed.add(attempt + name)
    }
    if (node._tag !== "File") {
      if (!this.isOfTree(name) && !this.isDeletion(operation, name))
        this.problem(host.name, `${operation} of ${name}, which is not in the tree`)
      return
    }
    // of the size alone nothing is known about the content; and another name of the node may be the one that is described
    if (operation === "metadata" && (this.isBySize || node.names.size > 1)) return
    const content = this.contents.get(name)
    if (operation === "unlink") {
      // what has another type than the tree's entry makes way for it
      if ((content !== undefined || !this.isOfTree(name)) && !this.isDeletion(operation, name))
        this.problem(host.name, `${name} was removed, and nothing put in its place`)
      return
    }
    if (content === undefined) return this.problem(host.name, `${operation} of ${name}, which is no file of the tree`)
    if (!this.hasBeen(name, node) && !(this.isBySize && this.isLink(name)))
      this.problem(host.name, `${operation}: ${name} does not have the source's content`)
  }

  private mayChange(host: Host, name: string, operation: Change["operation"]): void {
    const stays = this.staying(host, name === "" ? "." : name)?.stays
    if (stays === undefined || stays === "Meddled" || (stays === "Described" && operation === "metadata")) return
    this.problem(host.name, `${operation} of ${name}, which has to stay: ${stays}`)
  }

  /** Deletion is the last thing: every file is there that is to come. */
  private mayDelete(host: Host, name: string): void {
    if (this.expectations.wishes === undefined) return
    // one that only had to be described was not lacked
    const isAwaited = ({ isLink, path, words }: ReturnType<Checks["lacks"]>[number]) =>
      this.contents.has(path) && !isLink && words !== otherMetadata
    const lacks = this.lacks(host, this.refused, true).filter(isAwaited)
    for (const { path, words } of lacks.slice(0, 1)) this.problem(host.name, `${name} is deleted, and ${path} ${words}`)
  }

  /** What the tree does not have goes only where the policy deletes. */
  private isDeletion(operation: Change["operation"], name: string): boolean {
    return operation === "unlink" && this.expectations.wishes?.policy.deletes === true && !this.isOfTree(name)
  }

  /** Is nothing but the size compared? Then what stood there may have other content. */
  private get isBySize(): boolean {
    return this.expectations.wishes?.policy.compare === "Size"
  }

  private isLink(name: string): boolean {
    return this.leaderOf(name) !== name
  }

  /** The hard links of a file. */
  private linksOf(leader: string): ReadonlyArray<string> {
    const paths = this.expectations.tree.map(({ entry }) => display(entry.path))
    return paths.filter((path) => path !== leader && this.leaderOf(path) === leader)
  }

  /** Whose content a path has: a hard link's is its leader's. */
  private leaderOf(path: string): string {
    const { tree } = this.expectations
    const entry = tree.find(({ entry }) => display(entry.path) === path)?.entry
    return entry?._tag === "HardLink" ? display(tree[entry.leader].entry.path) : path
  }

  /** Is it the source's content, or was it at some moment? */
  private hasBeen(path: string, { content }: File): boolean {
    const expected = this.contents.get(path)
    if (expected !== undefined && content.equals(expected)) return true
    const leader = this.leaderOf(path)
    return this.source.changes(leader) && this.source.hasBeen(leader, content.bytes)
  }

  private isOfTree(name: string): boolean {
    return this.expectations.tree.some(({ entry }) => display(entry.path) === (name === "" ? "." : name))
  }

  /** What of the tree is not, or not rightly, on a disk. */
  private lacks(
    { name, replacements, volume }: Host,
    failed: ReadonlySet<string>,
    isDeleting = false
  ): ReadonlyArray<Lack> {
    const out: Array<Lack> = []
    const { wishes } = this.expectations
    const keeps =
      wishes !== undefined && (wishes.policy.keepsExisting || wishes.policy.keepsNewer || wishes.policy.onlyExisting)
    for (const { entry } of this.expectations.tree) {
      const path = display(entry.path)
      const isLink = entry._tag === "HardLink"
      // how these policies go with groups of links is judged beside rsync
      if (failed.has(path) || (isLink && keeps)) continue
      const node = volume.find(entry.path.length === 0 ? destination : `${destination}/${path}`)
      const before = replacements > 0 ? undefined : this.before.get(name)?.of(path)
      if (before?.stays === "Kept" && before.node === node) continue
      // a catcher need not have looked after that; in the end it has, at what was right
      if (before?.stays === "Meddled" && (keeps || isDeleting)) continue
      if (node === undefined && replacements > 0 && wishes?.policy.onlyExisting === true) continue
      const words = node === undefined ? "is not there" : this.isWrong(volume, entry, node, before?.node === node)
      if (words !== undefined) out.push({ path, words, isLink })
    }
    return out
  }

  /** `isOld`: it stood there before, and was right as the policy compares. */
  private isWrong(volume: Volume, entry: Given["entry"], node: Node, isOld: boolean): string | undefined {
    const path = display(entry.path)
    if (entry._tag === "HardLink") {
      const leader = display(this.expectations.tree[entry.leader].entry.path)
      return volume.find(`${destination}/${leader}`) === node ? undefined : "is no link to its leader"
    }
    if (entry._tag !== node._tag) return `is a ${node._tag}`
    if (node._tag === "File" && !(isOld && this.isBySize) && !this.hasBeen(path, node)) return "has other content"
    if (node._tag === "Symlink" && node.target !== new TextDecoder().decode((entry as { target: Uint8Array }).target))
      return "leads elsewhere"
    const metadata = node.entry !== undefined && "metadata" in node.entry ? node.entry.metadata : undefined
    const isIt = this.source
      .versions(path)
      .some(({ entry }) => agrees(metadata, entry, this.expectations.wishes?.policy))
    return isIt ? undefined : otherMetadata
  }

  private extraneous(host: Host): ReadonlyArray<string> {
    const top = host.volume.find(destination)
    const names = top?._tag === "Directory" ? [...host.volume.walk(top)].map(([name]) => name) : []
    return names.filter(
      (name) => !this.isOfTree(name) && !Tree.partName.test(name) && this.staying(host, name) === undefined
    )
  }

  private countStanding(volume: Volume): number {
    return [...this.contents.keys()].filter((path) => {
      const node = volume.find(`${destination}/${path}`)
      return node?._tag === "File" && this.hasBeen(path, node)
    }).length
  }

  // ---- the network ----

  readonly network = (event: Event): void => {
    if (event._tag !== "Sent") return
    if (this.expectations.isAnybodyThere()) this.aliveMillis = this.now()
    const { bytes, datagramBytes, isCatcher, name, to } = event
    if (Math.min(bytes.length, datagramBytes) > maxDatagramBytes)
      this.problem(name, `a datagram of ${datagramBytes} bytes`)
    if (!pageSized.has(bytes[3]) && bytes.length > maxControlBytes)
      this.problem(name, `a datagram of type ${bytes[3]} has ${bytes.length} bytes`)
    if (isCatcher && to === undefined) this.problem(name, "it speaks to the group")
    for (const secret of this.secrets) {
      if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(secret)) {
        this.problem(name, `a datagram of type ${bytes[3]} has a secret in it`)
      }
    }
  }

  // ---- the reports ----

  /** At the time of the report. */
  masterReported(report: Report, hosts: ReadonlyArray<Host>): void {
    const alone = this.now() - this.aliveMillis
    if (alone > this.expectations.aloneMillis)
      this.problem("master", `it went on without anybody for ${alone.toFixed(0)} ms`)
    const unsent = report.failures.map((failure) => failure.path)
    for (const path of unsent)
      if (!this.source.changes(this.leaderOf(path)))
        this.problem("master", `${path} could not be sent, and nothing has befallen it`)
    for (const { failures, files, id, state } of report.catchers) {
      const host = hosts.find((host) => host.name === id)
      if (host === undefined) continue
      const standing = this.countStanding(host.volume)
      // what was committed before the destination was replaced stands where nobody looks; what is kept counts, too
      if (files > standing && host.replacements === 0 && this.expectations.wishes === undefined)
        this.problem("master", `${id} is said to have ${files} files, and has ${standing}`)
      if (state !== "Complete") continue
      if (failures.length > 0) this.problem("master", `${id} is complete with failures`)
      for (const { path, words } of this.lacks(host, new Set(unsent)))
        this.problem("master", `${id} is said to be complete: ${path} ${words}`)
    }
  }

  readonly catcherReports = (host: Host, report: Report): void => {
    const [{ failures, state }] = report.catchers
    if (state !== "Complete") return
    if (failures.length > 0) this.problem(host.name, "says that it is complete, with failures")
    for (const { path, words } of this.lacks(host, new Set()))
      this.problem(host.name, `says that it is complete: ${path} ${words}`)
  }

  // ---- the end ----

  ended(outcome: Outcome): void {
    const { hosts, isStuck, master } = outcome
    if (isStuck) {
      const running = hosts.filter((host) => host.runs).map((host) => host.name)
      return this.problem("session", `it does not end; still running: ${running.join(", ") || "the master"}`)
    }
    for (const host of hosts) {
      const top = host.volume.find(destination) as Directory
      const left = [...host.volume.walk(top)].filter(([name]) => temporaryName.test(name))
      if (host.crashes === 0 && host.exit !== undefined && left.length > 0)
        this.problem(host.name, `left behind: ${left.map(([name]) => name).join(", ")}`)
    }
    if (master === undefined && !this.expectations.masterLives) return
    const innocent = hosts.filter((host) => this.expectations.excuse(host) === undefined)
    if (innocent.length === 0) return
    if (master?._tag !== "Success") return this.problem("master", `it failed: ${JSON.stringify(master)}`)
    for (const host of innocent) {
      const said = master.value.catchers.find((catcher) => catcher.id === host.name)
      if (said === undefined) this.problem(host.name, "the master does not know it")
      else this.isComplete(host, "for the master", said)
      if (host.exit?._tag === "Success") this.isComplete(host, "for itself", host.exit.value.catchers[0])
      else this.problem(host.name, `it failed: ${JSON.stringify(host.exit)}`)
      for (const { path, words } of this.lacks(host, this.excused())) this.problem(host.name, `${path} ${words}`)
      if (this.expectations.wishes?.policy.deletes !== true || master.value.failures.length > 0) continue
      for (const name of this.extraneous(host)) this.problem(host.name, `${name} was to be deleted`)
    }
  }

  /** Paths that may be missing: those that a catcher refuses, and those that were gone when the master looked for them. */
  private excused(): ReadonlySet<string> {
    const { gone } = this.source
    const lost = [...this.contents.keys()].filter((path) => gone.has(this.leaderOf(path)))
    return new Set([...this.refused, ...lost])
  }

  private isComplete(host: Host, whose: string, { failures, state }: Report["catchers"][number]): void {
    const excused = this.excused()
    // [Y-6] where something is missing, nothing is deleted
    const isKept = ({ reason }: { readonly reason: string }) =>
      excused.size > 0 && /not deleted: (the|not)/.test(reason)
    const others = failures.filter((failure) => !excused.has(failure.path) && !isKept(failure))
    if (state === "Lost" || others.length > 0 || (state === "Partial" && excused.size === 0))
      this.problem(host.name, `nothing has hit it, and ${whose} it is ${state}: ${JSON.stringify(others)}`)
  }
}

const agrees = (metadata: Metadata | undefined, entry: Given["entry"], policy: Policy | undefined): boolean =>
  metadata !== undefined && "metadata" in entry && agree(metadata, entry.metadata, policy)

const agree = (a: Metadata, b: Metadata, policy: Policy | undefined): boolean =>
  attributesOf(a, policy) === attributesOf(b, policy) &&
  a.mode === b.mode &&
  a.mtimeSeconds === b.mtimeSeconds &&
  a.mtimeNanos === b.mtimeNanos &&
  a.uid === b.uid &&
  a.gid === b.gid

/** Hard links have their leader's content. */
const linked = (tree: ReadonlyArray<Given>): ReadonlyArray<readonly [string, Uint8Array]> =>
  tree.flatMap(({ entry }) => {
    const content = entry._tag === "HardLink" ? tree[entry.leader]?.content : undefined
    return content === undefined ? [] : [[display(entry.path), content] as const]
  })

/** Secrets looked for in each datagram. */
const mostSecrets = 8
/** So long that chance says none of them in a sweep. */
const secretBytes = 8

/** How the content begins, after a hole; nothing but a hole is no secret. */
const secretOf = (content: Uint8Array): Buffer => {
  const first = content.findIndex((byte) => byte !== 0)
  const from = first === -1 ? content.length : first
  return Buffer.from(content.subarray(from, from + secretBytes))
}

const secretsOf = (contents: ReadonlyMap<string, Uint8Array>): ReadonlyArray<Buffer> =>
  [...contents]
    .flatMap(([path, content]) => [Buffer.from(path), secretOf(content)])
    .filter(({ length }) => length >= secretBytes)
    .slice(0, mostSecrets)
