/**
 * What befalls a session, from a seed: its tree, its network, its disks, and what happens to which
 * machine and when. Faults come alone and mixed. A catcher that is hit by one which excuses it is
 * noted with the reason when it happens; the others must end complete.
 */
import * as Effect from "effect/Effect"
import * as Limits from "../protocol/Limits.ts"
import type { Given } from "../store/Memory.ts"
import { destination } from "../store/Memory.ts"
import type { Volume } from "../store/Volume.ts"
import type * as Simulated from "../transport/simulated/Network.ts"
import { display } from "../tree/Names.ts"
import { type Change as Changed, changeFile, Changing, changesOf } from "./Changing.ts"
import { Dice } from "./Dice.ts"
import { echoesOf, Forger } from "./Forger.ts"
import { Excuses, heal, healingOf, unreached } from "./Healing.ts"
import { injectorOf } from "./Injector.ts"
import { intruderOf } from "./Intruder.ts"
import { type Liar, liarOf } from "./Liar.ts"
import { type Cut, cutLink, cutOf, leastPacketBytes, narrowLinksOf, networkOf, shortPathsOf } from "./Links.ts"
import type { Disk, Host, Scenario, World } from "./Simulation.ts"
import { type Replaced, replacedOf, replaceDestination } from "./Replaced.ts"
import { shortMillis, timeoutMillis } from "./Timing.ts"
import type { Wishes } from "./Stood.ts"
import { type SurveyFault, surveyFaultOf } from "./Surveyed.ts"
import * as Tree from "./Tree.ts"
import { versionsOf } from "./Versions.ts"

/** A scenario and what is to be known of it. */
export interface Story {
  readonly scenario: Scenario
  /** What was decided, line by line, for a person that looks for a defect. */
  readonly telling: ReadonlyArray<string>
  /** Paths that every catcher is to refuse. */
  readonly refused: ReadonlySet<string>
  /** What is sent, and all that it has been. */
  readonly source?: Changing
  /** By which policy, where there is one. */
  readonly wishes?: Wishes | undefined
  readonly masterLives: boolean
  /** Names under which a catcher lies, and may keep the master at work when all others are gone. */
  readonly liars?: number
  /** Why a catcher need not be complete, by name. Grows while the session runs. */
  readonly hit: Map<string, string>
  /** What observes the network for the forger, the echoes and the injector. */
  readonly network: (event: Simulated.Event) => void
}

const pageBytes = 512

/** What is decided before anything runs, besides the tree and the network. */
interface Mishaps {
  readonly machines: ReadonlyArray<Befallen>
  readonly master: MasterFaults
  readonly allDieMillis: number | undefined
  readonly narrow: ReturnType<typeof narrowLinksOf>
  readonly shortPaths: ReturnType<typeof shortPathsOf>
  readonly cut: Cut | undefined
  readonly healMillis: number | undefined
  readonly replaced: Replaced | undefined
  readonly survey: SurveyFault | undefined
  readonly changes: ReadonlyArray<Changed>
  readonly forger: Forger | undefined
  readonly echoes: ReturnType<typeof echoesOf>
  readonly injector: ReturnType<typeof injectorOf>
  readonly intruder: ReturnType<typeof intruderOf>
  readonly liar: Liar | undefined
}

/** What a seed decides otherwise: half of the sessions are under a seal, in a fifth of these a catcher lies; half have a policy. */
export interface Settled {
  readonly isSealed?: boolean | undefined
  readonly lies?: boolean | undefined
  readonly isSync?: boolean | undefined
  /** There is a large file, and policies with old versions of it. */
  readonly isDelta?: boolean | undefined
}

