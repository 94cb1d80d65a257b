/** What an observation of the catchers means: the second table of findings, those of the network. Pure, as `Findings` is. */
import { overheadBytes } from "../protocol/group/Reach.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Crowd, Finding, There } from "../report/Diagnosis.ts"
import { membershipHint } from "../report/Errors.ts"
import { ampleBufferBytes, bySeverity, kib, type Said } from "./Findings.ts"
import * as Rates from "./Rates.ts"

/** A finding of some catchers. */
type Rule = (crowd: Crowd) => ReadonlyArray<Said & { readonly catchers?: ReadonlyArray<There> }>

/** Names in a sentence. */
const namedInSentence = 5

const some = (all: ReadonlyArray<string>): string => {
  const named = all.slice(0, namedInSentence)
  return (all.length > named.length ? [...named, `${all.length - named.length} more`] : named).join(", ")
}
const names = (catchers: ReadonlyArray<There>): string => some(catchers.map(({ id }) => id))

/** "1 of 3 catchers", "1 catcher". */
const joined = ({ length }: ReadonlyArray<There>, wanted: number | undefined): string =>
  wanted === undefined
    ? `${length} ${length === 1 ? "catcher" : "catchers"}`
    : `${length} of ${wanted} ${wanted === 1 ? "catcher" : "catchers"}`

const percent = (part: number): string => `${Math.round(part * 1000) / 10} %`
const seconds = (millis: number): string => `${Math.round(millis / 100) / 10} s`
const rate = (bytesPerSecond: number): string => `${Math.round((bytesPerSecond * 8) / 1e5) / 10} Mbit/s`

/** One finding for all catchers of which it holds; none where it holds of none. */
const of = (
  { catchers }: Crowd,
  holds: (catcher: There) => boolean,
  say: (found: ReadonlyArray<There>) => Said
): ReturnType<Rule> => {
  const found = catchers.filter(holds)
  return found.length === 0 ? [] : [{ ...say(found), catchers: found }]
}

/** One finding for each catcher of which there is something to say. */
const each = ({ catchers }: Crowd, say: (catcher: There) => Said | undefined): ReturnType<Rule> =>
  catchers.flatMap((catcher) => {
    const said = say(catcher)
    return said === undefined ? [] : [{ ...said, catchers: [catcher] }]
  })

/** One finding for all catchers whose paths end at the same length of packet. */
const atLength = (
  { catchers }: Crowd,
  holds: (catcher: There) => boolean,
  say: (found: ReadonlyArray<There>) => Said
): ReturnType<Rule> => {
  const groups = new Map<string, Array<There>>()
  for (const catcher of catchers.filter(holds)) {
    const key = `${catcher.packetBytes} ${catcher.tooLongPacketBytes}`
    groups.set(key, [...(groups.get(key) ?? []), catcher])
  }
  return [...groups.values()].map((found) => ({ ...say(found), catchers: found }))
}

const arrivedOf = ({ steps }: There): number => steps.reduce((sum, { arrived = 0 }) => sum + arrived, 0)
const isMute = ({ steps }: There): boolean => steps.every(({ arrived }) => arrived === undefined)
const isBare = (catcher: There): boolean => !isMute(catcher) && arrivedOf(catcher) === 0
const isNarrow = (catcher: There): boolean =>
  !isMute(catcher) && !isBare(catcher) && catcher.packetBytes < catcher.wantedPacketBytes
/** Its short datagrams pass alone, and not glued together: something measures what is glued. */
const isMeasured = (catcher: There): boolean => isNarrow(catcher) && catcher.takesGlued === false

/** "packets of 1400 bytes reach c2, of 1401 bytes they do not". */
const passing = (found: ReadonlyArray<There>): string => {
  const [{ packetBytes, tooLongPacketBytes }] = found
  const others = tooLongPacketBytes === undefined ? "larger ones do not" : `of ${tooLongPacketBytes} bytes they do not`
  return `packets of ${packetBytes} bytes reach ${names(found)}, ${others}`
}

/** The page that such a packet carries, with room for a tag. */
const pageOf = (packetBytes: number): number => Math.max(Limits.minPageBytes, packetBytes - overheadBytes)

/** The packet of the longest answer. */
const longestAnswerBytes = Limits.longestMessageBytes + Limits.udpHeaderBytes

