/**
 * What befalls a session, from a seed: its tree, its network, its disks, and what happens to which machine and when. Faults
 * come alone and mixed. Who is hit by one that excuses it, and why, is noted when it happens; the others must end complete.
 */
import * as Effect from "effect/Effect"
import * as Limits from "../protocol/Limits.ts"
import type { Given } from "../store/Memory.ts"
import { destination } from "../store/Memory.ts"
import type { Volume } from "../store/Volume.ts"
import * as Chance from "../transport/Chance.ts"
import type * as Simulated from "../transport/simulated/Network.ts"
import { display } from "../tree/Manifest.ts"
import * as Codec from "../wire/Codec.ts"
import type { FromMaster, Message } from "../wire/Message.ts"
import { type Change as Changed, Changing, kinds } from "./Changing.ts"
import type { Disk, Host, Scenario, World } from "./Simulation.ts"
import * as Tree from "./Tree.ts"

/** A scenario and what is to be known of it. */
export interface Story {
  readonly scenario: Scenario
  /** What was decided, line by line, for whoever looks for a defect. */
  readonly telling: ReadonlyArray<string>
  /** Paths that every catcher is to refuse. */
  readonly refused: ReadonlySet<string>
  /** What is sent, and all that it has been. */
  readonly source?: Changing
  readonly masterLives: boolean
  /** Why a catcher need not be complete, by name. Grows while the session runs. */
  readonly hit: Map<string, string>
  /** What observes the network for the forger and the echoes. */
  readonly network: (event: Simulated.Event) => void
}

/** So long that a living catcher which loses half of all questions and answers is heard in time. */
const timeoutMillis = 12_000
/** What lasts no longer than this is no excuse. */
const shortMillis = timeoutMillis / 6
const pageBytes = 512

class Dice {
  readonly chance: Chance.Chance
  constructor(seed: number) {
    this.chance = Chance.make(seed)
  }
  hits(probability: number): boolean {
    return this.chance.next() < probability
  }
  pick<A>(...of: ReadonlyArray<A>): A {
    return of[Math.floor(this.chance.next() * of.length)]
  }
  whole(least: number, most: number): number {
    return least + Math.floor(this.chance.next() * (most - least + 1))
  }
  /** From `least` to `most`, small ones as often as large ones. */
  scaled(least: number, most: number): number {
    return least * (most / least) ** this.chance.next()
  }
}