/** The story of a seed. */
export const story = (seed: number, settled: Settled = {}): Story => {
  const { isSealed = new Dice(seed ^ 0xa54f_f53a).hits(0.5) } = settled
  const { isDelta = false, isSync = isDelta || new Dice(seed ^ 0x428a_2f98).hits(0.5) } = settled
  const { lies = isSealed && new Dice(seed ^ 0x2b99_2ddf).hits(0.2) } = settled
  const dice = new Dice(seed)
  const telling: Array<string> = []
  const tell = (line: string) => void telling.push(line)
  const excuses = new Excuses()

  const catchers = dice.whole(1, 12)
  const { refused, tree } = treeOf(dice, seed, catchers, isDelta)
  tell(`${catchers} catchers, ${tree.length} entries${refused.size > 0 ? ", some of which would escape" : ""}`)
  const network = networkOf(dice)
  tell(`network ${JSON.stringify(network)}`)
  // dice of their own, so that what was found with a seed before stays there
  const shortPaths = shortPathsOf(new Dice(seed ^ 0x6a09_e667), catchers)
  const death = masterDeathOf(new Dice(seed ^ 0x510e_527f))
  const master = masterOf(dice, shortPaths.length > 0, death !== undefined)
  tell(`master ${JSON.stringify(master)}`)
  if (isSealed) tell("under a seal")
  const versions = isSync ? versionsOf(new Dice(seed ^ 0x7137_4491), seed, tree) : undefined
  if (versions !== undefined) tell(versions.telling)
  const machines = Array.from({ length: catchers }, (_, i) => machineOf(dice, `c${i + 1}`, excuses, tell))
  const mishaps = mishapsOf(dice, seed, tree, { machines, shortPaths, death, isSealed, isSync, lies })
  tellingOf(mishaps, tree).forEach(tell)
  const source = new Changing(tree)
  for (const change of mishaps.changes) source.foretell(change)
  const liars = mishaps.liar?.lives ?? 0

  return {
    telling,
    refused,
    source,
    wishes: versions?.wishes,
    masterLives: mishaps.master.crashMillis === undefined,
    liars,
    hit: excuses.hit,
    network: (event) => {
      if (!event.isCatcher) mishaps.forger?.hear(event.bytes)
      for (const observer of [mishaps.echoes, mishaps.injector, mishaps.intruder, mishaps.liar]) observer?.hear(event)
    },
    scenario: {
      seed,
      catchers,
      tree: source.tree,
      timeoutMillis,
      network,
      // a catcher that is started later is not waited for, and joins what runs
      master: {
        ...master,
        ...(versions === undefined ? {} : { policy: versions.wishes.policy }),
        catchers: Math.max(1, machines.filter(({ startMillis }) => startMillis === 0).length) + liars
      },
      limitMillis: 600_000,
      isSealed,
      disk: (i) => {
        const [{ disk }, { survey }] = [machines[i], mishaps]
        return survey?.name === `c${i + 1}` ? survey.disk(disk) : disk
      },
      startMillis: (i) => machines[i].startMillis,
      before: (i, volume) => {
        versions?.stand(i, volume)
        furnish(new Dice(seed * 31 + i), volume, tree)
      },
      // so few that blocks are spilled
      ...(dice.hits(0.3) ? { assemblingBlocks: dice.whole(1, 3) } : {}),
      meanwhile: (world) => befall(world, mishaps, source, excuses, tell)
    }
  }
}

const masterOf = (dice: Dice, hasShortPaths: boolean, dies: boolean) => ({
  pageBytes: hasShortPaths ? Limits.defaultPageBytes : pageBytes,
  // a catcher that crashes before it joins shall not keep the others waiting for long
  atLeast: 1,
  // one that was started again waits until all have left the dead one
  waitMillis: dies ? 10_000 : 3000,
  ...(dice.hits(0.2) ? { bytesPerSecond: dice.pick(200_000, 2_000_000) } : {})
})