/** Losses that are told. */
const toldLoss = 0.01
/** So many answers to the questions that arrived are expected, of so many questions at least. */
const leastAnswered = 0.7
const leastAsked = 4
/** A catcher that takes so much less than the fastest is told of. */
const slowShare = 0.5
/** Of a second in which most was lost, while hardly anything was otherwise. */
const burstLost = 0.5
const steadyLost = 0.1
/** Queriers ask every 125 s (RFC 3376). */
const querySeconds = 130
/** Catchers that fall silent within so many seconds do so together. */
const togetherSeconds = 5

const lossOf = (catcher: There): number => (isBare(catcher) ? 0 : (Rates.taken(catcher.steps)?.lost ?? 0))

/** What the catcher takes, in words. */
const takes = (catcher: There): string => {
  const found = Rates.taken(catcher.steps)
  if (found === undefined) return "no answer"
  return `${rate(found.bytesPerSecond)}${found.isAll ? "" : " or more"}`
}

const speedOf = (catcher: There): number => Rates.taken(catcher.steps)?.bytesPerSecond ?? 0

/** Those that were measured, the fastest of them, and those that take much less, or less than a gigabit alone. */
const speedsOf = ({ catchers }: Crowd) => {
  const measured = catchers.filter((catcher) => !isMute(catcher) && !isBare(catcher))
  const most = Math.max(...measured.map(speedOf))
  const fastest = measured.find((catcher) => speedOf(catcher) === most)
  const isSlow = (catcher: There) => Rates.taken(catcher.steps)?.isAll === true
  const slow = measured.filter(
    (catcher) => isSlow(catcher) && (measured.length === 1 || speedOf(catcher) < slowShare * most)
  )
  return { measured, fastest, slow }
}

/** Catchers that heard nothing from some second to the end. */
const silenced = ({ catchers }: Crowd): ReadonlyArray<There> =>
  catchers.filter(({ clock }) => clock?.silentFromSecond !== undefined && clock.seconds - clock.silentFromSecond >= 2)

const areTogether = (catchers: ReadonlyArray<There>): boolean => {
  const seconds = catchers.map(({ clock }) => clock?.silentFromSecond ?? 0)
  return Math.max(...seconds) - Math.min(...seconds) <= togetherSeconds
}

const isAllSilenced = (crowd: Crowd): boolean =>
  crowd.catchers.length > 0 && silenced(crowd).length === crowd.catchers.length && areTogether(crowd.catchers)

