/**
 * Completion scripts for the shells. The library's own know neither paths nor interfaces where an option is parsed from text;
 * so these are made here, from the same descriptions of commands and options. Pure.
 */
import * as Library from "effect/cli/Completions"

/** What the shell is to offer for a value. */
type Offer =
  | { readonly _tag: "Words"; readonly words: ReadonlyArray<string> }
  | { readonly _tag: "Files" | "Directories" | "Interfaces" | "Hosts" | "Nothing" }

const offers: { readonly [name: string]: Offer["_tag"] } = {
  interface: "Interfaces",
  hosts: "Hosts",
  show: "Files",
  key: "Files",
  "log-file": "Files",
  "exclude-from": "Files",
  "include-from": "Files",
  "files-from": "Files",
  SOURCE: "Files",
  "SOURCE... HOSTS:DEST": "Files",
  DEST: "Directories",
  DIR: "Directories"
}

const offerOf = ({ name, type }: Library.FlagDescriptor | Library.ArgumentDescriptor): Offer =>
  type._tag === "Choice" ? { _tag: "Words", words: type.values } : ({ _tag: offers[name] ?? "Nothing" } as Offer)

/** A command with its options; `--help` and the like are of all of them. */
interface Described {
  readonly name: string
  readonly description: string
  readonly options: ReadonlyArray<{
    /** As they are typed: --wait, -w. */
    readonly names: ReadonlyArray<string>
    readonly description: string
    /** undefined: it takes none. */
    readonly value: Offer | undefined
  }>
  readonly argument: Library.ArgumentDescriptor | undefined
}

const everywhere: Described["options"] = [
  { names: ["--help", "-h"], description: "Show this help", value: undefined },
  { names: ["--version", "-V"], description: "Show the version", value: undefined }
]

const shells = ["bash", "zsh", "fish", "powershell"]

const describe = (root: Library.CommandDescriptor): ReadonlyArray<Described> =>
  root.subcommands.map(({ arguments: [argument], description = "", flags, name }) => ({
    name,
    description,
    argument,
    options: [
      ...flags.map((flag) => ({
        names: [`--${flag.name}`, ...flag.aliases.map((alias) => (alias.length === 1 ? `-${alias}` : `--${alias}`))],
        description: flag.description ?? "",
        value: flag.type._tag === "Boolean" ? undefined : offerOf(flag)
      })),
      ...everywhere
    ]
  }))

export const generate = (shell: Library.Shell, root: Library.CommandDescriptor): string => {
  const commands = describe(root)
  switch (shell) {
    case "bash":
      return bash(commands)
    case "zsh":
      return zsh(commands)
    case "fish":
      return fish(commands)
    case "powershell":
      return Library.generate(root.name, shell, root)
  }
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
const names = (commands: ReadonlyArray<Described>): string => [...commands.map(({ name }) => name), "help"].join(" ")

// ---- bash ----

const inBash = (offer: Offer): string => {
  switch (offer._tag) {
    case "Words":
      return `_mrsync_words "$cur" ${quoted(offer.words.join(" "))}`
    case "Files":
      return '_mrsync_paths -f "$cur"'
    case "Directories":
      return '_mrsync_paths -d "$cur"'
    case "Interfaces":
      return '_mrsync_words "$cur" "$(_mrsync_interfaces)"'
    case "Hosts":
      return '_mrsync_hosts "$cur" "$at"'
    case "Nothing":
      return ":"
  }
}

const bashCommand = ({ argument, name, options }: Described): string => {
  const valued = options.flatMap(({ names, value }) => (value === undefined ? [] : [{ names, value }]))
  return `    ${name})
      case "$option" in
${valued.map(({ names, value }) => `        ${names.join("|")}) ${inBash(value)}; return ;;`).join("\n")}
      esac
      if [[ "$cur" == -* ]]; then
        _mrsync_words "$cur" ${quoted(options.flatMap(({ names }) => names).join(" "))}
      else
        ${inBash(argument === undefined ? { _tag: "Nothing" } : offerOf(argument))}
      fi ;;`
}

