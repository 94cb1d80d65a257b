/**
 * Starts a catcher on each host through a command such as ssh, so many at a time, hands each what it needs, and hears of those that
 * fail. A catcher lives as long as its standard input is open: when the scope closes, or this program is gone, it ends.
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as Line from "../report/Line.ts"
import * as Errno from "../system/Errno.ts"
import * as Handover from "./Handover.ts"
import type { Host } from "./Hosts.ts"
import * as Install from "./Install.ts"
import * as RemoteShell from "./RemoteShell.ts"

/** A host, and the name by which its catcher joins. */
export interface Named extends Host {
  readonly name: string
}

/** How catchers are started. */
interface Options extends RemoteShell.Start {
  readonly shell: RemoteShell.RemoteShell
  /** Hosts that are being reached at one time. */
  readonly fanout: number
  /** The program for hosts that ask for it. */
  readonly install?: Install.Program
  /** This program, which has to be there as well. */
  readonly here: Pick<Handover.Hello, "version" | "protocol">
}

/** A host whose catcher could not be started, or has ended before its session did. */
interface Failure {
  readonly name: string
  readonly reason: string
}

/** Catchers that are being started. */
export interface Fleet {
  /** What the first one said that answered; undefined: all have failed. */
  readonly first: Effect.Effect<Handover.Hello | undefined>
  /** Says what each is handed, as soon as it has answered. Once. */
  readonly tell: (handoverOf: (name: string) => Handover.Handover) => Effect.Effect<void>
  /** Ends when all catchers have ended. */
  readonly failures: Stream.Stream<Failure>
  /** The catchers of these names have ended. */
  readonly ended: (names: ReadonlySet<string>) => Effect.Effect<void>
}

/** A login shell, and the start of a program on a slow machine, take no longer. */
const answerMillis = 20_000
/** The program reaches a host over a slow line. */
const installMillis = 600_000
/** A person finds a password. */
const personMillis = 300_000
/** A catcher whose standard input has ended is gone after this, or its connection is cut. */
const graceMillis = 3000
/** A command that ignores SIGTERM. */
const killMillis = 1000
/** What is kept of a command's standard error. */
const errorBytes = 4096
/** A server that drops some connections has room for them when others have got through. */
const retries = 3
const firstPauseMillis = 1000
/** A catcher's last line has its report. */
const lineBytes = 1 << 20
/** What has been said is read when a command has ended, unless something else holds its streams open. */
const drainMillis = 500

/** Starts a catcher on each host; they live as long as the scope. */
export const launch = Effect.fn("Launch.launch")(function* (
  hosts: ReadonlyArray<Named>,
  options: Options
): Effect.fn.Return<Fleet, never, ChildProcessSpawner | Scope.Scope> {
  const permits = yield* Semaphore.make(options.fanout)
  const first = yield* Deferred.make<Handover.Hello | undefined>()
  const told = yield* Deferred.make<(name: string) => Handover.Handover>()
  // each host fails once
  const failures = yield* Queue.bounded<Failure, Cause.Done>(hosts.length)
  const lives = hosts.map((host) => ({ host, end: Deferred.makeUnsafe<void>() }))
  const one = Effect.fnUntraced(function* ({ end, host }: (typeof lives)[number]) {
    const answered = yield* Deferred.make<void>()
    const onHello = (hello: Handover.Hello) =>
      Effect.andThen(Deferred.succeed(first, hello), Deferred.succeed(answered, undefined))
    const life = persistent(Effect.scoped(connection(host, options, onHello, Deferred.await(told))))
    const started = Effect.tap(Effect.forkChild(Effect.ensuring(life, Deferred.succeed(answered, undefined))), () =>
      Deferred.await(answered)
    )
    const reason = yield* Fiber.join(yield* permits.withPermit(started))
    if (reason !== undefined) yield* Queue.offer(failures, { name: host.name, reason })
    yield* Deferred.succeed(end, undefined)
  })
  const all = Effect.forEach(lives, one, { concurrency: "unbounded", discard: true }).pipe(
    Effect.ensuring(Effect.andThen(Queue.end(failures), Deferred.succeed(first, undefined)))
  )
  yield* Effect.forkScoped(all)
  const living = (names: ReadonlySet<string>) => lives.filter(({ host }) => names.has(host.name))
  return {
    first: Deferred.await(first),
    tell: (handoverOf) => Deferred.succeed(told, handoverOf),
    failures: Stream.fromQueue(failures),
    ended: (names) => Effect.forEach(living(names), ({ end }) => Deferred.await(end), { discard: true })
  }
})

/** A connection that was dropped at its beginning, by a server that has many. */
class Dropped extends Schema.TaggedError<Dropped>()("Dropped", { reason: Schema.String }) {}

/** A dropped connection is tried again a few times, each host's after a pause of its own. */
const persistent = <R>(
  life: Effect.Effect<string | undefined, Dropped, R>
): Effect.Effect<string | undefined, never, R> =>
  life.pipe(
    Effect.retry({ times: retries, schedule: Schedule.jittered(Schedule.exponential(firstPauseMillis)) }),
    Effect.catchTag("Dropped", ({ reason }) => Effect.succeed(reason))
  )