export const story = (seed: number): Story => {
  const dice = new Dice(seed)
  const telling: Array<string> = []
  const tell = (line: string) => void telling.push(line)
  const hit = new Map<string, string>()
  const excuse = (name: string, why: string) => void (hit.has(name) || hit.set(name, why))

  const catchers = dice.whole(1, 12)
  const { refused, tree } = treeOf(dice, seed, catchers)
  tell(`${catchers} catchers, ${tree.length} entries${refused.size > 0 ? ", some of which would escape" : ""}`)
  const network = networkOf(dice)
  tell(`network ${JSON.stringify(network)}`)
  // dice of their own, so that what was found with a seed before stays there
  const shortPaths = shortPathsOf(new Dice(seed ^ 0x6a09_e667), catchers)
  const masterDeath = masterDeathOf(new Dice(seed ^ 0x510e_527f))
  const master = {
    pageBytes: shortPaths.length > 0 ? Limits.defaultPageBytes : pageBytes,
    // whoever crashes before it joins shall not keep the others waiting for long
    atLeast: 1,
    // one that was started again waits until all have left the dead one
    waitMillis: masterDeath === undefined ? 3000 : 10_000,
    ...(dice.hits(0.2) ? { bytesPerSecond: dice.pick(200_000, 2_000_000) } : {})
  }
  tell(`master ${JSON.stringify(master)}`)
  const befallen = Array.from({ length: catchers }, (_, i) => machineOf(dice, `c${i + 1}`, excuse, tell))
  const masterCrash = dice.hits(0.04) ? dice.scaled(5, 1000) : undefined
  const masterFreeze = dice.hits(0.05) ? dice.scaled(5, 1000) : undefined
  const freezeMillis = dice.whole(10, shortMillis)
  if (masterCrash !== undefined) tell(`the master crashes at ${masterCrash.toFixed(1)}`)
  if (masterFreeze !== undefined) tell(`the master is frozen at ${masterFreeze.toFixed(1)} for ${freezeMillis}`)
  if (masterDeath !== undefined) {
    const { atMillis, restartMillis } = masterDeath
    tell(`the master dies at ${atMillis.toFixed(1)}, and is started again ${restartMillis.toFixed(1)} later`)
  }
  const allDie = allDieOf(new Dice(seed ^ 0x1f83_d9ab))
  if (allDie !== undefined) tell(`all catchers die at ${allDie.toFixed(1)}`)
  const narrow = narrowLinksOf(new Dice(seed ^ 0x2545_f491), catchers)
  for (const [name, link] of narrow) tell(`${name}'s link: ${JSON.stringify(link)}`)
  const replaced = replacedOf(new Dice(seed ^ 0x1b87_3593), catchers)
  if (replaced !== undefined) {
    const { inSession, millis, name } = replaced
    tell(`${name}'s destination is replaced ${inSession ? "in the session, after" : "at"} ${millis.toFixed(1)}`)
  }
  for (const { atMillis, mtuBytes, name } of shortPaths)
    tell(`the path to ${name} takes packets of ${mtuBytes} bytes from ${atMillis.toFixed(1)} on`)
  const changes = changesOf(new Dice(seed ^ 0x3c6e_f372), tree)
  const source = new Changing(tree)
  for (const change of changes) {
    const { atMillis, index, kind, lastsMillis } = change
    source.foretell(change)
    tell(`${display(tree[index].entry.path)} is ${kind} at ${atMillis.toFixed(1)}, ${lastsMillis?.toFixed(1)}`)
  }
  const forger = dice.hits(0.3) ? new Forger(seed, catchers) : undefined
  if (forger !== undefined) tell("somebody forges answers and pages")
  const echoes = echoesOf(new Dice(seed ^ 0x7f4a_7c15), catchers)
  if (echoes !== undefined) tell("questions and answers come once more, damaged")

  const meanwhile = (world: World) =>
    Effect.gen(function* () {
      forger?.begin(world)
      echoes?.begin(world)
      for (const [name, narrowed] of narrow) yield* world.network.impairLink(name, "Group", { narrow: narrowed })
      const acts = befallen.map(({ act }, i) => act?.(world, world.hosts[i]) ?? Effect.void)
      for (const { atMillis, mtuBytes, name } of shortPaths) {
        if (mtuBytes < leastPacketBytes) excuse(name, "no page reaches it")
        acts.push(Effect.andThen(Effect.sleep(atMillis), world.network.impairLink(name, "Group", { mtuBytes })))
      }
      if (masterCrash !== undefined) acts.push(Effect.andThen(Effect.sleep(masterCrash), world.master.crash))
      if (masterFreeze !== undefined) {
        const { master } = world
        acts.push(
          Effect.sleep(masterFreeze).pipe(
            Effect.andThen(Effect.sync(() => master.freeze())),
            Effect.andThen(Effect.sleep(freezeMillis)),
            Effect.andThen(Effect.sync(() => master.thaw()))
          )
        )
      }
      if (masterDeath !== undefined) acts.push(restartMaster(world, masterDeath, excuse))
      if (allDie !== undefined) acts.push(killAll(world, allDie, excuse))
      if (replaced !== undefined) acts.push(replaceDestination(world, replaced, excuse))
      for (const change of changes) {
        const ending = Effect.sync(() => source.end(change))
        acts.push(
          Effect.sleep(change.atMillis).pipe(
            Effect.andThen(writes(change, source)),
            Effect.andThen(change.lastsMillis === undefined ? Effect.void : Effect.sleep(change.lastsMillis)),
            Effect.andThen(change.lastsMillis === undefined ? Effect.void : ending)
          )
        )
      }
      world.hosts.forEach((host, i) => void (host.isPersistent = befallen[i].isPersistent))
      yield* Effect.all(acts, { concurrency: "unbounded", discard: true })
    })

  return {
    telling,
    refused,
    source,
    masterLives: masterCrash === undefined,
    hit,
    network: (event) => {
      if (!event.isCatcher) forger?.hear(event.bytes)
      echoes?.hear(event)
    },
    scenario: {
      seed,
      catchers,
      tree: source.tree,
      timeoutMillis,
      network,
      // whoever is started later is not waited for, and joins what runs
      master: { ...master, catchers: Math.max(1, befallen.filter(({ startMillis }) => startMillis === 0).length) },
      limitMillis: 600_000,
      disk: (i) => befallen[i].disk,
      startMillis: (i) => befallen[i].startMillis,
      before: (i, volume) => furnish(new Dice(seed * 31 + i), volume, tree),
      // so few that blocks are spilled
      ...(dice.hits(0.3) ? { assemblingBlocks: dice.whole(1, 3) } : {}),
      meanwhile
    }
  }
}

