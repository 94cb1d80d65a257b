/** The page as it stands: what it shows of a state. */
import { html, type TemplateResult } from "lit-html"
import { isWell } from "../report/ExitStatus.ts"
import * as Format from "../report/Format.ts"
import * as Summary from "../report/Summary.ts"
import type { Watched } from "../report/Watched.ts"
import { isNotThere } from "./Rows.ts"
import * as Words from "../report/Words.ts"
import type { Link } from "./Connection.ts"
import * as Curves from "./Curves.ts"
import * as Table from "./Table.ts"

/** All that is shown. */
export interface Shown {
  readonly link: Link
  readonly state: Watched
  readonly table: Table.Table
  /** The point of the curves that is pointed at. */
  readonly pointed: number | undefined
  readonly isBadOnly: boolean
  /** Where the report can be downloaded, once there is one. */
  readonly reportUrl: string | undefined
}

/** What is not told by the program, as it is at first. */
export const initial = { pointed: undefined, isBadOnly: false, reportUrl: undefined } as const

/** What the user does. */
export interface Deeds extends Table.Chosen {
  readonly onlyBad: (isBadOnly: boolean) => void
}

const phases = {
  Comparing: "comparing",
  Sending: "sending",
  Repairing: "repairing",
  Finishing: "finishing",
  Finished: "complete"
} as const

const isWhole = ({ report }: Watched): boolean =>
  report !== undefined && report.failures.length === 0 && report.catchers.every(({ state }) => isWell(state))

/** How it stands, in a word, and how that looks. */
const status = ({ link, state }: Shown): readonly [word: string, look: string] => {
  if (state.report !== undefined) return isWhole(state) ? ["complete", "good"] : ["ended, not complete", "bad"]
  if (link === "Broken") return ["connection lost", "bad"]
  if (link === "Over") return ["ended", "bad"]
  if (state.tick !== undefined) return [phases[state.tick.phase], "busy"]
  return [state.started === undefined ? "waiting for catchers" : "sending the list of files", "busy"]
}

/** The part that is there everywhere, 0 to 100. */
export const percentOf = ({ report, tick }: Watched): number => {
  if (tick !== undefined && tick.total > 0) {
    const isDone = report !== undefined && report.catchers.every(({ state }) => state === "Complete")
    return isDone ? 100 : Format.percent(tick.bytes, tick.total)
  }
  return report === undefined ? 0 : 100
}

const header = (shown: Shown): TemplateResult => {
  const [word, look] = status(shown)
  return html`<header>
    <span class="brand">mrsync</span>
    <span class="pill ${look}" role="status">${word}</span>
    <span class="where"><bdi>${Format.safe(shown.state.where)}</bdi></span>
  </header>`
}

const fact = (title: string, value: string): TemplateResult =>
  html`<div class="fact">
    <dt>${title}</dt>
    <dd>${value}</dd>
  </div>`

const facts = ({ report, samples, tick, waiting }: Watched): ReadonlyArray<TemplateResult> => {
  if (tick === undefined && report === undefined) {
    const joined = waiting?.joined ?? 0
    const wanted = waiting?.wanted
    return [
      fact("Joined", wanted === undefined ? Format.count(joined) : `${Format.count(joined)} of ${Format.count(wanted)}`)
    ]
  }
  const seconds = report?.seconds ?? tick?.seconds ?? 0
  const sent = tick?.sentBytes ?? 0
  const rate = report === undefined ? Curves.growth(samples, "sentBytes") : seconds > 0 ? sent / seconds : undefined
  const pages = report?.pages.sent ?? tick?.pages ?? 0
  const repaired = report?.pages.repaired ?? tick?.repairedPages ?? 0
  return [
    fact(report === undefined ? "Rate" : "Mean rate sent", rate === undefined ? "–" : Format.rate(rate)),
    fact("Sent", Format.bytes(sent)),
    fact("Repairs", pages === 0 ? "–" : `${((repaired / pages) * 100).toFixed(1)} %`),
    fact("Time", Format.clock(seconds))
  ]
}

const hero = (shown: Shown): TemplateResult => {
  const { report, samples, tick } = shown.state
  const percent = percentOf(shown.state)
  const left = tick === undefined || report !== undefined ? "" : Words.left(tick, Curves.growth(samples, "bytes"))
  const held = tick === undefined ? 0 : percent === 100 ? tick.total : tick.bytes
  const much = tick === undefined ? "" : `${Format.bytes(held)} of ${Format.bytes(tick.total)} everywhere`
  return html`<section class="panel hero" aria-label="Progress">
    <div class="line">
      <strong class="percent">${percent}<small> %</small></strong>
      <span class="much">${much}</span>
      <span class="left">${left}</span>
    </div>
    <div
      class="total ${status(shown)[1]}"
      role="progressbar"
      aria-label="All bytes that every catcher has"
      aria-valuemin="0"
      aria-valuemax="100"
      aria-valuenow=${percent}
    >
      <span .style=${`width:${percent}%`}></span>
    </div>
    <dl class="facts">${facts(shown.state)}</dl>
  </section>`
}