/** The rest of the mishaps. Most have dice of their own, so that the stories of old seeds stay. */
const mishapsOf = (
  dice: Dice,
  seed: number,
  tree: ReadonlyArray<Given>,
  given: Pick<Mishaps, "machines" | "shortPaths"> & {
    readonly death: MasterDeath | undefined
    readonly isSealed: boolean
    readonly isSync: boolean
    readonly lies: boolean
  }
): Mishaps => {
  const { death, isSealed, isSync, lies, machines, shortPaths } = given
  const catchers = machines.length
  const own = (salt: number) => new Dice(seed ^ salt)
  const master = masterFaultsOf(dice, death)
  const allDieMillis = allDieOf(own(0x1f83_d9ab))
  // what is dead or started anew is healed by nobody
  const isHealed = master.crashMillis === undefined && death === undefined && allDieMillis === undefined
  return {
    machines,
    master,
    allDieMillis,
    narrow: narrowLinksOf(own(0x2545_f491), catchers),
    shortPaths,
    cut: cutOf(own(0x5be0_cd19), catchers),
    healMillis: isHealed ? healingOf(own(0x4a7c_1589)) : undefined,
    replaced: replacedOf(own(0x1b87_3593), catchers),
    survey: isSync ? surveyFaultOf(own(0x6f5c_88b1), catchers, tree) : undefined,
    changes: changesOf(own(0x3c6e_f372), tree),
    forger: dice.hits(0.3) ? new Forger(seed, catchers) : undefined,
    echoes: echoesOf(own(0x7f4a_7c15), catchers),
    injector: injectorOf(own(0x1f12_3bb5)),
    intruder: intruderOf(own(0x9b05_688c), catchers, isSealed),
    liar: lies ? liarOf(own(0x8c1f_5be3), catchers) : undefined
  }
}

const tellingOf = (mishaps: Mishaps, tree: ReadonlyArray<Given>): ReadonlyArray<string> => {
  const { allDieMillis, cut, healMillis, replaced } = mishaps
  const { crashMillis, death, freeze } = mishaps.master
  const lines: Array<string> = []
  if (crashMillis !== undefined) lines.push(`the master crashes at ${crashMillis.toFixed(1)}`)
  if (freeze !== undefined) {
    lines.push(`the master is frozen at ${freeze.atMillis.toFixed(1)} for ${freeze.lastsMillis}`)
  }
  if (death !== undefined) {
    const { atMillis, restartMillis } = death
    lines.push(`the master dies at ${atMillis.toFixed(1)}, and is started again ${restartMillis.toFixed(1)} later`)
  }
  if (allDieMillis !== undefined) lines.push(`all catchers die at ${allDieMillis.toFixed(1)}`)
  for (const [name, link] of mishaps.narrow) lines.push(`${name}'s link: ${JSON.stringify(link)}`)
  if (cut !== undefined) {
    lines.push(`${cut.name}: ${cut.direction} is cut at ${cut.atMillis.toFixed(1)}, lasts ${cut.lastsMillis}`)
  }
  if (healMillis !== undefined) lines.push(`everything is healed at ${healMillis.toFixed(1)}`)
  if (replaced !== undefined) {
    const { inSession, millis, name } = replaced
    lines.push(`${name}'s destination is replaced ${inSession ? "in the session, after" : "at"} ${millis.toFixed(1)}`)
  }
  for (const { atMillis, mtuBytes, name } of mishaps.shortPaths) {
    lines.push(`the path to ${name} takes packets of ${mtuBytes} bytes from ${atMillis.toFixed(1)} on`)
  }
  for (const { atMillis, index, kind, lastsMillis } of mishaps.changes) {
    lines.push(`${display(tree[index].entry.path)} is ${kind} at ${atMillis.toFixed(1)}, ${lastsMillis?.toFixed(1)}`)
  }
  if (mishaps.survey !== undefined) lines.push(mishaps.survey.telling)
  if (mishaps.forger !== undefined) lines.push("somebody forges answers and pages")
  if (mishaps.intruder !== undefined) lines.push("a stranger says again what it hears, whole or changed")
  if (mishaps.liar !== undefined) lines.push(mishaps.liar.telling)
  if (mishaps.echoes !== undefined) lines.push("questions and answers come once more, damaged")
  if (mishaps.injector !== undefined) lines.push(mishaps.injector.telling)
  return lines
}