/** Page and Parity: the types of what carries content. */
const contentTypes: ReadonlySet<number> = new Set([8, 19])

// ---- what is sent ----

const treeOf = (dice: Dice, seed: number, catchers: number) => {
  const tree: Array<Given> = []
  const refused = new Set<string>()
  const refuse = (given: Given) => {
    refused.add(new TextDecoder().decode(given.entry.path))
    tree.push(given)
  }
  if (dice.hits(0.5)) tree.push(Tree.directory(""))
  const directories = [""]
  for (let i = dice.whole(0, 2); i > 0; i--) {
    const path = `${dice.pick(...directories)}d${i}`
    tree.push(Tree.directory(path))
    directories.push(`${path}/`)
  }
  for (let i = dice.whole(0, 12); i > 0; i--) {
    tree.push(
      Tree.file(`${dice.pick(...directories)}f${i}`, dice.pick(0, 1, 512, 513, 3000, dice.whole(0, 20_000)), seed + i)
    )
  }
  // above 512 KiB a file travels alone; above 1.8 MB it has more than one span
  if (dice.hits(0.35)) {
    const size = dice.hits(0.1) && catchers <= 3 ? dice.whole(1_900_000, 2_300_000) : dice.whole(524_289, 560_000)
    tree.push(Tree.file(`${dice.pick(...directories)}large`, size, seed))
  }
  if (dice.hits(0.3)) tree.push(Tree.symlink("link", "../outside"))
  if (dice.hits(0.2)) tree.push(Tree.fifo("fifo"))
  const leader = tree.findIndex(({ entry }) => entry._tag === "File")
  if (leader >= 0 && dice.hits(0.4)) tree.push(Tree.hardLink("twin", leader))
  if (dice.hits(0.1)) {
    refuse(Tree.file("../outside/up", 10, seed))
    refuse(Tree.file("/outside/absolute", 10, seed))
    if (tree.some(({ entry }) => entry._tag === "Symlink")) refuse(Tree.file("link/through", 10, seed))
  }
  return { tree, refused }
}

/** A log and a data base are written to again and again. */
const writes = (change: Changed, source: Changing): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { kind, seed } = change
    const times = kind === "mapped" || kind === "appended" ? 30 : 1
    for (let nth = 0; nth < times; nth++) {
      if (nth > 0) yield* Effect.sleep(1 + (seed % 40))
      source.begin({ ...change, seed: seed + nth * 7919 })
    }
  })

/** Files that change while the master waits or sends. */
const changesOf = (dice: Dice, tree: ReadonlyArray<Given>): ReadonlyArray<Changed> => {
  const files = tree.flatMap(({ entry }, index) => (entry._tag === "File" ? [index] : []))
  if (files.length === 0 || !dice.hits(0.25)) return []
  return Array.from({ length: dice.whole(1, 4) }, () => {
    const kind = dice.pick(...kinds)
    const lasts = kind === "leased" || dice.hits(0.5)
    return {
      kind,
      // large ones, which come last, as often as all others
      index: dice.hits(0.5) ? files[files.length - 1] : dice.pick(...files),
      atMillis: dice.scaled(20, 5000),
      lastsMillis: lasts ? dice.scaled(5, 3000) : undefined,
      seed: dice.whole(0, 0xffff)
    }
  })
}

