/** Messages that arrive at a master: each goes to the part of the session that it concerns. */
import * as Effect from "effect/Effect"
import * as Roster from "../protocol/group/Roster.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Address } from "../transport/Transport.ts"
import type * as Message from "../wire/Message.ts"
import type { Announcer } from "./Announcing.ts"
import type { Arrived } from "./Exchange.ts"
import type { Parts } from "./Parts.ts"

export class Inbox {
  /** Messages that were none of ours. */
  ignored = 0
  private readonly parts: Parts
  private readonly announcer: Pick<Announcer, "onByeOk" | "onYounger">
  /** A master that was heard and falls silent may only be cut off for a while. */
  private readonly otherMasterMillis: number

  constructor(parts: Parts, announcer: Inbox["announcer"]) {
    this.parts = parts
    this.announcer = announcer
    this.otherMasterMillis = Math.max(parts.silence.awayMillis, Limits.hearsayMillis)
  }

  readonly receive = Effect.fnUntraced({ self: this }, function* (batch: ReadonlyArray<ReadonlyArray<Arrived>>) {
    const { members } = this.parts
    for (const glued of batch) {
      const effects: Array<Effect.Effect<void>> = []
      for (const arrived of glued) {
        const effect = this.take(arrived)
        if (effect !== undefined) effects.push(effect)
      }
      for (const effect of effects) yield* effect
    }
    if (members.isToWelcome()) yield* members.welcome
  })

  private take(arrived: Arrived): Effect.Effect<void> | undefined {
    if (arrived._tag === "OtherPage") return this.hearOther(arrived.from, this.otherMasterMillis)
    const effect = this.hear(arrived.from, arrived.message)
    if (effect !== "Ignored") return effect
    this.ignored++
    return undefined
  }

  private hearOther(address: Address, lastsMillis: number): Effect.Effect<void> {
    return Effect.sync(() => this.parts.other.onHeard(address, lastsMillis))
  }

  private hear(from: Address, message: Message.Message): Effect.Effect<void> | "Ignored" | undefined {
    const { exchange, members, other } = this.parts
    const isOurs = message.session === exchange.session
    switch (message._tag) {
      case "Join":
        return isOurs && !members.isOver ? members.join(from, message) : undefined
      case "Decline":
        // without a master it is a catcher's hint that it cannot open what is sealed
        return isOurs && message.master !== ""
          ? this.hearOther(message.master, Limits.hearsayMillis - message.silentMillis)
          : undefined
      case "Announce":
        if (isOurs) return undefined
        // of two masters that gather, the younger yields; equals part by their ids
        return this.isElder(message)
          ? this.hearOther(from, this.otherMasterMillis)
          : Effect.sync(() => this.announcer.onYounger())
      case "Bye":
        return isOurs ? undefined : Effect.sync(() => other.forgets(from))
      case "Abort":
        return isOurs || message.file !== undefined ? undefined : Effect.sync(() => other.forgets(from))
      case "OpenOk":
      case "SitOut":
      case "Missing":
      case "Complete":
      case "SurveyOk":
      case "Comparing":
      case "ItemizeOk":
      case "CloseOk":
      case "Aborted":
      case "ByeOk":
      case "PollOk":
      case "ProbeOk":
        return isOurs ? this.hearAnswer(from, message) : "Ignored"
      default:
        return "Ignored"
    }
  }

  private isElder(announce: Message.Announce): boolean {
    const { exchange, now, startedMillis } = this.parts
    const ours = Math.floor(now() - startedMillis)
    return announce.uptimeMillis > ours || (announce.uptimeMillis === ours && announce.session < exchange.session)
  }

  private hearAnswer(
    from: Address,
    message: Exclude<Message.FromCatcher, Message.Join | Message.Decline>
  ): Effect.Effect<void> | "Ignored" | undefined {
    const { asking, measuring, members, probing, sending, silence } = this.parts
    const { incarnation, slot } = message
    const member = Roster.memberOf(members.roster, slot, incarnation)
    // [J-7] one that was lost is told, so that it joins anew
    const isLost = Roster.isLost(members.roster, slot, incarnation, from)
    if (isLost && members.answerGivenUp(from, message)) return undefined
    if (member?.address !== from) return "Ignored"
    silence.onMessage(slot, message)
    const hasLeft = message._tag === "Aborted" && message.file === undefined
    if (member.isNew && !hasLeft) return members.prove(member)
    silence.isBack(slot)
    silence.said(slot, message)
    if (message._tag === "PollOk") {
      sending.pace.onAnswer(message)
      measuring.onCount(message)
    } else if (message._tag === "ProbeOk") {
      probing.onAnswer(message)
      measuring.onLongest(message)
    } else if (message._tag === "ByeOk") this.announcer.onByeOk(slot)
    else if (message.file === undefined) return members.lose(slot, "it was stopped there")
    else asking.onAnswer(slot, message)
    return undefined
  }
}
