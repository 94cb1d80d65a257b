/**
 * The master's view of its catchers: which joined as which slot, and which are lost. Pure.
 *
 * A catcher that has joined is a newcomer until it answers for the first time. Newcomers take part in nothing: a stranger that
 * joins and is silent costs the catchers nothing.
 *
 * a slot belongs to one incarnation forever, once that has answered; a restarted catcher gets a slot of its own.
 * an answer counts only when slot and incarnation agree, a join with a known incarnation only when address and name do.
 * of two living catchers with one name the second is refused; from the same host it may be the first one's next life. A
 *       newcomer holds no name.
 * a name joins a session so many times at most, fewer when it answers no question: a catcher that comes and dies again
 *       and again must not keep it from ending. A life that the master ended itself does not count.
 * a newcomer's slot is free when it is lost, and that of a catcher which is let go before the session begins; when all slots are taken, a newcomer gives way.
 */

import { isSameHost } from "../Address.ts"
import * as Limits from "../Limits.ts"
import * as Table from "../Table.ts"
import type { Refusal } from "../Words.ts"

/** A catcher that asks to join. */
export interface Guest {
  /** Names this life of the catcher. */
  readonly incarnation: number
  /** A secret that the catcher told the master alone. */
  readonly key: number
  /** How often its address has changed. */
  readonly moves: number
  readonly name: string
  /** Where its answers come from. */
  readonly address: string
  readonly receiveBufferBytes: number
}

/** A catcher, as its slot remembers it. */
export interface Member extends Guest {
  readonly slot: number
  /** Why it was given up; undefined: it is there. */
  readonly lost: string | undefined
  /** Has it answered yet? */
  readonly isNew: boolean
  /** Was it lost because it lives and answers no question? */
  readonly isMute: boolean
}

/** Every catcher that has ever joined, by slot. Never changed: each function gives a new one. */
export interface Roster {
  /** By slot. */
  readonly members: ReadonlyArray<Member>
  /** The names that are awaited, when there is a list. */
  readonly hosts: ReadonlySet<string> | undefined
  /** Awaited names that are not waited for any more: their hosts cannot be reached, and why. */
  readonly unreachable: ReadonlyMap<string, string>
  /** Slots of newcomers that were lost, and of catchers that were let go. */
  readonly free: ReadonlyArray<number>
  /** Joins that were taken in. */
  readonly joins: number
  readonly byIncarnation: Table.Table<number, number>
  /** Slots of those of a name that have answered, the latest last. */
  readonly byName: Table.Table<string, ReadonlyArray<number>>
}

/** An empty roster; with `hosts` it takes in these names alone. */
export const make = (hosts?: ReadonlyArray<string>): Roster => ({
  members: [],
  hosts: hosts === undefined ? undefined : new Set(hosts),
  unreachable: new Map(),
  free: [],
  joins: 0,
  byIncarnation: Table.empty,
  byName: Table.empty
})

/** The outcome of a join. */
export type Joined =
  | { readonly _tag: "New"; readonly roster: Roster; readonly member: Member }
  | { readonly _tag: "Known"; readonly member: Member }
  /** The catcher has another address than before. */
  | { readonly _tag: "Moved"; readonly roster: Roster; readonly member: Member; readonly before: string }
  /** The incarnation is somebody else's, or its catcher has moved on since. */
  | { readonly _tag: "Foreign" }
  | { readonly _tag: "Refused"; readonly refusal: Refusal }

