/** `mrsync send`: a master over this machine's network and disk. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Master from "../master/Master.ts"
import type { Repair } from "../protocol/file/Planner.ts"
import * as Limits from "../protocol/Limits.ts"
import { SourceError } from "../report/Errors.ts"
import type * as Keys from "../seal/Keys.ts"
import * as Exchange from "../session/Exchange.ts"
import * as Choosing from "./Choosing.ts"
import { type Described, leftOf } from "./Describing.ts"
import { plain, type Rule } from "../filter/Rule.ts"
import * as Rules from "../filter/Text.ts"
import type { Backup } from "../tree/Backup.ts"
import { keyOf } from "../tree/Names.ts"
import type { Policy } from "../tree/Policy.ts"
import { Machine, type Network, type TransportKind } from "./Machine.ts"
import * as Keyring from "./Keyring.ts"
import * as Parse from "./Parse.ts"
import { Remark } from "./Remark.ts"
import * as Reporter from "./Reporter.ts"
import { Screen } from "./Screen.ts"
import * as Session from "./Session.ts"
import { UsageError } from "./Status.ts"
import * as Watching from "./Watching.ts"

/** What shows that a catcher has a file. */
interface Comparison
  extends Described, Pick<Choosing.Chosen, "filesFrom" | "recursive" | "xattrs" | "acls" | "archiveAll"> {
  readonly checksum: boolean
  readonly ignoreTimes: boolean
  readonly wholeFile: boolean
  readonly fuzzy: boolean
  readonly preallocate: boolean
  readonly inplace: boolean
  readonly sizeOnly: boolean
  readonly windowSeconds: number
  readonly update: boolean
  readonly existing: boolean
  readonly ignoreExisting: boolean
  readonly delete: boolean
  readonly maxDelete: number | undefined
  readonly ignoreErrors: boolean
  readonly deleteExcluded: boolean
  readonly force: boolean
  readonly fsync: boolean
  readonly dryRun: boolean
  readonly itemizeChanges: boolean
  readonly backup: boolean
  readonly backupDir: string | undefined
  readonly suffix: string | undefined
}

/** What is sent, and how: what `send` and `push` are told alike. */
export interface Sending extends Session.Talk, Choosing.Chosen, Comparison, Watching.Input {
  readonly network: string | undefined
  readonly transport: TransportKind
  readonly timeoutMillis: number
  readonly waitMillis: number | undefined
  readonly atLeast: number | undefined
  readonly atMostMillis: number | undefined
  readonly bwlimit: number | undefined
  readonly repair: Repair
  readonly pageBytes: number | undefined
  readonly ttl: number
  readonly sources: ReadonlyArray<string>
}

export interface Input extends Sending, Keyring.Given {
  readonly group: Parse.Group
  readonly catchers: number | undefined
  readonly hosts: string | undefined
}

const usage = (reason: string) => new UsageError({ command: "send", reason })

export const send = Effect.fn("cli.send")(function* (input: Input) {
  const machine = yield* Machine
  const verbosity = yield* Effect.fromResult(Session.verbosityOf("send", input))
  if (input.hosts !== undefined && input.catchers !== undefined) {
    return yield* usage("--hosts and --catchers contradict each other: a list of hosts is also their number")
  }
  const prepared = yield* prepare(input)
  const hosts = input.hosts === undefined ? undefined : yield* namesIn(input.hosts)
  const network = yield* machine.network(input.network)
  const gathering = yield* Effect.fromResult(gatheringOf(input, hosts))
  const pageBytes = yield* pageOf(input, network)
  const { fresh, protection } = yield* Keyring.forMaster(input, input.json)
  yield* Session.logged(verbosity)(Session.warn(protection))
  // a source that is not there is told before anybody types the phrase
  const telling = fresh === undefined ? Effect.void : tellPhrase(fresh, input, gathering.waitMillis)
  const session = { ...prepared, gathering, network, pageBytes, protection, group: input.group }
  yield* Session.settle(yield* conduct(input, session, telling))
})

/** Loaded where there is a list. */
const namesIn = (list: string) =>
  Effect.flatMap(
    Effect.promise(() => import("./HostList.ts")),
    ({ names }) => names("send", list)
  )

