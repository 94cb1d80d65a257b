/**
 * A small persistent map: a change copies one bucket and the row of them, so that a look-up and a change take the same time
 * however many there are, and earlier maps stay as they were. Pure.
 */

type Key = number | string

/** A map from numbers or texts. */
export type Table<K extends Key, V> = ReadonlyArray<ReadonlyArray<readonly [key: K, value: V]>>

const buckets = 256

/** A table that holds nothing. */
export const empty: Table<never, never> = Array.from({ length: buckets }, () => [])

// FNV-1a of the text; numbers that are counted or drawn by chance spread by themselves.
const bucketOf = (key: Key): number => {
  if (typeof key === "number") return key & (buckets - 1)
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 16)) & (buckets - 1)
}

/** The value of a key, if it has one. */
export const get = <K extends Key, V>(self: Table<K, V>, key: K): V | undefined =>
  self[bucketOf(key)].find((entry) => entry[0] === key)?.[1]

/** The table with another value for a key. */
export const set = <K extends Key, V>(self: Table<K, V>, key: K, value: V): Table<K, V> => {
  return changed(self, key, [[key, value]])
}

/** The table without a key. */
export const remove = <K extends Key, V>(self: Table<K, V>, key: K): Table<K, V> => {
  return changed(self, key, [])
}

const changed = <K extends Key, V>(self: Table<K, V>, key: K, added: Table<K, V>[number]): Table<K, V> => {
  const bucket = bucketOf(key)
  const out = self.slice()
  out[bucket] = [...self[bucket].filter((entry) => entry[0] !== key), ...added]
  return out
}
