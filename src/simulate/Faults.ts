/**
 * What befalls a session, from a seed: its tree, its network, its disks, and what happens to which machine and when. Faults
 * come alone and mixed. Who is hit by one that excuses it, and why, is noted when it happens; the others must end complete.
 */
import * as Effect from "effect/Effect"
import * as Limits from "../protocol/Limits.ts"
import type { Given } from "../store/Memory.ts"
import { destination } from "../store/Memory.ts"
import type { Volume } from "../store/Volume.ts"
import type * as Simulated from "../transport/simulated/Network.ts"
import { display } from "../tree/Names.ts"
import { type Change as Changed, Changing, kinds } from "./Changing.ts"
import { Dice } from "./Dice.ts"
import { echoesOf, Forger } from "./Forger.ts"
import { Excuses, heal, healingOf } from "./Healing.ts"
import { cutLink, cutOf, leastPacketBytes, narrowLinksOf, networkOf, shortPathsOf } from "./Links.ts"
import type { Disk, Host, Scenario, World } from "./Simulation.ts"
import { shortMillis, timeoutMillis } from "./Timing.ts"
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

const pageBytes = 512

export const story = (seed: number): Story => {
  const dice = new Dice(seed)
  const telling: Array<string> = []
  const tell = (line: string) => void telling.push(line)
  const excuses = new Excuses()
  const { excuse, hit } = excuses

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
  const befallen = Array.from({ length: catchers }, (_, i) => machineOf(dice, `c${i + 1}`, excuses, tell))
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
  const cut = cutOf(new Dice(seed ^ 0x5be0_cd19), catchers)
  if (cut !== undefined)
    tell(`${cut.name}: ${cut.direction} is cut at ${cut.atMillis.toFixed(1)}, lasts ${cut.lastsMillis}`)
  // what is dead or started anew is healed by nobody
  const isMasterWell = masterCrash === undefined && masterDeath === undefined
  const healMillis = isMasterWell && allDie === undefined ? healingOf(new Dice(seed ^ 0x4a7c_1589)) : undefined
  if (healMillis !== undefined) tell(`everything is healed at ${healMillis.toFixed(1)}`)
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
      if (masterFreeze !== undefined) acts.push(freezeMaster(world, masterFreeze, freezeMillis))
      if (masterDeath !== undefined) acts.push(restartMaster(world, masterDeath, excuse))
      if (allDie !== undefined) acts.push(killAll(world, allDie, excuse))
      if (replaced !== undefined) acts.push(replaceDestination(world, replaced, excuse))
      if (cut !== undefined) acts.push(cutLink(world, cut, excuses))
      const faults = Effect.all(acts, { concurrency: "unbounded", discard: true })
      const others = [healMillis === undefined ? faults : heal(world, healMillis, faults, excuses, tell)]
      for (const change of changes) others.push(changeFile(change, source))
      world.hosts.forEach((host, i) => void (host.isPersistent = befallen[i].isPersistent))
      yield* Effect.all(others, { concurrency: "unbounded", discard: true })
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

// ---- what is sent ----

const changeFile = (change: Changed, source: Changing): Effect.Effect<void> => {
  const { atMillis, lastsMillis } = change
  const begun = Effect.andThen(Effect.sleep(atMillis), writes(change, source))
  if (lastsMillis === undefined) return begun
  return begun.pipe(Effect.andThen(Effect.sleep(lastsMillis)), Effect.andThen(Effect.sync(() => source.end(change))))
}

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

const freezeMaster = ({ master }: World, atMillis: number, lastsMillis: number) =>
  Effect.sleep(atMillis).pipe(
    Effect.andThen(Effect.sync(() => master.freeze())),
    Effect.andThen(Effect.sleep(lastsMillis)),
    Effect.andThen(Effect.sync(() => master.thaw()))
  )

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

const machineOf = (dice: Dice, name: string, excuses: Excuses, tell: (line: string) => void): Befallen => {
  const startMillis = dice.hits(0.12) ? Math.round(dice.scaled(50, 2000)) : 0
  if (startMillis > 0) tell(`${name} starts at ${startMillis}`)
  const isPersistent = dice.hits(0.5)
  const disk = diskOf(dice, name, excuses.excuse, tell)
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
      const isHit = kind === "partition" || kind === "clog" ? host.exit?._tag !== "Success" : host.runs
      if (!isHit) return
      if (kind === "crash" || kind === "stop") excuses.excuse(name, kind)
      else excuses.away(name, kind, lasts)
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
