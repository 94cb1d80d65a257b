/**
 * Says where we are when the master may not know it, until it does: when our address has changed
 * [J-13], because the master takes answers from the address that it knows alone; and when we were
 * out of reach for so long that it may have lost us as a newcomer [J-14], because our slot may be
 * another's since [J-17].
 */
import * as Effect from "effect/Effect"
import * as Announce from "../phase/Announce.ts"
import * as Delay from "../protocol/group/Delay.ts"
import type { CatcherExchange } from "../session/Exchange.ts"
import type { Transport } from "../transport/Transport.ts"
import type { FromMaster } from "../wire/Message.ts"

export const whereaboutsOf = (
  membership: Announce.Joined,
  name: string,
  transport: Transport["Service"],
  { tell }: CatcherExchange["Service"]
) => {
  const { incarnation, master, timeoutMillis } = membership
  let known = membership.place
  let said = known
  let uptimeMillis = Delay.uptimeMillis(membership.delay)
  let wasAway = false
  const say = Effect.suspend(() => {
    said = Announce.placeAt(said, transport.local)
    return tell(master, Announce.joinOf(transport, { ...membership, place: said }, name))
  })
  return {
    heard: (message: FromMaster): Effect.Effect<void> => {
      if (message._tag === "Announce") {
        wasAway ||= message.uptimeMillis - uptimeMillis >= timeoutMillis / 2
        uptimeMillis = Math.max(uptimeMillis, message.uptimeMillis)
        const isToSay = wasAway || transport.local !== known.local
        return isToSay ? Effect.andThen(Announce.spreading(message), say) : Effect.void
      }
      const isKnown =
        message._tag === "Welcome" &&
        message.guests.some((guest) => guest.incarnation === incarnation && "slot" in guest)
      if (isKnown) {
        known = said
        wasAway = false
      }
      return Effect.void
    }
  }
}