/** Takes a catcher in, or says why not. [R-1] */
export const join = (self: Roster, guest: Guest): Joined => {
  const known = incarnationOf(self, guest.incarnation)
  if (known !== undefined) {
    // an incarnation can be overheard: it is in the welcome
    if (known.key !== guest.key || known.name !== guest.name) return { _tag: "Foreign" }
    if (known.lost !== undefined) return { _tag: "Refused", refusal: "Started" }
    if (known.address === guest.address) return { _tag: "Known", member: known }
    if (guest.moves <= known.moves) return { _tag: "Foreign" }
    const moved: Member = { ...known, address: guest.address, moves: guest.moves }
    const members = replaced(self.members, known.slot, moved)
    return { _tag: "Moved", member: moved, roster: { ...self, members }, before: known.address }
  }
  if (self.hosts !== undefined && !self.hosts.has(guest.name)) return { _tag: "Refused", refusal: "NotListed" }
  const refusal = refusalOf(self, guest)
  if (refusal !== undefined) return { _tag: "Refused", refusal }
  const slot = freeSlot(self)
  if (slot === undefined) return { _tag: "Refused", refusal: "Full" }
  const member: Member = { ...guest, slot, lost: undefined, isNew: true, isMute: false }
  const before = self.members[slot] as Member | undefined
  const byIncarnation = before === undefined ? self.byIncarnation : Table.remove(self.byIncarnation, before.incarnation)
  const roster: Roster = {
    ...self,
    members: before === undefined ? self.members.concat(member) : replaced(self.members, slot, member),
    free: self.free.filter((free) => free !== slot),
    joins: self.joins + 1,
    byIncarnation: Table.set(byIncarnation, guest.incarnation, slot)
  }
  return { _tag: "New", member, roster }
}

/** The living catcher that has that name, and is no newcomer. */
export const holderOf = (self: Roster, name: string): Member | undefined =>
  (Table.get(self.byName, name) ?? []).map((slot) => self.members[slot]).find(({ lost }) => lost === undefined)

const refusalOf = (self: Roster, { address, name }: Pick<Guest, "address" | "name">): Refusal | undefined => {
  const slots = Table.get(self.byName, name) ?? []
  const holder = holderOf(self, name)
  // a program that was killed and started again comes from the same host
  if (holder !== undefined) return isSameHost(holder.address, address) ? "Returning" : "NameTaken"
  if (slots.length === 0 && isClosed(self)) return "Full"
  const mute = slots.filter((slot) => self.members[slot].isMute).length
  return slots.length >= Limits.joinsOfName || mute >= Limits.muteJoinsOfName ? "TooOften" : undefined
}

// Somebody may join under one name after the other; those on a list are so many, and are awaited.
const isClosed = ({ hosts, members }: Roster): boolean =>
  hosts === undefined && members.filter(({ isMute }) => isMute).length >= Limits.muteJoins

const freeSlot = (self: Roster): number | undefined => {
  if (self.free.length > 0) return self.free[0]
  if (self.members.length < Limits.slots) return self.members.length
  // They came in the order of their slots, so that from here on the first one has waited longest.
  for (let i = 0; i < Limits.slots; i++) {
    const slot = (self.joins + i) % Limits.slots
    if (self.members[slot].isNew) return slot
  }
  return undefined
}

// Several times faster than Array.prototype.with.
const replaced = <A>(all: ReadonlyArray<A>, at: number, one: A): ReadonlyArray<A> => {
  const out = all.slice()
  out[at] = one
  return out
}

/** The outcome of a newcomer's first answer. */
export type Proved =
  | { readonly _tag: "Proved"; readonly roster: Roster }
  | { readonly _tag: "Refused"; readonly roster: Roster; readonly refusal: Refusal }

/** A newcomer has answered: it takes part from now on, unless another one of its name was faster. */
export const prove = (self: Roster, slot: number): Proved => {
  const member = self.members[slot]
  const refusal = refusalOf(self, member)
  if (refusal !== undefined) return { _tag: "Refused", roster: lose(self, slot, "its name was taken"), refusal }
  const slots = Table.get(self.byName, member.name) ?? []
  const roster: Roster = {
    ...self,
    members: replaced(self.members, slot, { ...member, isNew: false }),
    byName: Table.set(self.byName, member.name, [...slots, slot])
  }
  return { _tag: "Proved", roster }
}

const incarnationOf = (self: Roster, incarnation: number): Member | undefined => {
  const slot = Table.get(self.byIncarnation, incarnation)
  return slot === undefined ? undefined : self.members[slot]
}

/** Whose answer is it? */
export const memberOf = (self: Roster, slot: number, incarnation: number): Member | undefined => {
  const member = self.members[slot]
  return member !== undefined && member.incarnation === incarnation && member.lost === undefined ? member : undefined
}