/** What stands on a disk before: outside of the destination, and in it. */
const furnish = (dice: Dice, volume: Volume, tree: ReadonlyArray<Given>) => {
  volume.mkdir("outside")
  if (dice.hits(0.6)) return
  for (const { content, entry } of tree) {
    const path = `${destination}/${new TextDecoder().decode(entry.path)}`
    if (entry._tag !== "File" || content === undefined || path.includes("..") || dice.hits(0.5)) continue
    if (dice.hits(0.1)) volume.symlink(path, "../outside/stray")
    else {
      const size = dice.hits(0.5) ? content.length : dice.whole(0, 5000)
      const file = volume.create(path, size)
      if (file._tag === "Failure") continue
      volume.write(file.success, 0, Tree.bytes(size, 77))
      volume.close(file.success)
    }
  }
}

// ---- the network ----

/** `share` of the time is a burst. */
const burst = (dice: Dice, share: number): Simulated.Burst => {
  const lastsMillis = dice.scaled(2, 200)
  return { apartMillis: lastsMillis / share, lastsMillis, loss: dice.pick(0.5, 1) }
}

// Of what loses datagrams one thing may be bad, or nobody would be heard within the time-out.
const networkOf = (dice: Dice): NonNullable<Scenario["network"]> => {
  const bad = dice.pick("loss", "burst", "lossAtSender", "burstAtSender", "nothing", "nothing")
  return {
    loss: bad === "loss" ? 0.2 : dice.pick(0, 0, 0.01, 0.05),
    ...(bad === "burst" ? { burst: burst(dice, 0.3) } : dice.hits(0.2) ? { burst: burst(dice, 0.03) } : {}),
    ...(bad === "lossAtSender" ? { lossAtSender: 0.1 } : dice.hits(0.2) ? { lossAtSender: 0.01 } : {}),
    ...(bad === "burstAtSender" ? { burstAtSender: burst(dice, 0.3) } : {}),
    ...(dice.hits(0.4) ? { duplicate: dice.pick(0.01, 0.1, 0.3), echoMillis: dice.pick(50, 3000, 3000) } : {}),
    ...(dice.hits(0.3) ? { reorder: dice.pick(0.01, 0.1, 0.3) } : {}),
    ...(dice.hits(0.25) ? { corrupt: dice.pick(0.0005, 0.002) } : {}),
    delayMillis: dice.pick(0, 0.2, 2, 20),
    ...(dice.hits(0.3) ? { jitterMillis: dice.pick(2, 10, 50) } : {}),
    glued: dice.hits(0.5),
    receiveBufferBytes: dice.pick(16_384, 131_072, 4_194_304),
    ...(dice.hits(0.3) ? { bytesPerSecond: dice.pick(500_000, 5_000_000, 125_000_000) } : {})
  }
}

/** The packet of the smallest page. */
const leastPacketBytes = Limits.minPageBytes + Limits.headerBytes + Limits.udpHeaderBytes

/** Some are behind a path that takes no packets of the usual length, from the beginning or from some time on. */
const shortPathsOf = (dice: Dice, catchers: number) => {
  const share = dice.hits(0.08) ? dice.pick(0.1, 0.5, 1) : 0
  return Array.from({ length: catchers }, (_, i) => ({
    name: `c${i + 1}`,
    isHit: dice.hits(share),
    mtuBytes: dice.pick(1400, 1280, 700, 300),
    atMillis: dice.pick(0, 0, dice.scaled(5, 1000))
  })).filter(({ isHit }) => isHit)
}

/** Some have links of a rate of their own, behind a queue that is long or short. */
const narrowLinksOf = (dice: Dice, catchers: number) => {
  const share = dice.hits(0.25) ? dice.pick(0.1, 0.5, 1) : 0
  const links: Array<[name: string, narrow: NonNullable<Simulated.Impairments["narrow"]>]> = []
  for (let i = 1; i <= catchers; i++) {
    if (!dice.hits(share)) continue
    links.push([`c${i}`, { bytesPerSecond: dice.pick(100_000, 1_000_000), queueBytes: dice.pick(4096, 65_536) }])
  }
  return links
}

// ---- everybody at once ----

interface MasterDeath {
  readonly atMillis: number
  /** Counted from its death. */
  readonly restartMillis: number
}

