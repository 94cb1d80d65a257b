/**
 * Announcing: a master says again and again that its session is there, stands back for an older
 * master's, and at the end says so.
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Roster from "../protocol/group/Roster.ts"
import * as Spread from "../protocol/group/Spread.ts"
import * as Limits from "../protocol/Limits.ts"
import { type Address, TransportError } from "../transport/Transport.ts"
import type * as Message from "../wire/Message.ts"
import type { Unsaid } from "./Exchange.ts"
import type { Options, Parts } from "./Parts.ts"
import type { Watched } from "./Silence.ts"

/** The last words, which nobody answers. */
type LastWords = Unsaid<Message.Bye | Message.Abort>

/** The session's place on the group. */
export class Announcing extends Context.Service<
  Announcing,
  {
    /**
     * Another master that uses the group, and how long that may be believed without a further sign
     * of it.
     */
    readonly otherMaster: () => { readonly address: Address; readonly leftMillis: number } | undefined
    /**
     * Leaves the group to another master until the scope closes: calls nobody, and lets go the
     * catchers that have joined.
     */
    readonly standBack: Effect.Effect<void, never, Scope.Scope>
    /**
     * Gives up the silent among those that have joined, although nothing is asked yet; never ends.
     */
    readonly rollCall: Effect.Effect<never, TransportError>
    /** [J-5] Ends the announcements; nobody is taken in any more. */
    readonly end: () => void
    /** Ends them, and says that a few times: a `Bye` only until each catcher has answered. [F-5] */
    readonly lastWords: (message: LastWords) => Effect.Effect<void, TransportError>
  }
>()("mrsync/session/Announcing") {}

type Announced = Pick<Options, "pageBytes" | "timeoutMillis" | "wanted">

export class Announcer {
  private readonly parts: Parts
  private readonly options: Announced
  private standsBack = false
  private home: Address
  /** Open when a younger master has called that has not heard us yet. */
  private readonly isCalled = Latch.makeUnsafe(false)
  /** Slots that have not answered the Bye, and open when there are none of them left. */
  private readonly staying = new Set<number>()
  private readonly haveLeft = Latch.makeUnsafe(false)

  constructor(parts: Parts, options: Announced) {
    this.parts = parts
    this.options = options
    this.home = parts.transport.local
  }

  service(): Announcing["Service"] {
    const { members, other, silence } = this.parts
    // [J-10] a catcher that joined and died before the session began is asked nothing yet
    const joined = (): Watched => members.present().map(({ slot }) => [slot, 0] as const)
    return {
      otherMaster: () => other.current(),
      standBack: this.standBack,
      rollCall: Effect.forever(silence.watch(joined)),
      end: () => void (members.isOver = true),
      lastWords: (message) => this.lastWords(message)
    }
  }

  private lastWords(message: LastWords): Effect.Effect<void, TransportError> {
    return Effect.gen({ self: this }, function* () {
      const { exchange, members } = this.parts
      members.isOver = true
      if (message._tag === "Bye") for (const { slot } of members.present()) this.staying.add(slot)
      for (let i = 0; i < Limits.lastWords; i++) {
        if (i > 0 && Option.isSome(yield* Effect.timeoutOption(this.haveLeft.await, Limits.lastWordsMillis))) return
        yield* exchange.sendNow({ ...message, session: exchange.session })
      }
    })
  }

  /** A catcher has answered the Bye. */
  onByeOk(slot: number): void {
    if (this.staying.delete(slot) && this.staying.size === 0) this.haveLeft.openUnsafe()
  }

  /** [J-4] A younger master gathers on the group: it hears of us while it still listens. */
  onYounger(): void {
    this.isCalled.openUnsafe()
  }

  private readonly standBack: Effect.Effect<void, never, Scope.Scope> = Effect.gen({ self: this }, function* () {
    const { members } = this.parts
    yield* Effect.acquireRelease(
      Effect.sync(() => void (this.standsBack = true)),
      () => Effect.sync(() => void (this.standsBack = false))
    )
    for (const { slot } of members.present()) yield* members.lose(slot, "it was left to the other master", Roster.letGo)
  })

  /** Once, and what follows until the next time. */
  readonly announce: Effect.Effect<void, TransportError> = Effect.suspend(() => {
    const { exchange, members } = this.parts
    if (members.isOver) return Effect.never
    // [J-7] nobody asks them any more, so they would wait forever
    for (const { incarnation } of Roster.givenUp(members.roster)) members.tellGivenUp(incarnation)
    const announcing = this.standsBack
      ? members.welcome
      : Effect.andThen(exchange.sendNow(this.message()), members.welcome)
    return Effect.andThen(this.staysHome, Effect.andThen(announcing, this.pause))
  })

  /** Until the next announcement; a call from a younger master shortens it. */
  private readonly pause = Effect.gen({ self: this }, function* () {
    yield* Effect.sleep(Limits.leastAnnounceMillis)
    yield* Effect.timeoutOption(this.isCalled.await, Limits.announceMillis - Limits.leastAnnounceMillis)
    this.isCalled.closeUnsafe()
  })

  private message(): Message.Announce {
    const { exchange, members, now, startedMillis } = this.parts
    const { pageBytes, timeoutMillis, wanted } = this.options
    return {
      _tag: "Announce",
      session: exchange.session,
      pageBytes,
      blockPages: Limits.blockPages,
      timeoutMillis,
      uptimeMillis: Math.floor(now() - startedMillis),
      spreadMillis: Spread.joinMillis(wanted),
      joined: members.present().length,
      wanted
    }
  }

  /** [J-13] Catchers heed the address that welcomed them alone. */
  private readonly staysHome = Effect.suspend(() => {
    const { members, transport } = this.parts
    const { local } = transport
    const before = this.home
    this.home = local
    if (local === before || members.roster.members.length === 0) return Effect.void
    const reason = `it changed from ${before} to ${local}, and the catchers heed the first alone: start the session again`
    return Effect.fail(new TransportError({ operation: "the address of this machine", reason }))
  })
}