/** Was the catcher that answers from there given up? A newcomer's slot may be somebody else's since. */
export const isLost = (self: Roster, slot: number, incarnation: number, address: string): boolean => {
  const member = incarnationOf(self, incarnation)
  if (member === undefined) return self.members[slot] !== undefined
  return member.slot === slot && member.address === address && member.lost !== undefined
}

/** Gives a catcher up; one that is given up already stays so, for its first reason. */
export const lose = (self: Roster, slot: number, reason: string): Roster => {
  const member = self.members[slot]
  if (member === undefined || member.lost !== undefined) return self
  return {
    ...self,
    members: replaced(self.members, slot, { ...member, lost: reason }),
    free: member.isNew ? [...self.free, slot] : self.free
  }
}

/** Loses a catcher that lives and has answered no question for long. */
export const loseMute = (self: Roster, slot: number, reason: string): Roster => {
  const member = self.members[slot]
  if (member === undefined || member.lost !== undefined) return self
  const mute = replaced(self.members, slot, { ...member, isMute: true })
  return lose({ ...self, members: mute }, slot, reason)
}

/**
 * Loses a catcher for a reason of the master's own, before its session begins: its name may join as often as before, and its
 * slot is free, as if it had never answered.
 */
export const letGo = (self: Roster, slot: number, reason: string): Roster => {
  const member = self.members[slot]
  if (member === undefined || member.lost !== undefined) return self
  const slots = Table.get(self.byName, member.name) ?? []
  const others = slots.filter((other) => other !== slot)
  const members = replaced(self.members, slot, { ...member, isNew: true })
  return lose({ ...self, members, byName: Table.set(self.byName, member.name, others) }, slot, reason)
}

/** Catchers that were given up, and have not come back under their names. */
export const givenUp = (self: Roster): ReadonlyArray<Member> => {
  const names = new Set(present(self).map((member) => member.name))
  return self.members.filter((member) => member.lost !== undefined && !names.has(member.name))
}

/** The catchers that take part now, by slot. */
export const present = (self: Roster): ReadonlyArray<Member> =>
  self.members.filter((member) => member.lost === undefined && !member.isNew)

/** Those that have joined and not answered yet. */
export const newcomers = (self: Roster): ReadonlyArray<Member> =>
  self.members.filter((member) => member.lost === undefined && member.isNew)

/** All that take part, or did. */
export const participants = (self: Roster): ReadonlyArray<Member> => self.members.filter((member) => !member.isNew)

/** The ackers: the first that joined, and instead of the last of them those that missed most lately. By slot. */
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

/** How many are wanted, as it is told: as many as come are no number. */
export const numberWanted = (wanted: number): { readonly wanted?: number } => (wanted < Limits.slots ? { wanted } : {})

/** Awaited names that are neither present nor unreachable. */
export const absent = (self: Roster): ReadonlyArray<string> => {
  const names = new Set(present(self).map((member) => member.name))
  return [...(self.hosts ?? [])].filter((name) => !names.has(name) && !self.unreachable.has(name))
}

/** An awaited catcher comes no more; the first reason stays. Where it is lost already, this is a part of why. */
export const giveUp = (self: Roster, name: string, reason: string): Roster => {
  if (self.hosts?.has(name) !== true || self.unreachable.has(name)) return self
  const unreachable = new Map([...self.unreachable, [name, reason]])
  const last = self.members[Table.get(self.byName, name)?.at(-1) ?? -1]
  if (last?.lost === undefined) return { ...self, unreachable }
  const members = replaced(self.members, last.slot, { ...last, lost: `${last.lost}; ${reason}` })
  return { ...self, members, unreachable }
}

/** Awaited names of which nobody is there, nor comes any more, and why. */
export const unreachable = (self: Roster): ReadonlyArray<readonly [name: string, reason: string]> => {
  if (self.unreachable.size === 0) return []
  const names = new Set(present(self).map((member) => member.name))
  return [...self.unreachable].filter(([name]) => !names.has(name))
}
