/** The manual page, from the texts of --help: `mrsync --man`. Pure. */
import type { FlagDoc, HelpDoc } from "effect/cli/HelpDoc"
import * as Option from "effect/Option"
import * as Help from "./Help.ts"

/** What the texts of --help do not say. */
const further: ReadonlyArray<readonly [title: string, rows: ReadonlyArray<readonly [left: string, right: string]>]> = [
  [
    "EXIT STATUS",
    [
      ["0", "All are complete, but for what a catcher's owner refuses."],
      ["1", "The command line is wrong."],
      ["5", "There is no key, or not the right one."],
      ["10, 11, 12", "The network failed; a file or the disk; what the other side said."],
      ["20", "Interrupted, here or by the master."],
      ["23, 24", "Something is not everywhere as at the source; 24: only what changed there meanwhile."],
      ["30", "A time-out."]
    ]
  ],
  [
    "ENVIRONMENT",
    [
      ["MRSYNC_KEY", "A key file, as --key."],
      ["MRSYNC_PHRASE", "A phrase, as --phrase."],
      ["MRSYNC_LOG", "For developers: error, warn, debug or trace."]
    ]
  ],
  [
    "FILES",
    [
      ["~/.config/mrsync, /etc/mrsync", "Where master.key and catcher.key are looked for."],
      ["/etc/mrsync/catch/NAME.conf", "Settings of the service mrsync-catch@NAME, where that is installed."]
    ]
  ]
]

/** The page, of the program's own help and that of each command. */
export const page = (version: string, root: HelpDoc, commands: ReadonlyArray<HelpDoc>): string =>
  [
    `.TH MRSYNC 1 "" "mrsync ${escaped(version)}" "User Commands"`,
    ".SH NAME",
    `mrsync \\- send a tree of files to many machines at once over UDP multicast`,
    ".SH SYNOPSIS",
    ...commands.flatMap((doc) => [`.B ${escaped(Help.usageOf(doc))}`, ".br"]).slice(0, -1),
    ".SH DESCRIPTION",
    line(root.description),
    ...examples(root),
    ...commands.flatMap(command),
    ".SH ALL COMMANDS",
    ...(root.globalFlags ?? []).flatMap(option),
    ...further.flatMap(([title, rows]) => [
      `.SH ${title}`,
      ...rows.flatMap(([left, right]) => [".TP", `.B ${escaped(left)}`, line(right)])
    ]),
    ".SH SEE ALSO",
    ".BR rsync (1),",
    ".BR systemd.service (5)"
  ].join("\n")

const command = (doc: HelpDoc): ReadonlyArray<string> => [
  `.SH MRSYNC ${escaped((doc.commandPath?.at(-1) ?? "").toUpperCase())}`,
  line(doc.description),
  ...(doc.args ?? []).flatMap(({ description, name, variadic }) => [
    ".TP",
    `.I ${escaped(name)}${variadic ? " ..." : ""}`,
    line(Option.getOrElse(description, () => ""))
  ]),
  ...Help.grouped(doc.commandPath?.at(-1) ?? "", doc.flags).flatMap(({ flags, title }) => [
    `.SS ${escaped(title)}`,
    ...flags.flatMap(option)
  ]),
  ...examples(doc)
]

const option = (flag: FlagDoc): ReadonlyArray<string> => [
  ".TP",
  `.B ${escaped(Help.leftOf(flag).trim())}`,
  line(Help.descriptionOf(flag))
]

const examples = ({ examples = [] }: HelpDoc): ReadonlyArray<string> =>
  examples.length === 0
    ? []
    : [
        ".SS Examples",
        ...examples.flatMap(({ command, description = "" }) => [
          ".PP",
          line(`${description}:`),
          ".PP",
          ".RS",
          ".nf",
          line(command),
          ".fi",
          ".RE"
        ])
      ]

/** A line of text, which is no request to the formatter. */
const line = (text: string): string => `${/^[.']/.test(text) ? "\\&" : ""}${escaped(text)}`

/** A text in which nothing has a meaning to the formatter. */
const escaped = (text: string): string =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("~", "\\(ti")
    .replaceAll("^", "\\(ha")
