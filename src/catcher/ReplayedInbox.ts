/** A catcher's inbox. The last batch may be heard once more, by the next that listens. */
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type { Inbox } from "../session/Incoming.ts"

type Batches = Effect.Success<Inbox>

interface Options {
  readonly pull: Pull.Pull<Batches, Effect.Error<Inbox>>
  /** The inbox is listened to from now on. */
  readonly listens: () => void
  /** Something has arrived, and is worked on from now on. */
  readonly works: () => void
}

export class ReplayedInbox {
  replaysLast = false
  readonly inbox: Inbox
  private last: Batches = []

  constructor({ listens, pull, works }: Options) {
    const next = Effect.map(
      Pull.catchDone(pull, () => Effect.never),
      (batches) => {
        works()
        this.last = batches
        return batches
      }
    )
    this.inbox = Effect.suspend(() => {
      if (this.replaysLast) {
        this.replaysLast = false
        return Effect.succeed(this.last)
      }
      listens()
      return next
    })
  }
}
