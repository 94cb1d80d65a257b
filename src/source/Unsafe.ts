/**
 * Symbolic links that lead out of what is sent, as rsync tells them: by their text alone, without a look at the disk. Pure.
 */

/** Does a link at a path of the tree lead out of it? Both are one character a byte. */
export const isUnsafe = (target: string, path: string): boolean => {
  if (target === "" || target.startsWith("/")) return true
  // ".." counts at the beginning alone: after a name that may be a link itself it leads nobody knows where
  const rest = target.replace(/^(?:\.\.\/+)*/, "")
  if (rest.includes("/../") || /.\/\.\.$/.test(target)) return true
  let depth = 0
  for (const name of path.split("/").slice(0, -1))
    depth = name === ".." ? 0 : name === "." || name === "" ? depth : depth + 1
  const names = target.split("/")
  for (const [at, name] of names.entries()) {
    if (name === "..") depth--
    else if (name !== "." && name !== "" && at < names.length - 1) depth++
    if (depth < 0) return true
  }
  return false
}