const bash = (commands: ReadonlyArray<Described>): string => `# Completions of mrsync for bash:
#   mrsync --completions bash > ~/.local/share/bash-completion/completions/mrsync
# or, without the package bash-completion:
#   source <(mrsync --completions bash)

_mrsync_words() {
  local word
  for word in $2; do [[ "$word" == "$1"* ]] && COMPREPLY+=("$word"); done
}

# Paths as they are; readline quotes them, and ends directories with a slash.
_mrsync_paths() {
  local kind=$1 typed=$2 path
  typed=\${typed//\\\\/} typed=\${typed//\\"/} typed=\${typed//\\'/}
  while IFS= read -r path; do COMPREPLY+=("$3$path"); done < <(compgen "$kind" -- "$typed")
  compopt -o filenames 2> /dev/null
}

# A list of hosts is typed, or stands in a file: @FILE. Bash takes the @ for a word's end, or does not.
_mrsync_hosts() {
  if [[ -n "$2" ]]; then _mrsync_paths -f "$1"
  elif [[ "$1" == @* ]]; then _mrsync_paths -f "\${1#@}" @
  fi
}

_mrsync_interfaces() {
  if [[ -d /sys/class/net ]]; then (cd /sys/class/net && echo *); else ifconfig -l 2> /dev/null; fi
}

_mrsync() {
  local cur=$2 i=$((COMP_CWORD - 1)) at= option= command= before=
  COMPREPLY=()
  # The word itself may be broken at = and @.
  case "\${COMP_WORDS[COMP_CWORD]}" in =|@) i=$COMP_CWORD cur= ;; esac
  [[ "\${COMP_WORDS[i]}" == @ ]] && at=@ && i=$((i - 1))
  [[ "\${COMP_WORDS[i]}" == = ]] && i=$((i - 1))
  option=\${COMP_WORDS[i]}
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in ${names(commands).replaceAll(" ", "|")}) command=\${COMP_WORDS[i]}; break ;; esac
  done
  case "$option" in --completions) _mrsync_words "$cur" ${quoted(shells.join(" "))}; return ;; esac
  case "$command" in
    "") _mrsync_words "$cur" ${quoted(`${names(commands)} --help --version --man --completions`)} ;;
    help) _mrsync_words "$cur" ${quoted(commands.map(({ name }) => name).join(" "))} ;;
${commands.map(bashCommand).join("\n")}
  esac
}

complete -F _mrsync mrsync`

// ---- zsh ----

const inZsh = (offer: Offer): string => {
  switch (offer._tag) {
    case "Words":
      return `(${offer.words.join(" ")})`
    case "Files":
      return "_files"
    case "Directories":
      return "_files -/"
    case "Interfaces":
      return "_mrsync_interfaces"
    case "Hosts":
      return "_mrsync_hosts"
    case "Nothing":
      return " "
  }
}

const zshCommand = ({ argument, name, options }: Described): string => {
  const specs = options.flatMap(({ description, names, value }) => {
    const text = description.replaceAll(/[[\]:\\]/g, "\\$&")
    const action = value === undefined ? "" : `:value:${inZsh(value)}`
    const equals = (one: string) => (value !== undefined && one.startsWith("--") ? "=" : "")
    return names.map((one) => quoted(`(${names.join(" ")})${one}${equals(one)}[${text}]${action}`))
  })
  const rest =
    argument === undefined
      ? []
      : [quoted(`${argument.variadic ? "*" : "1"}:${argument.name}:${inZsh(offerOf(argument))}`)]
  return `        ${name})
          _arguments \\
${[...specs, ...rest].map((spec) => `            ${spec}`).join(" \\\n")} ;;`
}