/** What is sent, as far as the command line says it, and what is wrong with that. */
export const prepare = Effect.fnUntraced(function* (input: Sending) {
  if (input.sources.includes("")) return yield* usage('SOURCE is empty: to send the directory you are in, say "."')
  const verbosity = yield* Effect.fromResult(Session.verbosityOf("send", input))
  const remark = yield* Remark
  if (remark !== undefined) yield* Session.logged(verbosity)(Effect.logWarning(remark))
  const choice = yield* Choosing.choiceOf(input)
  return { verbosity, choice, policy: yield* Effect.fromResult(policyOf(input, choice.rules)) }
})

/** The page of a session on that network. */
export const pageOf = (input: Sending, network: Network) =>
  Effect.fromResult(
    Result.mapError(Parse.pageFor(input.pageBytes, network), (reason) => usage(`--page-size: ${reason}`))
  )

/** A session, ready to begin. */
interface Prepared extends Effect.Success<ReturnType<typeof prepare>> {
  readonly gathering: Gathering
  readonly group: Parse.Group
  readonly network: Network
  readonly pageBytes: number
  readonly protection: Keys.Protection<Keys.MasterKeys>
  /** Hosts whose catchers come no more, or have gone. */
  readonly unreached?: NonNullable<Master.Options["unreached"]>
}

/** The session itself, and its report; `first` comes when its sources are there. */
export const conduct = Effect.fnUntraced(function* (
  input: Sending,
  session: Prepared,
  first: Effect.Effect<void, never, Screen>
) {
  const machine = yield* Machine
  const screen = yield* Screen
  const { choice, gathering, group, network, pageBytes, policy, protection, unreached, verbosity } = session
  const where = Session.whereOf(group, network)
  const options: Master.Options = {
    ...gathering,
    go: Stream.tap(machine.starts, (start) => Effect.sync(() => start === "Enter" && screen.entered())),
    timeoutMillis: input.timeoutMillis,
    pageBytes,
    isPageFixed: input.pageBytes !== undefined,
    repair: input.repair,
    policy,
    ...(unreached === undefined ? {} : { unreached }),
    ...(input.bwlimit === undefined ? {} : { bytesPerSecond: input.bwlimit })
  }
  return yield* Effect.andThen(first, Master.run(options)).pipe(
    Effect.provideService(Exchange.MasterProtection, protection),
    Effect.provide(
      Layer.mergeAll(
        machine.master({ ...group, transport: input.transport, network, follows: input.network, ttl: input.ttl }),
        machine.source(input.sources, choice),
        Layer.provideMerge(
          Watching.layer(input, { role: "Send", where }),
          Reporter.layer({
            role: "Send",
            where,
            verbosity,
            hasKeys: machine.hasKeys,
            json: input.json,
            live: !input.noProgress
          })
        )
      )
    ),
    Effect.catchTag("SourceError", (error) => Effect.fail(withHint(error, input.sources))),
    Session.located({ ...input, group }, network, "Master"),
    Session.logged(verbosity)
  )
})

/** To rsync an argument may be at another machine, and the last one is where all goes to. */
const withHint = (error: SourceError, sources: ReadonlyArray<string>): SourceError => {
  const isRemote = /^[^/]+:/.test(error.path)
  if (error.code !== "ENOENT" || !sources.includes(error.path)) return error
  if (!isRemote && (sources.length === 1 || error.path !== sources.at(-1))) return error
  const hint =
    "each argument is a SOURCE on this machine: say DEST to mrsync catch on each machine that is to receive, or HOST:DEST to mrsync push"
  return new SourceError({ path: error.path, code: error.code, reason: `${error.reason}; ${hint}` })
}

/** The one place where a phrase is shown, and for a person only: whatever else is quiet, its catchers need it. */
export const tellPhrase = Effect.fnUntraced(function* (
  phrase: Redacted.Redacted,
  { group }: Pick<Input, "group">,
  waitMillis: number
) {
  const screen = yield* Screen
  const words = Redacted.value(phrase)
  const isUsual = group.group === Parse.defaultGroup.group && group.port === Parse.defaultGroup.port
  const command = `mrsync catch --phrase ${words}${isUsual ? "" : ` --group ${group.group}:${group.port}`} DEST`
  screen.print(
    "err",
    `There is no key, so a fresh phrase seals this session. Within ${waitMillis / 1000} s (--wait) type on each catcher:\n  ${command}`
  )
})

