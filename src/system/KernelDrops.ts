/**
 * Datagrams that Linux dropped because a socket's receive buffer was full: the last column of /proc/net/udp. A socket
 * is found there by its inode, since several sockets of one machine share a group's address. Elsewhere, or where /proc
 * says nothing, there are none.
 */
import * as Fs from "node:fs"

/** Inodes of the sockets that this process holds. Taken before and after a socket is opened, it tells its inode. */
export const inodes = (): ReadonlySet<string> => {
  const found = new Set<string>()
  if (process.platform !== "linux") return found
  for (const descriptor of listed("/proc/self/fd")) {
    const inode = ofDescriptor(Number(descriptor))
    if (inode !== undefined) found.add(inode)
  }
  return found
}

/** The inode that is new since `before`; undefined when it is not the only one. */
export const opened = (before: ReadonlySet<string>): string | undefined => {
  const fresh = [...inodes()].filter((inode) => !before.has(inode))
  return fresh.length === 1 ? fresh[0] : undefined
}

/** The inode of one of our descriptors. */
const ofDescriptor = (fd: number): string | undefined => /^socket:\[(\d+)\]$/.exec(target(`/proc/self/fd/${fd}`))?.[1]

/** What the kernel has dropped of one socket so far. */
export const count = (inode: string | undefined): number => {
  if (inode === undefined) return 0
  for (const line of text("/proc/self/net/udp").split("\n")) {
    // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ref pointer drops
    const columns = line.trim().split(/\s+/)
    if (columns[9] === inode) return Number(columns[12] ?? 0)
  }
  return 0
}

const listed = (folder: string): ReadonlyArray<string> => {
  try {
    return Fs.readdirSync(folder)
  } catch {
    return []
  }
}

// A descriptor may be closed between the listing and the look at it.
const target = (link: string): string => {
  try {
    return Fs.readlinkSync(link)
  } catch {
    return ""
  }
}

const text = (file: string): string => {
  try {
    return Fs.readFileSync(file, "latin1")
  } catch {
    return ""
  }
}