const zsh = (commands: ReadonlyArray<Described>): string => `#compdef mrsync
# Completions of mrsync for zsh: mrsync --completions zsh > DIRECTORY/_mrsync, in a directory of fpath.

_mrsync_interfaces() {
  local -a interfaces
  if [[ -d /sys/class/net ]]; then interfaces=(/sys/class/net/*(N:t)); else interfaces=(\${=$(ifconfig -l 2> /dev/null)}); fi
  compadd -a interfaces
}

# A list of hosts is typed, or stands in a file: @FILE.
_mrsync_hosts() {
  compset -P '@' && _files
}

_mrsync() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands
  commands=(
${commands.map(({ description, name }) => `    ${quoted(`${name}:${description.replaceAll(":", "\\:")}`)}`).join("\n")}
    'help:Show the help of a command'
  )
  _arguments -C '(- *)'{-h,--help}'[Show this help]' '(- *)'{-V,--version}'[Show the version]' \\
    '(- *)--man[Print the manual page]' \\
    '--completions[Print a completion script]:shell:(${shells.join(" ")})' '1:command:->command' '*::arg:->args'
  case "$state" in
    command) _describe -t commands command commands ;;
    args)
      case "$words[1]" in
        help) _describe -t commands command commands ;;
${commands.map(zshCommand).join("\n")}
      esac ;;
  esac
}

if [[ "$funcstack[1]" == _mrsync ]]; then _mrsync "$@"; else compdef _mrsync mrsync; fi`

// ---- fish ----

const inFish = (offer: Offer): string => {
  switch (offer._tag) {
    case "Words":
      return ` -x -a ${quoted(offer.words.join(" "))}`
    case "Files":
      return " -r -F"
    case "Directories":
      return " -x -a '(__fish_complete_directories)'"
    case "Interfaces":
      return " -x -a '(__mrsync_interfaces)'"
    case "Hosts":
      return " -x -a '(__mrsync_hosts)'"
    case "Nothing":
      return " -x"
  }
}

const fishCommand = ({ argument, description, name, options }: Described): ReadonlyArray<string> => {
  const inIt = `complete -c mrsync -n '__fish_seen_subcommand_from ${name}'`
  return [
    `complete -c mrsync -n __fish_use_subcommand -f -a ${name} -d ${quoted(description)}`,
    ...options.map(({ description, names, value }) => {
      const typed = names.map((one) => (one.startsWith("--") ? `-l ${one.slice(2)}` : `-s ${one.slice(1)}`)).join(" ")
      return `${inIt} ${typed} -d ${quoted(description)}${value === undefined ? " -f" : inFish(value)}`
    }),
    ...(argument === undefined ? [] : [argumentInFish(inIt, offerOf(argument))])
  ]
}

const argumentInFish = (inIt: string, offer: Offer): string =>
  offer._tag === "Directories" ? `${inIt} -f -a '(__fish_complete_directories)'` : `${inIt} -F`

const fish = (commands: ReadonlyArray<Described>): string => `# Completions of mrsync for fish:
#   mrsync --completions fish > ~/.config/fish/completions/mrsync.fish

function __mrsync_interfaces
    if test -d /sys/class/net
        command ls /sys/class/net
    else
        ifconfig -l 2> /dev/null | string split ' '
    end
end

# A list of hosts is typed, or stands in a file: @FILE.
function __mrsync_hosts
    set -l typed (commandline -ct)
    string match -q '@*' -- $typed
    or return
    for path in (__fish_complete_path (string sub -s 2 -- $typed))
        echo @$path
    end
end

complete -c mrsync -f
complete -c mrsync -n __fish_use_subcommand -l man -d 'Print the manual page' -f
complete -c mrsync -l completions -d 'Print a completion script' -x -a ${quoted(shells.join(" "))}
complete -c mrsync -n __fish_use_subcommand -f -a help -d 'Show the help of a command'
complete -c mrsync -n '__fish_seen_subcommand_from help' -f -a ${quoted(commands.map(({ name }) => name).join(" "))}
${commands.flatMap(fishCommand).join("\n")}`