/** The findings of the network, in the order in which they are told. */
export const rules = {
  nobody: ({ away, catchers, waitedMillis }) =>
    catchers.length > 0 || away.length > 0
      ? []
      : [
          {
            severity: "Stops",
            seen: `no catcher joined within ${seconds(waitedMillis)}`,
            means: "none is started, or it does not hear this machine, or this machine does not hear it",
            mend: `Start "mrsync catch DEST" on a machine, with the same keys, group and network; where that waits in vain, "mrsync doctor" there says why`
          }
        ],
  away: ({ away, catchers, waitedMillis, wanted }) =>
    away.length === 0
      ? []
      : [
          {
            // those that were not waited for stop nothing
            severity: catchers.length < (wanted ?? 0) ? "Stops" : "Hinders",
            seen: `${joined(catchers, wanted)} joined within ${seconds(waitedMillis)}; of the others: ${some(
              away.map(({ address, id, reason }) =>
                [id === "" ? [] : [`${id}${address === undefined ? "" : ` (${address})`}`], reason].flat().join(": ")
              )
            )}`,
            means: "a session would wait for them, or go on without them",
            mend: `Start "mrsync catch DEST" on those that did not come; where that waits in vain, "mrsync doctor" there says why`
          }
        ],
  "too-few": ({ away, catchers, waitedMillis, wanted = 0 }) =>
    catchers.length === 0 || catchers.length >= wanted || away.length > 0
      ? []
      : [
          {
            severity: "Stops",
            seen: `${joined(catchers, wanted)} joined within ${seconds(waitedMillis)}`,
            means: "a session would wait for the others",
            mend: `Start "mrsync catch DEST" on them, or wait longer with --wait`
          }
        ],
  mute: (crowd) =>
    of(crowd, isMute, (found) => ({
      severity: "Stops",
      seen: `${names(found)} joined, and answered nothing after that`,
      means:
        "what is sent to the group, or what comes back, is lost on the way: a firewall or a switch that limits multicast",
      mend: `Run "mrsync doctor" there as root, and look for limits of multicast (storm control) in the switch`
    })),
  "no-page": (crowd) =>
    of(crowd, isBare, (found) => ({
      severity: "Stops",
      seen: `questions arrive at ${names(found)}, and datagrams of ${found[0].packetBytes} bytes do not`,
      means: "something on the way lets small datagrams through and no larger ones",
      mend: "Look for a tunnel with a small MTU, or a filter of fragments or of large datagrams, on the way to them"
    })),
  narrow: (crowd) =>
    atLength(
      crowd,
      (catcher) => isNarrow(catcher) && !isMeasured(catcher),
      (found) => ({
        severity: "Hinders",
        seen: passing(found),
        means: `pages are so small for all catchers of their session, though this machine could send ${found[0].wantedPacketBytes} bytes`,
        mend: "mrsync finds that out by itself. What is narrow is a tunnel on the way, or a port with a smaller MTU: ip link set DEV mtu 1500 there, where it can be"
      })
    ),
  "by-length": (crowd) =>
    atLength(crowd, isMeasured, (found) => ({
      severity: "Hinders",
      seen: `${passing(found)}; nor do shorter ones that this kernel has glued together`,
      means:
        "a firewall drops datagrams by their length. Pages are so small for all catchers of their session, and each is sent by a system call of its own, which is several times slower",
      mend: `There or on the way to them, as root: "nft -a list ruleset" shows the rule that asks for a length, "nft delete rule" removes it. Until then mrsync finds the size out by itself; --page-size ${pageOf(found[0].packetBytes)} begins with it`
    })),
  "not-glued": (crowd) =>
    of(
      crowd,
      (catcher) => catcher.takesGlued === false && !isMeasured(catcher),
      (found) => ({
        severity: "Hinders",
        seen: `${names(found)} get no datagrams that this kernel has glued together`,
        means: "each is sent by a system call of its own, to all catchers, which is several times slower",
        mend: "Look for a bridge or a filter on the way that measures packets before they are cut apart"
      })
    ),
  "long-answers": (crowd) =>
    each(crowd, ({ answerPacketBytes, id }) =>
      answerPacketBytes === undefined
        ? undefined
        : {
            severity: "Stops",
            seen: `answers of ${id} in packets of ${answerPacketBytes} bytes come back, longer ones do not`,
            means: `an answer that says much has up to ${longestAnswerBytes} bytes: where the catcher loses pages, or has an older tree, it is lost to the session after some time-outs`,
            mend: `Look for a firewall that drops UDP by its length on the way back, there, here and between: as root, "nft -a list ruleset" shows such a rule, "nft delete rule" removes it`
          }
    ),
  loss: (crowd) =>
    each(crowd, (catcher) => {
      const lost = lossOf(catcher)
      return lost < toldLoss
        ? undefined
        : {
            severity: "Hinders",
            seen: `of the datagrams to ${catcher.id}, ${percent(lost)} are lost at ${rate(catcher.steps[0].bytesPerSecond)}`,
            means: "as much is sent again, or repaired by parity; so slow a rate is no reason for it, the way is",
            mend: "Look at the cable, the duplex and the error counters of its switch port (ethtool -S); Wi-Fi loses multicast"
          }
    }),
  "answers-lost": (crowd) =>
    each(crowd, (catcher) => {
      const { answered, asked, id } = catcher
      // of those that were lost on the way there none can be answered
      const isAnswered = answered / asked >= leastAnswered * (1 - lossOf(catcher))
      return isMute(catcher) || asked < leastAsked || isAnswered
        ? undefined
        : {
            severity: "Hinders",
            seen: `of ${asked} questions to ${id}, ${answered} were answered, though its datagrams arrive`,
            means: "answers are lost on the way back, so each question is asked again and again",
            mend: "Look at the way from the catcher to the master: another route, a limit of UDP, a full link"
          }
    }),
  slow: (crowd) => {
    const { fastest, slow } = speedsOf(crowd)
    return slow.map((catcher) => ({ ...slowness(catcher, fastest), catchers: [catcher] }))
  },
  "small-buffer-there": (crowd) =>
    of(
      crowd,
      ({ receiveBufferBytes }) => receiveBufferBytes < ampleBufferBytes,
      (found) => ({
        severity: "Hinders",
        seen: `the receive buffer of ${names(found)} is ${kib(Math.min(...found.map((one) => one.receiveBufferBytes)))} long`,
        means:
          "what comes while such a machine does something else is lost and sent again, and the window of all is no larger",
        mend: "There, as root: sysctl -w net.core.rmem_max=16777216"
      })
    ),
  "stops-forwarding": (crowd) =>
    isAllSilenced(crowd)
      ? [
          {
            severity: "Stops",
            seen: `all catchers heard nothing any more from second ${Math.min(...crowd.catchers.map(({ clock }) => clock?.silentFromSecond ?? 0))} of the watch on`,
            means: "a switch has stopped forwarding the group, as one does that snoops IGMP and hears no querier",
            mend: membershipHint,
            catchers: crowd.catchers
          }
        ]
      : [],
  silenced: (crowd) =>
    isAllSilenced(crowd)
      ? []
      : silenced(crowd).map((catcher) => ({
          severity: "Stops" as const,
          seen: `${catcher.id} answered nothing any more from second ${catcher.clock?.silentFromSecond} of the watch on`,
          means: "it was stopped, or its switch port no longer gets the group",
          mend: `Look whether mrsync still runs there. ${membershipHint}`,
          catchers: [catcher]
        })),
  bursts: (crowd) =>
    each(crowd, ({ clock, id }) =>
      clock === undefined ||
      clock.silentFromSecond !== undefined ||
      clock.worstLost < burstLost ||
      1 - clock.arrived / clock.sent > steadyLost
        ? undefined
        : {
            severity: "Hinders",
            seen: `${id} lost ${percent(clock.worstLost)} in second ${clock.worstSecond} of ${clock.seconds}, and little otherwise`,
            means:
              "something is busy now and then: other traffic, a spanning tree that is made anew, a machine that sleeps",
            mend: "Watch longer with --watch, and look what comes at the same distance"
          }
    ),
  "no-querier": ({ queries }) =>
    queries === undefined || queries.count > 0 || queries.seconds < querySeconds
      ? []
      : [
          {
            severity: "Hinders",
            seen: `no IGMP query came in ${Math.round(queries.seconds)} s`,
            means: "where a switch snoops, it forgets after some minutes who is in the group, and the session dies",
            mend: "Switch on the IGMP querier of a switch or router of this network, or snooping off in all switches"
          }
        ],
  slowest: (crowd) => {
    const { measured, slow } = speedsOf(crowd)
    const least = Math.min(...measured.map(speedOf))
    const slowest = measured.filter((catcher) => speedOf(catcher) === least)
    return slow.length > 0 || slowest.length === 0 || slowest.length === measured.length
      ? []
      : [
          {
            severity: "Note",
            seen: `the slowest is ${names(slowest)}, which takes ${takes(slowest[0])}`,
            means: "the others get what they take, and it is made whole after them",
            catchers: slowest
          }
        ]
  }
} as const satisfies Record<string, Rule>