const masterDeathOf = (dice: Dice): MasterDeath | undefined =>
  dice.hits(0.08) ? { atMillis: dice.scaled(5, 2000), restartMillis: dice.scaled(20, 3000) } : undefined

/** How long a commit that was under way when a master died may take. */
const commitMillis = 3000

// kill -9 and a supervisor: its catchers live on, and are the next one's, but those that had the tree already.
const restartMaster = Effect.fnUntraced(function* (
  { hosts, master }: World,
  { atMillis, restartMillis }: MasterDeath,
  excuse: (name: string, why: string) => void
) {
  yield* Effect.sleep(atMillis)
  if (!master.runs) return
  yield* master.crash
  const attempts = hosts.map((host) => host.attempts)
  yield* Effect.sleep(restartMillis)
  const excuseFinished = () =>
    hosts.forEach((host, i) => {
      if (host.attempts === attempts[i] && host.memory.stage() === "Finished")
        excuse(host.name, "it has the tree of the dead master")
    })
  excuseFinished()
  if (!hosts.some((host) => host.runs || host.isToCome)) return
  master.start()
  yield* Effect.sleep(commitMillis)
  excuseFinished()
})

const allDieOf = (dice: Dice): number | undefined => (dice.hits(0.04) ? dice.scaled(5, 2000) : undefined)

const killAll = Effect.fnUntraced(function* (
  { hosts }: World,
  atMillis: number,
  excuse: (name: string, why: string) => void
) {
  yield* Effect.sleep(atMillis)
  for (const host of hosts) {
    if (!host.runs) continue
    excuse(host.name, "all died")
    yield* host.crash
  }
})

// ---- destinations ----

interface Replaced {
  readonly name: string
  /** Counted from the session's beginning there, or from the start of all. */
  readonly inSession: boolean
  readonly millis: number
}

const replacedOf = (dice: Dice, catchers: number): Replaced | undefined =>
  dice.hits(0.1)
    ? { name: `c${dice.whole(1, catchers)}`, inSession: dice.hits(0.7), millis: dice.scaled(1, 1000) }
    : undefined

// Before a session begins it is no excuse: the tree goes to what is there then. A catcher that has the tree may be done with it,
// and one that was started again may have had it.
const replaceDestination = Effect.fnUntraced(function* (
  { hosts }: World,
  { inSession, millis, name }: Replaced,
  excuse: (name: string, why: string) => void
) {
  const host = hosts.find((host) => host.name === name)!
  const stage = () => host.memory.stage()
  if (inSession) while (stage() === "Waiting" && host.life <= 1) yield* Effect.sleep(1)
  yield* Effect.sleep(millis)
  if (host.life > 1 || stage() === "Finished" || (!host.runs && host.life > 0)) return
  if (stage() === "Open") excuse(name, "its destination was replaced")
  host.replaceDestination()
})

// ---- machines ----

interface Befallen {
  readonly disk: Disk
  readonly startMillis: number
  readonly isPersistent: boolean
  readonly act: ((world: World, host: Host) => Effect.Effect<void>) | undefined
}