/** Brings the mishaps about, each at its time. */
const befall = Effect.fnUntraced(function* (
  world: World,
  mishaps: Mishaps,
  source: Changing,
  excuses: Excuses,
  tell: (line: string) => void
) {
  const { allDieMillis, changes, cut, healMillis, machines, replaced } = mishaps
  const { crashMillis, death, freeze } = mishaps.master
  const { excuse } = excuses
  mishaps.forger?.begin(world)
  mishaps.echoes?.begin(world)
  mishaps.intruder?.begin(world)
  mishaps.liar?.begin(world, excuse)
  for (const [name, narrowed] of mishaps.narrow) yield* world.network.impairLink(name, "Group", { narrow: narrowed })
  const acts = machines.map(({ act }, i) => act?.(world, world.hosts[i]) ?? Effect.void)
  for (const { atMillis, mtuBytes, name } of mishaps.shortPaths) {
    if (mtuBytes < leastPacketBytes) excuse(name, unreached)
    acts.push(Effect.andThen(Effect.sleep(atMillis), world.network.impairLink(name, "Group", { mtuBytes })))
  }
  if (crashMillis !== undefined) acts.push(Effect.andThen(Effect.sleep(crashMillis), world.master.crash))
  if (freeze !== undefined) acts.push(freezeMaster(world, freeze))
  if (death !== undefined) acts.push(restartMaster(world, death, excuse))
  if (allDieMillis !== undefined) acts.push(killAll(world, allDieMillis, excuse))
  if (replaced !== undefined) acts.push(replaceDestination(world, replaced, excuse))
  if (mishaps.survey !== undefined) acts.push(mishaps.survey.act(world, excuse))
  if (cut !== undefined) acts.push(cutLink(world, cut, excuses))
  if (mishaps.injector !== undefined) acts.push(mishaps.injector.act(world))
  if (mishaps.liar !== undefined) acts.push(mishaps.liar.act(world))
  const faults = Effect.all(acts, { concurrency: "unbounded", discard: true })
  const others = [healMillis === undefined ? faults : heal(world, healMillis, faults, excuses, tell)]
  for (const change of changes) others.push(changeFile(change, source))
  world.hosts.forEach((host, i) => void (host.isPersistent = machines[i].isPersistent))
  yield* Effect.all(others, { concurrency: "unbounded", discard: true })
})

// ---- what is sent ----

const treeOf = (dice: Dice, seed: number, catchers: number, isDelta: boolean) => {
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
  dig(new Dice(seed ^ 0x3f84_d5b5), seed, tree)
  if (isDelta) tree.push(Tree.file("image", new Dice(seed ^ 0x3956_c25b).whole(1_048_576, 2_300_000), seed))
  tree.push(...Tree.devices(new Dice(seed ^ 0x5b1e_77c3), tree.length))
  return { tree: Tree.attributed(new Dice(seed ^ 0x2f6c_91a7), tree), refused }
}

/** Some of the files have holes, in some stories. */
const dig = (dice: Dice, seed: number, tree: Array<Given>): void => {
  if (!dice.hits(0.3)) return
  tree.forEach((given, index) => {
    if (dice.hits(0.5)) tree[index] = Tree.withHoles(given, seed + index)
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

/** What befalls the master. */
interface MasterFaults {
  readonly crashMillis: number | undefined
  readonly freeze: Freeze | undefined
  readonly death: MasterDeath | undefined
}

interface Freeze {
  readonly atMillis: number
  readonly lastsMillis: number
}

interface MasterDeath {
  readonly atMillis: number
  /** Counted from its death. */
  readonly restartMillis: number
}

const masterDeathOf = (dice: Dice): MasterDeath | undefined =>
  dice.hits(0.08) ? { atMillis: dice.scaled(5, 2000), restartMillis: dice.scaled(20, 3000) } : undefined

const masterFaultsOf = (dice: Dice, death: MasterDeath | undefined): MasterFaults => {
  const crashMillis = dice.hits(0.04) ? dice.scaled(5, 1000) : undefined
  const atMillis = dice.hits(0.05) ? dice.scaled(5, 1000) : undefined
  const lastsMillis = dice.whole(10, shortMillis)
  return { crashMillis, freeze: atMillis === undefined ? undefined : { atMillis, lastsMillis }, death }
}

/** How long a commit that was under way when a master died may take. */
const commitMillis = 3000

// kill -9 and a supervisor: its catchers live on, and are the next one's, but those that had the
// tree already.
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

const freezeMaster = ({ master }: World, { atMillis, lastsMillis }: Freeze) =>
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
    // a catcher that has it all already, or does not run, is not hit
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