/** A catcher that takes less than was tried. */
const slowness = (catcher: There, fastest: There | undefined): Said => {
  const { dropped, id, receiveBufferBytes } = catcher
  const beside = fastest === undefined || catcher === fastest ? "" : `, ${fastest.id} ${takes(fastest)}`
  return {
    severity: "Hinders",
    seen: `${id} takes about ${takes(catcher)}${beside}`,
    ...(dropped > 0
      ? {
          means: `its own buffer of ${kib(receiveBufferBytes)} lost ${dropped} datagrams: the machine is slower than its link`,
          mend: "There, as root: sysctl -w net.core.rmem_max=16777216; and look what else it does"
        }
      : {
          means: "its own buffers lost nothing, so the way to it is narrower than what was sent",
          mend: `Look at the rate of its link and of the ports on the way (ethtool); where that is all there is, send with --bwlimit, or let mrsync serve it after the others`
        })
  }
}

/** The findings of the network. */
export const ofCrowd = (crowd: Crowd): ReadonlyArray<Finding> =>
  bySeverity(
    Object.entries<Rule>(rules).flatMap(([id, rule]) =>
      rule(crowd).map(({ catchers, ...said }) => ({
        id,
        ...said,
        ...(catchers === undefined ? {} : { catchers: catchers.map((catcher) => catcher.id) })
      }))
    )
  )