/** What sets the pace and which are behind, in the terminal's words. */
const pace = ({ report, rows, started, tick, waiting }: Watched): TemplateResult => {
  const missing = waiting?.absent ?? []
  const more = (waiting?.wanted ?? 0) - (waiting?.joined ?? 0) - missing.length
  const sentences =
    report !== undefined
      ? []
      : tick === undefined
        ? started === undefined && missing.length > 0
          ? [`missing: ${missing.map(Format.name).join(", ")}${more > 0 ? ` and ${Format.count(more)} more` : ""}`]
          : []
        : [Words.pace(tick), Words.behind(catchersOf(tick, rows))]
  const told = sentences.filter((sentence) => sentence !== "")
  return told.length === 0
    ? html``
    : html`<section class="panel pace" aria-labelledby="pace-title">
        <h2 id="pace-title">${tick === undefined ? "Not there yet" : "What sets the pace"}</h2>
        ${told.map((sentence) => html`<p><bdi>${sentence}</bdi></p>`)}
      </section>`
}

type Tick = NonNullable<Watched["tick"]>
const catchersOf = (tick: Tick, rows: Watched["rows"]): Tick => ({
  ...tick,
  catchers: rows.flatMap((row) => (isNotThere(row.state) ? [] : [{ ...row, state: row.state }]))
})

/** What the chart's colours mean, and its figures where it is pointed at, or the last ones. */
export const legend = ([seconds, rate, held]: Curves.Curves, pointed: Shown["pointed"]): TemplateResult => {
  const at = pointed !== undefined && pointed < seconds.length ? pointed : seconds.length - 1
  const told =
    at < 0
      ? ""
      : `${Format.clock(seconds[at])}: ${Format.rate(rate[at])} sent, ${Math.floor(held[at] * 100)} % everywhere`
  return html`<div class="legend">
    <h2>Over time</h2>
    <span class="key rate"><i aria-hidden="true"></i>sent a second</span>
    <span class="key held"><i aria-hidden="true"></i>there everywhere</span>
    <span class="told">${told}</span>
  </div>`
}

const underWay = ({ report, tick }: Watched): TemplateResult => {
  const files = report === undefined ? (tick?.underWay ?? []) : []
  if (files.length === 0) return html``
  return html`<section class="panel" aria-labelledby="files-title">
    <h2 id="files-title">On their way</h2>
    <ul class="files">
      ${files.map((file) => {
        const { stage, what } = Words.underWay(file)
        return html`<li><bdi title=${what}>${what}</bdi><span>${stage}</span></li>`
      })}
    </ul>
  </section>`
}

const log = ({ isBadOnly, state }: Shown, { onlyBad }: Deeds): TemplateResult => {
  const entries = isBadOnly ? state.log.filter(({ isBad }) => isBad) : state.log
  return html`<section class="panel" aria-labelledby="log-title">
    <div class="legend">
      <h2 id="log-title">Log</h2>
      <label class="only"
        ><input
          type="checkbox"
          .checked=${isBadOnly}
          @change=${(event: Event) => onlyBad((event.target as HTMLInputElement).checked)}
        />Only what needs a look</label
      >
    </div>
    <ol class="log" tabindex="0" aria-label="Log, the latest first">
      ${entries
        .toReversed()
        .map(
          ({ isBad, seconds, text }) =>
            html`<li class=${isBad ? "bad" : ""}>
              <time>${seconds === undefined ? "" : Format.clock(seconds)}</time><bdi>${text}</bdi>
            </li>`
        )}
      ${state.logLeftOut > 0 ? html`<li>${Format.plural(state.logLeftOut, "earlier line")} left out</li>` : ""}
    </ol>
  </section>`
}

const report = ({ reportUrl, state: { report, role } }: Shown): TemplateResult => {
  if (report === undefined) return html``
  const [first = "", ...more] = Summary.lines(report, role, false)
  return html`<section class="panel report" aria-labelledby="report-title">
    <div class="legend">
      <h2 id="report-title">Report</h2>
      <a class="download" href=${reportUrl ?? ""} download=${`mrsync-${report.session}.json`}>Download report</a>
    </div>
    <p class="first">${first}</p>
    <pre>${more.join("\n")}</pre>
  </section>`
}

/** The parts of the page above and below the chart, which draws itself. */
export const above = (shown: Shown): TemplateResult =>
  html`${header(shown)} ${notice(shown)} ${hero(shown)} ${pace(shown.state)} ${report(shown)}`

export const below = (shown: Shown, deeds: Deeds): TemplateResult =>
  html`${Table.section(shown.state, shown.table, deeds)} ${underWay(shown.state)} ${log(shown, deeds)}`

/** What a page without its program says. */
const notice = ({ link, state }: Shown): TemplateResult => {
  const text =
    link === "Broken"
      ? "The program cannot be reached. The page tries again, and shows what it knows."
      : link === "Over" && state.report === undefined
        ? "The program has ended without a report. The page shows what it knows."
        : ""
  return text === "" ? html`` : html`<p class="notice" role="alert">${text}</p>`
}