const machineOf = (
  dice: Dice,
  name: string,
  excuse: (name: string, why: string) => void,
  tell: (line: string) => void
): Befallen => {
  const startMillis = dice.hits(0.12) ? Math.round(dice.scaled(50, 2000)) : 0
  if (startMillis > 0) tell(`${name} starts at ${startMillis}`)
  const isPersistent = dice.hits(0.5)
  const disk = diskOf(dice, name, excuse, tell)
  const atMillis = dice.scaled(3, 3000)
  const answers = dice.hits(0.08) ? dice.pick(0.1, 0.3) : 0
  if (answers > 0) tell(`${name} loses ${answers} of its answers`)
  const lasts = dice.hits(0.5) ? dice.whole(5, shortMillis) : dice.whole(shortMillis, 3 * timeoutMillis)
  const returns = dice.hits(0.7) ? dice.scaled(5, 2 * timeoutMillis) : undefined
  const again = dice.hits(0.3)
  const kind = dice.pick("none", "none", "none", "none", "crash", "crash", "freeze", "partition", "clog", "stop")
  if (kind !== "none") {
    tell(
      `${name}: ${kind} at ${atMillis.toFixed(1)}, lasts ${lasts}, returns ${returns?.toFixed(1)}${isPersistent ? ", persistent" : ""}`
    )
  }

  const toggle = (on: Effect.Effect<void>, off: Effect.Effect<void>) =>
    Effect.andThen(on, Effect.andThen(Effect.sleep(lasts), off))

  const act = (world: World, host: Host): Effect.Effect<void> => {
    const { network } = world
    // who has it all already, or does not run, is not hit
    const hits = Effect.sync(() => {
      const isExcuse = kind === "crash" || kind === "stop" || lasts > shortMillis
      const isHit = kind === "partition" || kind === "clog" ? host.exit?._tag !== "Success" : host.runs
      if (isExcuse && isHit) excuse(name, kind)
    })
    const comeBack = Effect.sync(() => (world.master.runs ? host.start() : undefined))
    const befall = Effect.suspend(() => {
      switch (kind) {
        case "crash":
          return Effect.andThen(
            host.crash,
            returns === undefined ? Effect.void : Effect.andThen(Effect.sleep(returns), comeBack)
          )
        case "stop":
          return Effect.sync(() => host.stop())
        case "freeze":
          return toggle(
            Effect.sync(() => host.freeze()),
            Effect.sync(() => host.thaw())
          )
        case "partition":
          return toggle(network.partition(name), network.unpartition(name))
        case "clog":
          return toggle(network.clog(name), network.unclog(name))
        case "none":
          return Effect.void
      }
    })
    const once =
      kind === "none" ? Effect.void : Effect.sleep(atMillis).pipe(Effect.andThen(hits), Effect.andThen(befall))
    return Effect.andThen(
      answers > 0 ? network.impairLink(name, "Answers", { loss: answers }) : Effect.void,
      again && kind === "crash" ? Effect.andThen(once, once) : once
    )
  }
  return { disk, startMillis, isPersistent, act }
}

const diskOf = (
  dice: Dice,
  name: string,
  excuse: (name: string, why: string) => void,
  tell: (line: string) => void
): Disk => {
  const slowMillis = dice.pick(0, 0, 0.1, 2, 30)
  const own = new Dice(dice.whole(0, 0xffff_ffff))
  const turn = () => Effect.suspend(() => Effect.sleep(own.chance.next() * slowMillis))
  const kind = dice.hits(0.1) ? dice.pick("full", "failing", "renames") : "well"
  const capacityBytes = dice.whole(0, 60_000)
  const often = dice.pick(0.02, 0.3)
  const code = dice.pick("EIO", "EACCES", "EROFS", "EDQUOT")
  if (slowMillis > 0) tell(`${name}'s disk takes up to ${slowMillis} for each step`)
  if (kind !== "well") {
    tell(`${name}'s disk: ${kind} (${kind === "full" ? capacityBytes : `${code}, ${often}`})`)
  }
  const refuse = () => {
    if (!own.hits(often)) return undefined
    excuse(name, `its disk is ${kind}`)
    return code
  }
  const slow = slowMillis > 0 ? { turn } : {}
  switch (kind) {
    case "well":
      return slow
    case "full":
      // dice of its own, so that what was found with a seed before stays there
      return { ...slow, capacityBytes, tellsRoom: new Dice(capacityBytes ^ 0x51ed_270b).hits(0.5) }
    case "failing":
      return { ...slow, refuse }
    case "renames":
      return { ...slow, refuse: (operation) => (operation === "commit" ? refuse() : undefined) }
  }
}

// ---- somebody who is not of the session ----

/**
 * Hears the group, so that it knows the session, its files and its slots, and forges the catchers' addresses. What it does not
 * know is what a catcher told the master alone: its incarnation. To the catchers it speaks from an address of its own.
 */
class Forger {
  private readonly dice: Dice
  private readonly catchers: number
  private world: World | undefined

  constructor(seed: number, catchers: number) {
    this.dice = new Dice(seed ^ 0x5bd1_e995)
    this.catchers = catchers
  }

  begin(world: World): void {
    this.world = world
  }

