/** A mode's upper bits, which say what it is of, and a device's number, both as Linux packs them. Pure. */

/** What a mode may be of. */
export type Kind = "File" | "Directory" | "Symlink" | "Fifo" | "Socket" | "CharacterDevice" | "BlockDevice"

const upper: Readonly<Record<Kind, number>> = {
  ...{ Fifo: 1, CharacterDevice: 2, Directory: 4, BlockDevice: 6 },
  ...{ File: 8, Symlink: 10, Socket: 12 }
}

const kinds: ReadonlyArray<Kind | undefined> = Array.from({ length: 16 }, (_, bits) =>
  (Object.keys(upper) as Array<Kind>).find((kind) => upper[kind] === bits)
)

/** Undefined: of nothing that is known. */
export const kindOf = (mode: number): Kind | undefined => kinds[(mode >> 12) & 0o17]

/** The whole mode of something with these permission bits. */
export const modeOf = (kind: Kind, permissions: number): number => (upper[kind] << 12) | permissions

/** A device's number of its major number's 12 bits and its minor number's 20. */
export const deviceOf = (major: number, minor: number): number =>
  (minor & 0xff) + major * 2 ** 8 + (minor >>> 8) * 2 ** 20

/** Both of them, of such a number. */
export const numbersOf = (device: number): readonly [major: number, minor: number] => [
  (device >>> 8) & 0xfff,
  (device & 0xff) | ((device >>> 12) & 0xfff00)
]
