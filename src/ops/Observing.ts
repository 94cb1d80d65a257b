/** Looks at this machine: the one edge of the doctor's that reads the system. It changes nothing, and no datagram leaves the machine. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import type { Here } from "../report/Diagnosis.ts"
import type { Link } from "../system/Link.ts"
import type { Ruleset } from "../system/Ruleset.ts"
import { type Address, type Received, Transport, type TransportError } from "../transport/Transport.ts"
import * as Header from "../wire/Header.ts"
import * as Firewall from "./Firewall.ts"

/** What the system says. */
export interface Surroundings {
  readonly link: Link
  readonly ruleset: Ruleset
  /** Why there is no segmentation offload; undefined: there is. */
  readonly offload: string | undefined
}

/** Where to look. */
export interface Options {
  readonly role: Here["role"]
  readonly group: string
  readonly port: number
  readonly network: {
    readonly name: string
    readonly address: string
    readonly mtuBytes: number
    readonly others?: ReadonlyArray<string>
  }
  /** The interface was asked for. */
  readonly isAsked: boolean
  readonly surroundings: Surroundings
  /** Both ends of the group, whose datagrams pass no router and leave no machine. */
  readonly master: Layer.Layer<Transport, TransportError>
  readonly catcher: Layer.Layer<Transport, TransportError>
}

/** Copies of what is sent to the group, and how long each is waited for: another master calls in less than all of it. */
const copies = 3
const waitMillis = 100
/** A length that no datagram of a session has: each program that hears it ignores it. */
const nonceBytes = 12
/** Of the ports that the system gives a socket which asks for none. */
const anyOwnPort = 46_000

/** Looks at this machine; takes 0.3 s. */
export const observe = Effect.fn("Observing.observe")(function* (options: Options) {
  const { group, isAsked, network, port, role, surroundings } = options
  const { link, offload, ruleset } = surroundings
  const heard = yield* hear(options)
  const others = network.others ?? []
  const isLoopback = network.address.startsWith("127.")
  return {
    ...{ group: `${group}:${port}`, role, others, isLoopback, offload, ...heard },
    ...{ interface: network.name, address: network.address, mtuBytes: network.mtuBytes },
    why: isAsked ? "Asked" : others.length > 0 ? "DefaultRoute" : "OnlyOne",
    ...link,
    ...(ruleset.unread === undefined ? judged(options) : { unread: ruleset.unread })
  } satisfies Here
})

/** What the firewall does to the datagrams of a session. */
const judged = ({ group, network, port, surroundings }: Options): Pick<Here, "groupIn" | "answersIn" | "groupOut"> => {
  const rules = Firewall.rulesOf(surroundings.ruleset)
  const ofGroup = { interface: network.name, to: group, toPort: port, isMulticast: true }
  const answer = { interface: network.name, to: network.address, toPort: anyOwnPort, isMulticast: false }
  return {
    groupIn: Firewall.judge({ ...ofGroup, hook: "input" }, ...rules),
    answersIn: Firewall.judge({ ...answer, hook: "input" }, ...rules),
    groupOut: Firewall.judge({ ...ofGroup, hook: "output", from: network.address }, ...rules)
  }
}

/** What is heard on the group: what was sent from here, and other masters. */
const hear = ({ catcher, master }: Options) =>
  Effect.scoped(
    Effect.gen(function* () {
      const word = Random.nextIntBetween(128, 255)
      const nonce = Uint8Array.from(yield* Effect.replicateEffect(word, nonceBytes))
      const { ears, receiveBufferBytes } = yield* listening(yield* endOf(catcher), nonce)
      const unsent = yield* saying(yield* endOf(master), nonce)
      return { receiveBufferBytes, unsent, ...ears }
    })
  )

/** One end, until the scope closes. */
const endOf = (layer: Layer.Layer<Transport, TransportError>) =>
  Effect.map(Layer.build(Layer.fresh(layer)), (context) => Context.get(context, Transport))

interface Ears {
  hearsItself: boolean
  otherMaster: Address | undefined
}

/** Listens until the scope closes. */
const listening = Effect.fnUntraced(function* (
  { receive, receiveBufferBytes }: Transport["Service"],
  nonce: Uint8Array
) {
  const ears: Ears = { hearsItself: false, otherMaster: undefined }
  const take = ({ bytes, from }: Received) => {
    if (Buffer.compare(bytes, nonce) === 0) ears.hearsItself = true
    else if (Header.valid(bytes, 0) && Header.typeOf(bytes, 0) === Header.types.Announce) ears.otherMaster = from
  }
  yield* Effect.forkScoped(
    Effect.ignore(Stream.runForEach(receive, (batch) => Effect.sync(() => batch.forEach(take)))),
    { startImmediately: true }
  )
  return { ears, receiveBufferBytes }
})

/** Says it to the group; why the system does not send it. */
const saying = Effect.fnUntraced(function* ({ refused, send }: Transport["Service"], bytes: Uint8Array) {
  for (let i = 0; i < copies; i++) {
    yield* send({ bytes, datagramBytes: bytes.length })
    yield* Effect.sleep(waitMillis)
  }
  return refused?.().reason
})
