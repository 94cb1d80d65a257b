/**
 * The master's view of its catchers: who joined as which slot, and who is lost. Pure.
 *
 * a slot belongs to one incarnation for ever; a restarted catcher gets a slot of its own.
 * an answer counts only when slot and incarnation agree.
 * of two living catchers with one name the second is refused.
 * a name joins a session so many times at most: who comes and dies again and again must not keep it from ending.
 */
import type { Refusal } from "../wire/Message.ts"
import * as Limits from "./Limits.ts"

export interface Member {
  readonly slot: number
  readonly incarnation: number
  /** What the catcher told the master alone. */
  readonly key: number
  /** How often its address has changed. */
  readonly moves: number
  readonly name: string
  readonly address: string
  readonly receiveBufferBytes: number
  readonly lost: string | undefined
}

export interface Roster {
  /** By slot. */
  readonly members: ReadonlyArray<Member>
  /** The names that are awaited, when there is a list. */
  readonly hosts: ReadonlySet<string> | undefined
}

export const make = (hosts?: ReadonlyArray<string>): Roster => ({
  members: [],
  hosts: hosts === undefined ? undefined : new Set(hosts)
})

export interface Guest {
  readonly incarnation: number
  readonly key: number
  readonly moves: number
  readonly name: string
  readonly address: string
  readonly receiveBufferBytes: number
}

export type Joined =
  | { readonly _tag: "New"; readonly roster: Roster; readonly member: Member }
  | { readonly _tag: "Known"; readonly member: Member }
  /** The catcher has another address than before. */
  | { readonly _tag: "Moved"; readonly roster: Roster; readonly member: Member; readonly before: string }
  /** The incarnation is somebody else's, or its catcher has moved on since. */
  | { readonly _tag: "Foreign" }
  | { readonly _tag: "Refused"; readonly refusal: Refusal }

export const join = (self: Roster, guest: Guest): Joined => {
  const known = self.members.find((member) => member.incarnation === guest.incarnation)
  if (known !== undefined) {
    // an incarnation can be overheard: it is in the welcome
    if (known.key !== guest.key || known.name !== guest.name) return { _tag: "Foreign" }
    if (known.lost !== undefined) return { _tag: "Refused", refusal: "Started" }
    if (known.address === guest.address) return { _tag: "Known", member: known }
    if (guest.moves <= known.moves) return { _tag: "Foreign" }
    const moved: Member = { ...known, address: guest.address, moves: guest.moves }
    const members = self.members.map((member) => (member === known ? moved : member))
    return { _tag: "Moved", member: moved, roster: { ...self, members }, before: known.address }
  }
  if (self.hosts !== undefined && !self.hosts.has(guest.name)) return { _tag: "Refused", refusal: "NotListed" }
  if (present(self).some((member) => member.name === guest.name)) return { _tag: "Refused", refusal: "NameTaken" }
  if (self.members.filter((member) => member.name === guest.name).length >= Limits.joinsOfName) {
    return { _tag: "Refused", refusal: "TooOften" }
  }
  if (self.members.length >= Limits.slots) return { _tag: "Refused", refusal: "Full" }
  const member: Member = { ...guest, slot: self.members.length, lost: undefined }
  return { _tag: "New", member, roster: { ...self, members: [...self.members, member] } }
}

/** Whose answer is it? */
export const memberOf = (self: Roster, slot: number, incarnation: number): Member | undefined => {
  const member = self.members[slot]
  return member !== undefined && member.incarnation === incarnation && member.lost === undefined ? member : undefined
}

/** Was this incarnation given up? */
export const isLost = (self: Roster, slot: number, incarnation: number): boolean =>
  self.members[slot]?.incarnation === incarnation && self.members[slot].lost !== undefined

export const lose = (self: Roster, slot: number, reason: string): Roster => ({
  ...self,
  members: self.members.map((member) =>
    member.slot === slot && member.lost === undefined ? { ...member, lost: reason } : member
  )
})

/** Who was given up, and has not come back under its name. */
export const givenUp = (self: Roster): ReadonlyArray<Member> => {
  const names = new Set(present(self).map((member) => member.name))
  return self.members.filter((member) => member.lost !== undefined && !names.has(member.name))
}

export const present = (self: Roster): ReadonlyArray<Member> =>
  self.members.filter((member) => member.lost === undefined)

/** Who clocks the window: the first that joined, and instead of the last of them those who missed most lately. By slot. */
export const ackers = (self: Roster, missed: ReadonlyMap<number, number>): ReadonlyArray<number> => {
  const slots = present(self).map((member) => member.slot)
  const first = slots.slice(0, Limits.ackers)
  const worst = slots
    .filter((slot) => (missed.get(slot) ?? 0) > 0)
    .sort((a, b) => missed.get(b)! - missed.get(a)! || a - b)
    .slice(0, Limits.worstAckers)
  const others = first.filter((slot) => !worst.includes(slot))
  return [...worst, ...others.slice(0, Limits.ackers - worst.length)].sort((a, b) => a - b)
}

/** Awaited names that are not present. */
export const absent = (self: Roster): ReadonlyArray<string> => {
  const names = new Set(present(self).map((member) => member.name))
  return self.hosts === undefined ? [] : [...self.hosts].filter((name) => !names.has(name))
}
