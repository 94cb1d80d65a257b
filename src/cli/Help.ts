/** The text of --help: options in groups, letters beside the long names, as wide as the terminal. Pure. */
import type { FlagDoc, HelpDoc } from "effect/cli/HelpDoc"
import * as Option from "effect/Option"
import * as Format from "./Format.ts"

/** Options of one kind, by their long names, in the order in which they are shown. */
interface Group {
  readonly title: string
  readonly names: ReadonlyArray<string>
}

const network: Group = {
  title: "Network and speed",
  names: ["group", "interface", "bwlimit", "timeout", "repair", "page-size", "ttl", "transport"]
}
const keys: Group = { title: "Keys", names: ["key", "phrase", "insecure"] }
const output: Group = {
  title: "Output",
  names: ["verbose", "quiet", "json", "no-progress", "log-file", "web", "metrics"]
}

/** What is sent, and how catchers become like it. */
const sending: ReadonlyArray<Group> = [
  { title: "A look at it first", names: ["dry-run", "itemize-changes"] },
  {
    title: "Deletion",
    names: ["delete", "max-delete", "delete-excluded", "ignore-errors", "force", "backup", "backup-dir", "suffix"]
  },
  {
    title: "What is compared, and what stays",
    names: [
      ...["checksum", "size-only", "ignore-times", "modify-window", "whole-file", "fuzzy"],
      ...["update", "existing", "ignore-existing", "inplace", "preallocate", "fsync"]
    ]
  },
  {
    title: "Choosing files",
    names: [
      ...["exclude", "include", "filter", "exclude-from", "include-from", "rsync-filter", "cvs-exclude"],
      ...["files-from", "recursive", "from0", "max-size", "min-size", "one-file-system", "prune-empty-dirs"],
      ...["copy-links", "copy-unsafe-links", "safe-links", "no-links", "no-specials", "no-devices"],
      ...["no-D", "no-hard-links"]
    ]
  },
  {
    title: "Modes, owners and times",
    names: [
      ...["xattrs", "acls", "archive-all", "fake-super"],
      ...["chmod", "chown", "usermap", "groupmap", "no-perms", "executability", "no-owner", "no-group"],
      ...["no-times", "omit-dir-times", "omit-link-times"]
    ]
  }
]

const groups: { readonly [command: string]: ReadonlyArray<Group> } = {
  send: [
    { title: "Catchers", names: ["catchers", "hosts", "wait", "at-least", "at-most"] },
    ...sending,
    network,
    keys,
    output
  ],
  push: [
    { title: "Hosts", names: ["rsh", "remote-program", "install", "hosts", "fanout", "connect-timeout"] },
    { title: "How many", names: ["all", "wait", "at-least", "at-most"] },
    ...sending,
    network,
    output
  ],
  catch: [
    {
      title: "Sessions",
      names: ["serve", "wait", "id", "on-start", "on-complete", "fsync", "fake-super", "partial-dir", "no-partial"]
    },
    { title: "What no master may do", names: ["protect", "protect-from", "no-delete", "max-delete"] },
    network,
    keys,
    output
  ]
}

/** What has no group of a command. */
const others = "Options"
const everywhere = "All commands"

/** The options of a command in their groups; an option that is in none is in the last. */
export const grouped = (
  command: string,
  flags: ReadonlyArray<FlagDoc>
): ReadonlyArray<{ readonly title: string; readonly flags: ReadonlyArray<FlagDoc> }> => {
  const known = groups[command] ?? []
  const names = new Set(known.flatMap(({ names }) => names))
  const rest = { title: others, flags: flags.filter(({ name }) => !names.has(name)) }
  const own = known.map((group) => ({
    title: group.title,
    flags: group.names.flatMap((name) => flags.filter((flag) => flag.name === name))
  }))
  return [...own, rest].filter(({ flags }) => flags.length > 0)
}

/** A command line of it. */
export const usageOf = ({ usage }: HelpDoc): string =>
  usage
    .replace("<subcommand>", "COMMAND")
    .replace("[flags]", "[options]")
    .replace(/[<>]/g, "")
    .replace(severalThen, "$1")

/** So wide is what stands on the left. */
const leftColumns = 31
const columnsRange = { least: 50, most: 110 }

/** Of an argument that is several words and a last one, the library says that there are several of those. */
const severalThen = /(\.\.\. \S+)\.\.\./

/** The whole text. `bold` marks a heading. */
export const text = (doc: HelpDoc, columns = 80, bold: (heading: string) => string = (heading) => heading): string => {
  const width = Math.min(columnsRange.most, Math.max(columnsRange.least, columns))
  const command = doc.commandPath?.at(-1) ?? ""
  const out = [usageOf(doc), "", ...wrapped(doc.description, width)]
  const section = (title: string, rows: ReadonlyArray<readonly [left: string, right: string]>) => {
    if (rows.length > 0) out.push("", bold(title), ...rows.flatMap(([left, right]) => row(left, right, width)))
  }
  const ofFlags = (flags: ReadonlyArray<FlagDoc>) => flags.map((flag) => [leftOf(flag), descriptionOf(flag)] as const)
  section(
    "Arguments",
    (doc.args ?? []).map(({ description, name, variadic }) => [
      `  ${name}${variadic ? "..." : ""}`.replace(severalThen, "$1"),
      Option.getOrElse(description, () => "")
    ])
  )
  for (const { flags, title } of grouped(command, doc.flags)) section(title, ofFlags(flags))
  section(
    "Commands",
    (doc.subcommands ?? []).flatMap(({ commands }) =>
      commands.map(({ description, name, shortDescription }) => [`  ${name}`, shortDescription ?? description] as const)
    )
  )
  section(everywhere, ofFlags(doc.globalFlags ?? []))
  if ((doc.examples ?? []).length > 0) out.push("", bold("Examples"))
  for (const { command, description } of doc.examples ?? []) {
    out.push(...wrapped(description ?? "", width - 4).map((line) => `  # ${line}`), `  ${command}`)
  }
  return out.join("\n")
}

/** The library repeats the choices of a value; where it puts them in the value's place, one of both is left. */
export const descriptionOf = ({ description, type }: FlagDoc): string => {
  const text = Option.getOrElse(description, () => "")
  return type.startsWith("<") ? text : text.replace(/ \(choices: .*\)$/, "")
}

/** Letters come first, so that long names stand below each other. */
export const leftOf = ({ aliases, name, type }: FlagDoc): string => {
  const letter = aliases.find((alias) => /^-[^-]$/.test(alias))
  const value = type === "boolean" ? "" : ` ${type.startsWith("<") ? "SHELL" : type}`
  return `  ${letter === undefined ? "    " : `${letter}, `}--${name}${value}`
}

const row = (left: string, right: string, width: number): ReadonlyArray<string> => {
  const [first = "", ...more] = wrapped(right, width - leftColumns)
  const indent = " ".repeat(leftColumns)
  const isLong = Format.width(left) > leftColumns - 2
  const lines = isLong ? [left, `${indent}${first}`] : [`${Format.pad(left, leftColumns)}${first}`]
  return [...lines, ...more.map((line) => `${indent}${line}`)]
}

/** Lines of no more than so many cells, but for a longer word. */
const wrapped = (text: string, columns: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const word of text.split(" ")) {
    const last = lines.at(-1)
    if (last !== undefined && Format.width(`${last} ${word}`) <= columns) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
