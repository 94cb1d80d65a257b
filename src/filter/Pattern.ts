/**
 * Patterns of filter rules, with rsync's meaning. Pure.
 *
 * Paths and patterns are bytes, as names on disk are: strings with one character a byte, as `Names.keyOf` makes them. A
 * pattern is matched in time that grows with the product of both lengths, whatever stands in it.
 */

/** A pattern, made ready to be matched. */
export interface Pattern {
  /** It begins with a slash: it is matched from the place where it is anchored. */
  readonly isAnchored: boolean
  /** Does it match a path? Relative to where the pattern is anchored, without a slash at either end. */
  readonly matches: (path: string, isDirectory: boolean) => boolean
}

/** One place of a pattern: a set of bytes, or any number of bytes. */
type Token =
  | { readonly _tag: "One"; readonly accepts: (byte: number) => boolean }
  | { readonly _tag: "Names" }
  | { readonly _tag: "Paths" }

const slash = 0x2f

/** Makes a pattern ready. Without a wildcard (`*`, `?`, `[`) every byte of it means itself. */
export const compile = (text: string): Pattern => {
  const isForDirectories = text.length > 1 && text.endsWith("/")
  const whole = isForDirectories ? text.slice(0, -1) : text
  const isAnchored = whole.startsWith("/")
  const body = isAnchored ? whole.slice(1) : whole
  const matches = /[*?[]/.test(body) ? wild(body, isAnchored) : literal(body, isAnchored)
  return {
    isAnchored,
    matches: isForDirectories ? (path, isDirectory) => isDirectory && matches(path, true) : matches
  }
}

const literal =
  (body: string, isAnchored: boolean): Pattern["matches"] =>
  (path) =>
    path === body || (!isAnchored && path.endsWith(body) && path[path.length - body.length - 1] === "/")

/**
 * A pattern with wildcards is matched against the whole path where it is anchored, the last name where it has no slash, and as
 * many names at the end of the path as it has. With `**` it may begin at any name.
 */
const wild = (body: string, isAnchored: boolean): Pattern["matches"] => {
  const tokens = tokensOf(body)
  const spansNames = body.includes("**")
  // "dir/***" is the directory and all that is below it.
  const takesDirectory = body.endsWith("***")
  const slashes = body.split("/").length - 1
  const subjectOf = (path: string): string => {
    if (isAnchored) return path
    if (spansNames) return body.startsWith("**") ? `/${path}` : path
    return lastNames(path, slashes + 1)
  }
  const isAnywhere = !isAnchored && spansNames && !body.startsWith("**")
  return (path, isDirectory) =>
    run(tokens, takesDirectory && isDirectory ? `${subjectOf(path)}/` : subjectOf(path), isAnywhere)
}

/** The last names of a path. */
const lastNames = (path: string, count: number): string => {
  let at = path.length
  for (let left = count; left > 0 && at >= 0; left--) at = at === 0 ? -1 : path.lastIndexOf("/", at - 1)
  return path.slice(at + 1)
}

/** Follows all ways through the pattern at the same time, byte by byte; one bit says of a place that it has been reached. */
const run = (tokens: ReadonlyArray<Token>, subject: string, isAnywhere: boolean): boolean => {
  const last = tokens.at(-1)
  // Most names end here.
  if (last?._tag === "One" && (subject === "" || !last.accepts(subject.charCodeAt(subject.length - 1)))) return false
  let places = new Uint8Array(tokens.length + 1)
  let next = new Uint8Array(tokens.length + 1)
  reach(tokens, places, 0)
  for (let at = 0; at < subject.length; at++) {
    const byte = subject.charCodeAt(at)
    const isAlive = step(tokens, places, next, byte)
    if (isAnywhere && byte === slash) reach(tokens, next, 0)
    else if (!isAlive && !isAnywhere) return false
    const done = places
    places = next
    next = done.fill(0)
  }
  return places[tokens.length] === 1
}

/** The places after one byte; answers whether there is any. */
const step = (tokens: ReadonlyArray<Token>, places: Uint8Array, next: Uint8Array, byte: number): boolean => {
  let isAlive = false
  for (let place = 0; place < tokens.length; place++) {
    if (places[place] === 0) continue
    const token = tokens[place]
    const stays = token._tag === "Paths" || (token._tag === "Names" && byte !== slash)
    const passes = token._tag === "One" && token.accepts(byte)
    if (!stays && !passes) continue
    reach(tokens, next, stays ? place : place + 1)
    isAlive = true
  }
  return isAlive
}

/** Marks a place, and those after it that need no byte. */
const reach = (tokens: ReadonlyArray<Token>, places: Uint8Array, from: number): void => {
  for (let place = from; places[place] === 0; place++) {
    places[place] = 1
    if (place === tokens.length || tokens[place]._tag === "One") return
  }
}

// ---- tokens ----

const never: Token = { _tag: "One", accepts: () => false }
const anyByte: Token = { _tag: "One", accepts: (byte) => byte !== slash }
const exactly = (wanted: number): Token => ({ _tag: "One", accepts: (byte) => byte === wanted })

const tokensOf = (body: string): ReadonlyArray<Token> => {
  const tokens: Array<Token> = []
  for (let at = 0; at < body.length;) {
    const char = body[at]
    if (char === "*") {
      const end = at + /^\*+/.exec(body.slice(at))![0].length
      tokens.push({ _tag: end - at > 1 ? "Paths" : "Names" })
      at = end
    } else if (char === "[") {
      const set = setAt(body, at + 1)
      // A set that does not end matches nothing.
      if (set === undefined) return [never]
      tokens.push(set.token)
      at = set.end
    } else if (char === "\\") {
      tokens.push(at + 1 < body.length ? exactly(body.charCodeAt(at + 1)) : never)
      at += 2
    } else {
      tokens.push(char === "?" ? anyByte : exactly(body.charCodeAt(at)))
      at++
    }
  }
  return tokens
}

/** Inclusive ranges of bytes. */
const classes: Readonly<Record<string, ReadonlyArray<readonly [from: number, to: number]>>> = {
  alnum: [
    [0x30, 0x39],
    [0x41, 0x5a],
    [0x61, 0x7a]
  ],
  alpha: [
    [0x41, 0x5a],
    [0x61, 0x7a]
  ],
  blank: [
    [0x09, 0x09],
    [0x20, 0x20]
  ],
  cntrl: [
    [0x00, 0x1f],
    [0x7f, 0x7f]
  ],
  digit: [[0x30, 0x39]],
  graph: [[0x21, 0x7e]],
  lower: [[0x61, 0x7a]],
  print: [[0x20, 0x7e]],
  punct: [
    [0x21, 0x2f],
    [0x3a, 0x40],
    [0x5b, 0x60],
    [0x7b, 0x7e]
  ],
  space: [
    [0x09, 0x0d],
    [0x20, 0x20]
  ],
  upper: [[0x41, 0x5a]],
  xdigit: [
    [0x30, 0x39],
    [0x41, 0x46],
    [0x61, 0x66]
  ]
}

/** A set in brackets, from what follows the first one; undefined when it does not end. It never takes a slash. */
const setAt = (body: string, from: number): { readonly token: Token; readonly end: number } | undefined => {
  const bytes = new Uint8Array(256)
  const isNegated = body[from] === "!" || body[from] === "^"
  let at = isNegated ? from + 1 : from
  /** The byte that a range may begin with. */
  let before: number | undefined
  for (let isFirst = true; isFirst || body[at] !== "]"; isFirst = false) {
    if (at >= body.length) return undefined
    const named = /^\[:([^\]]*):\]/.exec(body.slice(at))
    if (named !== null) {
      const ranges = Object.hasOwn(classes, named[1]) ? classes[named[1]] : undefined
      if (ranges === undefined) return { token: never, end: body.length }
      for (const [first, last] of ranges) bytes.fill(1, first, last + 1)
      before = undefined
      at += named[0].length
      continue
    }
    const isRange = body[at] === "-" && before !== undefined && at + 1 < body.length && body[at + 1] !== "]"
    if (isRange) at++
    if (body[at] === "\\") at++
    if (at >= body.length) return undefined
    const byte = body.charCodeAt(at)
    if (isRange) bytes.fill(1, before, byte + 1)
    else bytes[byte] = 1
    before = isRange ? undefined : byte
    at++
  }
  const accepts = (byte: number) => byte !== slash && (bytes[byte] === 1) !== isNegated
  return { token: { _tag: "One", accepts }, end: at + 1 }
}
