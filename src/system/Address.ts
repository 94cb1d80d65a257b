/** Addresses of this machine and of others, as text. */

/** "ip:port": compared as text. */
export type Address = string

/**
 * Can a datagram from there be answered? Anybody can write port 0, or an address of many or of nobody, into what he sends; what
 * would answer it must not fail.
 */
export const isAnswerable = (host: string, port: number): boolean => {
  const first = Number.parseInt(host)
  return port !== 0 && first !== 0 && first < firstOfMany
}

/** From here on addresses are groups, reserved, or everybody (RFC 5771, RFC 1112). */
const firstOfMany = 224