/** From the start of a command to its end; why there is no catcher, unless its session came to an end. */
const connection = Effect.fnUntraced(function* (
  host: Named,
  options: Options,
  onHello: (hello: Handover.Hello) => Effect.Effect<unknown>,
  told: Effect.Effect<(name: string) => Handover.Handover>
) {
  const started = yield* Effect.result(start(RemoteShell.commandOf(options.shell, host, options), !options.asks))
  if (Result.isFailure(started)) return `${options.shell.words[0]} cannot be started: ${refusalOf(started.failure)}`
  const { ended, errors, hello, last, say, wanted } = started.success
  const failed = Effect.fnUntraced(function* (hasAnswered: boolean) {
    const status = yield* ended
    const line = last()
    const own = line === undefined ? undefined : lastIn(line)
    if (own?._tag === "Report" && statusesOfAnEnd.has(own.status)) return undefined
    if (own?.reason !== undefined) return own.reason
    const end = { status, errors: errors(), output: line?.slice(0, errorBytes), hasAnswered }
    const program = options.install === undefined ? options.program : "sh"
    const reason = RemoteShell.reasonOf(options.shell, program, end)
    return RemoteShell.wasDropped(options.shell, end) ? yield* new Dropped({ reason }) : reason
  })
  const bring = Effect.flatMap(wanted, (kind) => brought(options.install, kind, say))
  const patienceMillis = options.connectMillis + (options.asks ? personMillis : answerMillis)
  const opening = Effect.raceFirst(hello, failed(false))
  let answer = yield* Effect.timeoutOption(Effect.raceFirst(opening, bring), patienceMillis)
  if (Option.isSome(answer) && answer.value === underWay) answer = yield* Effect.timeoutOption(opening, installMillis)
  if (Option.isNone(answer)) return silence(patienceMillis, errors())
  if (typeof answer.value !== "object") return typeof answer.value === "symbol" ? undefined : answer.value
  const why = Handover.whyOther(answer.value, options.here)
  if (why !== undefined) return why
  yield* onHello(answer.value)
  const handoverOf = yield* Effect.raceFirst(told, failed(true))
  if (typeof handoverOf !== "function") return handoverOf
  yield* say(Stream.succeed(Buffer.from(Handover.print(handoverOf(host.name)))))
  return yield* failed(true)
})

/** Why a command was not started, in the system's words. */
const refusalOf = ({ message, reason: { cause } }: PlatformError.PlatformError): string =>
  Errno.codeOf(cause) === undefined ? message : Errno.fromCause(cause).reason

/** The program is on its way to the host. */
const underWay = Symbol("under way")

/** Sends the program to a host that asks for it; or why not. */
const brought = (
  program: Install.Program | undefined,
  kind: string,
  say: (content: Install.Program["content"]) => Effect.Effect<unknown>
): Effect.Effect<string | typeof underWay> =>
  program?.kind === kind
    ? Effect.as(say(program.content), underWay)
    : Effect.succeed(`the host is a machine of another kind, ${kind}, than the program to install, ${program?.kind}`)

const silence = (patienceMillis: number, errors: string): string => {
  const said = RemoteShell.reasonIn(errors)
  return `no answer within ${patienceMillis / 1000} s${said === undefined ? "" : `; what was said last: ${said}`}`
}

/** A line of a catcher that ends a session, and says how. */
type Last = Extract<Line.Line, { readonly _tag: "Report" | "Error" }>

/** A session that came to its end, whatever it has brought. */
const statusesOfAnEnd: ReadonlySet<number> = new Set([0, 23, 24])

const lastIn = (line: string): Last | undefined => {
  const said = Result.getOrUndefined(Line.decode(line))
  return said?._tag === "Report" || said?._tag === "Error" ? said : undefined
}

/**
 * Starts a command, whose standard input stays open until the scope closes. `isApart`: a terminal's Ctrl-C does not reach it, nor
 * can it ask there.
 */
const start = Effect.fnUntraced(function* ([command, ...args]: ReadonlyArray<string>, isApart: boolean) {
  const closing = yield* Deferred.make<void>()
  const said = yield* Queue.unbounded<Install.Program["content"]>()
  const wanted = yield* Deferred.make<string>()
  const hello = yield* Deferred.make<Handover.Hello>()
  const input = Stream.flatten(Stream.fromQueue(said)).pipe(Stream.interruptWhen(Deferred.await(closing)))
  const child = yield* ChildProcess.make(command, args, {
    stdin: { stream: input },
    detached: isApart,
    forceKillAfter: killMillis
  })
  const lines = new Handover.Lines(lineBytes)
  const errors = new Handover.Tail(errorBytes)
  let last: string | undefined
  const hear = (line: string) => {
    const heard = Handover.readHello(line)
    const kind = Install.kindIn(line)
    if (heard !== undefined) {
      // a server's banner has no part in what comes now
      errors.clear()
      Deferred.doneUnsafe(hello, Effect.succeed(heard))
    } else if (kind !== undefined) Deferred.doneUnsafe(wanted, Effect.succeed(kind))
    else last = line
  }
  const reading = yield* Effect.forkScoped(
    Effect.ignore(
      Effect.all(
        [
          Stream.runForEach(child.stdout, (piece) => Effect.sync(() => lines.push(piece).forEach(hear))),
          Stream.runForEach(child.stderr, (piece) => Effect.sync(() => errors.push(piece)))
        ],
        { concurrency: 2 }
      )
    )
  )
  const exit = Effect.option(child.exitCode)
  // A command that has ended may have left another one behind, which keeps its streams open.
  const ended = yield* Effect.forkScoped(
    Effect.tap(exit, () => Effect.timeoutOption(Fiber.await(reading), drainMillis))
  )
  yield* Effect.addFinalizer(() =>
    Effect.andThen(Deferred.succeed(closing, undefined), Effect.timeoutOption(Effect.interruptible(exit), graceMillis))
  )
  return {
    hello: Deferred.await(hello),
    wanted: Deferred.await(wanted),
    /** What its standard input is told next: twice at most. */
    say: (content: Install.Program["content"]) => Queue.offer(said, content),
    errors: () => errors.text(),
    ended: Effect.map(Fiber.join(ended), Option.getOrUndefined),
    /** The last line of its standard output. */
    last: () => last
  }
})