  hear(bytes: Uint8Array): void {
    if (contentTypes.has(bytes[3]) || !this.dice.hits(0.15)) return
    const heard = Codec.decode(bytes)
    if (heard._tag === "Failure") return
    const said = heard.success as FromMaster
    const slot = this.dice.whole(0, this.catchers - 1)
    const who = { session: said.session, slot, incarnation: this.dice.whole(0, 0xffff_ffff) }
    for (const answer of answersTo(said, who, this.dice)) this.forge(slot, Codec.encode(answer))
    const target = `c${this.dice.whole(1, this.catchers)}`
    this.world?.network.forge("10.255.0.1:4000", target, garbage(said, this.dice))
  }

  // slots are given in the order of joining, so any catcher may have any
  private forge(slot: number, bytes: Uint8Array): void {
    const { network } = this.world ?? {}
    if (network === undefined) return
    for (let i = 0; i < this.catchers; i++) {
      const from = network.addressOf(`c${((slot + i) % this.catchers) + 1}`)
      if (from !== undefined) network.forge(from, "master", bytes)
    }
  }
}

const echoesOf = (dice: Dice, catchers: number): Echoes | undefined =>
  dice.hits(0.2) ? new Echoes(dice, catchers) : undefined

/** Some of what is no page comes once more, with a bit that was damaged on the way: that is as good as lost [W-7]. */
class Echoes {
  private readonly dice: Dice
  private readonly catchers: number
  private readonly share: number
  private world: World | undefined

  constructor(dice: Dice, catchers: number) {
    this.dice = dice
    this.catchers = catchers
    this.share = dice.pick(0.02, 0.3)
  }

  begin(world: World): void {
    this.world = world
  }

  hear({ bytes, isCatcher, name }: Simulated.Event): void {
    if (contentTypes.has(bytes[3]) || !this.dice.hits(this.share)) return
    const damaged = bytes.slice()
    const bit = this.dice.whole(0, bytes.length * 8 - 1)
    damaged[bit >> 3] ^= 1 << (bit & 7)
    const from = this.world?.network.addressOf(name)
    if (from === undefined) return
    this.world?.network.forge(from, isCatcher ? "master" : `c${this.dice.whole(1, this.catchers)}`, damaged)
  }
}

interface Who {
  readonly session: bigint
  readonly slot: number
  readonly incarnation: number
}

const answersTo = (said: FromMaster, who: Who, dice: Dice): ReadonlyArray<Message> => {
  switch (said._tag) {
    case "Open":
      return [
        dice.hits(0.7)
          ? { _tag: "OpenOk", ...who, file: said.file }
          : { _tag: "SitOut", ...who, file: said.file, reason: "forged" }
      ]
    case "Eof":
      return dice.hits(0.5)
        ? [{ _tag: "Complete", ...who, file: said.file, held: 1 }]
        : [
            {
              _tag: "Missing",
              ...who,
              file: said.file,
              round: said.round,
              first: said.first,
              count: said.count,
              held: 1,
              runs: [],
              lacks: undefined
            }
          ]
    case "Close":
      return [{ _tag: "CloseOk", ...who, file: said.file, from: said.from, failures: [], next: undefined }]
    case "Poll":
      return [{ _tag: "PollOk", ...who, poll: said.poll, received: 1, dropped: 0, held: 1 }]
    case "Announce":
      return [{ _tag: "Aborted", ...who, file: undefined }]
    default:
      return []
  }
}

/** A message as the master sends them, from an address that is not the master's. */
const garbage = (said: FromMaster, dice: Dice): Uint8Array => {
  const bytes = Codec.encode(said)
  if (!("file" in said) || said.file === undefined || dice.hits(0.5)) {
    return Codec.encode(
      dice.pick<Message>(
        { _tag: "Bye", session: said.session },
        { _tag: "Abort", session: said.session, file: undefined, reason: "forged", audience: [] }
      )
    )
  }
  // a page of that file
  const page = new Uint8Array(24 + pageBytes).fill(dice.whole(0, 255))
  page.set(bytes.subarray(0, 24))
  page[3] = 8
  page[4] = page.length & 255
  page[5] = page.length >> 8
  page.set([dice.whole(0, 40), 0, 0, 0], 20)
  return page
}