/** How catchers' trees become like the source. */
export const policyOf = (input: Comparison, rules: ReadonlyArray<Rule>): Result.Result<Policy, UsageError> => {
  const { existing, ignoreExisting, update, windowSeconds } = input
  const { checksum, ignoreTimes, sizeOnly } = input
  const deletes = input.delete || input.deleteExcluded
  const isIdle = !deletes && (input.ignoreErrors || input.maxDelete !== undefined)
  if (isIdle) return Result.fail(usage("--ignore-errors and --max-delete are of no use without --delete"))
  if (deletes && input.filesFrom !== undefined && !input.recursive)
    return Result.fail(
      usage("--delete with --files-from needs -r: of a directory without what is in it nothing is deleted")
    )
  if (input.noPerms && Choosing.carryingOf(input).carriesAcls)
    return Result.fail(usage("--acls and --no-perms contradict each other: an ACL has the mode in it"))
  if ([checksum, ignoreTimes, sizeOnly].filter((is) => is).length > 1)
    return Result.fail(usage("--checksum, --ignore-times and --size-only contradict each other: give one of them"))
  const backed = backupOf(input)
  if (Result.isFailure(backed)) return Result.fail(backed.failure)
  const backup = backed.success
  const isBeside = backup !== undefined && backup.directory.length === 0
  return Result.succeed({
    compare: checksum ? "Content" : ignoreTimes ? "Nothing" : sizeOnly ? "Size" : "Time",
    windowSeconds,
    keepsNewer: update,
    onlyExisting: existing,
    keepsExisting: ignoreExisting,
    isDryRun: input.dryRun,
    deletes,
    ignoresErrors: input.ignoreErrors,
    forces: input.force || deletes,
    itemizes: input.dryRun || input.itemizeChanges,
    mostDeleted: input.maxDelete,
    deletesExcluded: input.deleteExcluded,
    sendsWhole: input.wholeFile,
    isFuzzy: input.fuzzy,
    preallocates: input.preallocate,
    isInPlace: input.inplace,
    ...leftOf(input),
    ...Choosing.carryingOf(input),
    syncs: input.fsync,
    backup,
    // as rsync has it: a backup beside a file changes its directory in every run
    leavesDirectoryTimes: input.omitDirTimes || isBeside,
    rules: Rules.encode(isBeside && deletes && !input.deleteExcluded ? [...rules, keptBy(backup)] : rules),
    spared: []
  })
}

/** Where what is replaced or deleted is kept. */
const backupOf = ({ backup, backupDir, suffix }: Comparison): Result.Result<Backup | undefined, UsageError> => {
  if (!backup && backupDir === undefined) {
    return suffix === undefined
      ? Result.succeed(undefined)
      : Result.fail(usage("--suffix is of no use without --backup"))
  }
  const end = suffix ?? (backupDir === undefined ? "~" : "")
  return end === "" && backupDir === undefined
    ? Result.fail(usage("--suffix cannot be empty without --backup-dir: a backup would have its file's name"))
    : Result.succeed({ suffix: Buffer.from(end), directory: Buffer.from(backupDir ?? "") })
}

/** The rule that keeps backups from being deleted, where they are beside what they are of. */
const keptBy = ({ suffix }: Backup): Rule => ({
  ...plain,
  _tag: "Match",
  effect: "Exclude",
  sides: "Receiver",
  pattern: `*${keyOf(suffix).replace(/[*?[\\]/g, "\\$&")}`,
  isNegated: false
})

type Gathering = Omit<Master.Options, "timeoutMillis" | "pageBytes">

/** How many catchers are waited for, and how long. */
export const gatheringOf = (
  { atLeast, atMostMillis, catchers, waitMillis }: Pick<Input, "atLeast" | "atMostMillis" | "catchers" | "waitMillis">,
  hosts: ReadonlyArray<string> | undefined
): Result.Result<Gathering, UsageError> => {
  // Without a number, and with a time: as many as come.
  const wanted = hosts?.length ?? catchers ?? (atMostMillis === undefined ? 1 : Limits.slots)
  if (atLeast !== undefined && atLeast > wanted) {
    return Result.fail(usage(`--at-least ${atLeast} is more than all, which are ${wanted}`))
  }
  if (atMostMillis !== undefined && waitMillis !== undefined && atMostMillis > waitMillis) {
    const [most, wait] = [atMostMillis / 1000, waitMillis / 1000]
    return Result.fail(usage(`--at-most ${most} is longer than --wait ${wait}, after which too few are an error`))
  }
  return Result.succeed({
    catchers: wanted,
    ...(hosts === undefined ? {} : { hosts }),
    waitMillis: waitMillis ?? Math.max(Master.defaults.waitMillis, atMostMillis ?? 0),
    ...(atLeast === undefined ? {} : { atLeast }),
    ...(atMostMillis === undefined ? {} : { atMostMillis })
  })
}
