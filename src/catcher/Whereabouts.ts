/**
 * [J-13] Says where we are when our address has changed, until it is known: the master takes
 * answers from the address that it knows alone.
 */
import * as Effect from "effect/Effect"
import * as Announce from "../phase/Announce.ts"
import type { CatcherExchange } from "../session/Exchange.ts"
import type { Transport } from "../transport/Transport.ts"
import type { FromMaster } from "../wire/Message.ts"

export const whereaboutsOf = (
  membership: Announce.Joined,
  name: string,
  transport: Transport["Service"],
  { tell }: CatcherExchange["Service"]
) => {
  const { incarnation, master } = membership
  let known = membership.place
  let said = known
  const say = Effect.suspend(() => {
    said = Announce.placeAt(said, transport.local)
    return tell(master, Announce.joinOf(transport, { ...membership, place: said }, name))
  })
  return {
    heard: (message: FromMaster): Effect.Effect<void> => {
      if (message._tag === "Announce" && transport.local !== known.local) return say
      if (message._tag !== "Welcome" || said === known) return Effect.void
      const isKnown = message.guests.some((guest) => guest.incarnation === incarnation && "slot" in guest)
      if (isKnown) known = said
      return Effect.void
    }
  }
}
