/** The files on their way, for a person to see. */
import type { Looking, UnderWay as Told } from "../report/Event.ts"
import { display } from "../tree/Names.ts"
import type { Entry } from "../tree/Entry.ts"
import type { CarriedFile } from "../tree/Plan.ts"
import type { Looked } from "../phase/Further.ts"

/** The states of a delivery. "Waiting": nobody but stragglers waits for the file any more. */
export type State = Told["state"] | "Done"

/** So many are told, the first of them. */
const told = 8

/** The deliveries that are neither still to begin nor done. */
export class UnderWay {
  /** By file and slot. */
  private readonly looked = new Map<number, Map<number, Looked>>()
  private readonly files = new Map<number, { readonly carried: CarriedFile; readonly state: Told["state"] }>()

  becomes(carried: CarriedFile, state: State): void {
    if (state === "Done") this.left(carried)
    else this.files.set(carried.file, { carried, state })
  }

  left({ file }: CarriedFile): void {
    this.files.delete(file)
    this.looked.delete(file)
  }

  /** So far a catcher is with its own version of the file; undefined: it has answered. */
  looks({ file }: CarriedFile, slot: number, looked: Looked | undefined): void {
    if (!this.files.has(file)) return
    const those = this.looked.get(file) ?? new Map<number, Looked>()
    if (looked === undefined) those.delete(slot)
    else this.looked.set(file, those.set(slot, looked))
  }

  /** How far a catcher is with large files that it reads; undefined: it reads none. */
  looking(slot: number): Looking | undefined {
    const those = [...this.looked.values()].flatMap((slots) => slots.get(slot) ?? [])
    if (those.length === 0) return undefined
    const sum = (of: keyof Looked) => those.reduce((sum, looked) => sum + looked[of], 0)
    return { bytes: sum("hashed"), total: sum("toHash") }
  }

  /** Is nothing on its way but files that catchers still open? */
  get isOpening(): boolean {
    return this.files.size > 0 && [...this.files.values()].every(({ state }) => state === "Opening")
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
