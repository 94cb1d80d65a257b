/**
 * Which catchers are to be sent something, as of now: by the roster, by what the ledger says they
 * lack, and by their paths.
 */
import * as Effect from "effect/Effect"
import * as Roster from "../protocol/group/Roster.ts"
import { Members, Paths, Silence } from "../session/Session.ts"
import type { Audience } from "../wire/Message.ts"
import type { Ledger } from "./Ledger.ts"

interface Services {
  readonly members: Members["Service"]
  readonly silence: Silence["Service"]
  readonly paths: Paths["Service"]
}

export class Audiences {
  /** Catchers that hold the manifest. */
  readonly holders = new Set<number>()
  /** Those of them that were surveyed, whether they have answered or not. */
  readonly asked = new Set<number>()
  /** Those of them that take part in files: with a policy they have answered the survey. */
  readonly prepared = new Set<number>()
  /** Those that are in doubt of something: they are sent lists. */
  readonly doubting = new Set<number>()
  private readonly ledger: Ledger
  private readonly services: Services

  constructor(ledger: Ledger, services: Services) {
    this.ledger = ledger
    this.services = services
  }

  /** Those of a session. */
  static readonly make = Effect.fnUntraced(function* (ledger: Ledger) {
    return new Audiences(ledger, { members: yield* Members, silence: yield* Silence, paths: yield* Paths })
  })

  /**
   * One that has no room for the tree, cannot read the manifest, or has lost its destination [F-8]
   * is sent nothing else.
   */
  present(): Audience {
    return Roster.present(this.services.members.roster())
      .map((member) => member.slot)
      .filter((slot) => !this.ledger.satOutManifest(slot))
  }

  /** Those that pages reach. */
  reachable(): Audience {
    const { paths, silence } = this.services
    const { isKnown, whyOut } = paths
    return this.present().filter((slot) => !silence.isAway(slot) && isKnown(slot) && whyOut(slot) === undefined)
  }

  newcomers(): Audience {
    return this.reachable().filter((slot) => !this.prepared.has(slot))
  }

  /** Those to which a file is still to be sent. */
  owed(file: number): Audience {
    const { doubting, ledger, prepared } = this
    const takesPart = (slot: number) => prepared.has(slot) || (doubting.has(slot) && ledger.isListFile(file))
    return this.reachable().filter((slot) => takesPart(slot) && ledger.lacks(slot, file) && ledger.knows(slot, file))
  }

  /**
   * Those that have the manifest and every file, and have not committed the tree; nobody while
   * files are to be taken anew.
   */
  holdingEverything(): Audience {
    const { ledger, prepared } = this
    if (ledger.changed().length > 0) return []
    return this.reachable().filter(
      (slot) => prepared.has(slot) && ledger.lacks(slot, 0) && !ledger.plan.some(({ file }) => ledger.lacks(slot, file))
    )
  }

  /** Is something to be taken anew for somebody? Those that have the tree keep it as it was. */
  areRevisionsOwed(): boolean {
    const { ledger } = this
    return ledger.changed().length > 0 && this.reachable().some((slot) => ledger.lacks(slot, 0))
  }
}
