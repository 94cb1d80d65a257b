/** The files on their way, for a person to see. */
import type { UnderWay as Told } from "../report/Event.ts"
import { display } from "../tree/Names.ts"
import type { Entry } from "../tree/Entry.ts"
import type { CarriedFile } from "../tree/Plan.ts"

/** The states of a delivery. "Waiting": nobody but stragglers waits for the file any more. */
export type State = Told["state"] | "Done"

/** So many are told, the first of them. */
const told = 8

/** The deliveries that are neither still to begin nor done. */
export class UnderWay {
  private readonly files = new Map<number, { readonly carried: CarriedFile; readonly state: Told["state"] }>()

  becomes(carried: CarriedFile, state: State): void {
    if (state === "Done") this.left(carried)
    else this.files.set(carried.file, { carried, state })
  }

  left({ file }: CarriedFile): void {
    this.files.delete(file)
  }

  /** The first of them, in the order in which they began. */
  tell(entries: ReadonlyArray<Entry>): ReadonlyArray<Told> {
    return [...this.files.values()].slice(0, told).map(({ carried: { members, size }, state }) => {
      const [first] = members
      const path = first === undefined ? "" : display(entries[first.entry].path)
      return { path, files: members.length, bytes: size, state }
    })
  }
}
