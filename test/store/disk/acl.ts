/** ACLs as Linux keeps them in an attribute. */

/** An ACL: tag, permissions and owner of each entry. */
export const acl = (...entries: ReadonlyArray<readonly [tag: number, bits: number, id?: number]>): Uint8Array => {
  const out = Buffer.alloc(4 + 8 * entries.length)
  out.writeUInt32LE(2, 0)
  entries.forEach(([tag, bits, id = 0xffff_ffff], i) => {
    out.writeUInt16LE(tag, 4 + 8 * i)
    out.writeUInt16LE(bits, 6 + 8 * i)
    out.writeUInt32LE(id, 8 + 8 * i)
  })
  return out
}
