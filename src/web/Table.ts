/** The table of catchers: thousands of rows, of which those on the screen are there. */
import { html, type TemplateResult } from "lit-html"
import { isWell } from "../report/ExitStatus.ts"
import * as Format from "../report/Format.ts"
import type { Row, Watched } from "../report/Watched.ts"
import * as Words from "../report/Words.ts"
import * as Rows from "./Rows.ts"

/** What the user has chosen, and where the table is scrolled to. */
export interface Table {
  readonly choice: Rows.Choice
  readonly topPixels: number
  readonly heightPixels: number
  readonly isNarrow: boolean
}

export const initial: Table = {
  choice: { order: { by: "state", isDown: false }, state: "", text: "" },
  topPixels: 0,
  heightPixels: 400,
  isNarrow: false
}

/** A row's height, as the style has it: a narrow screen has three lines for it. */
const rowPixels = { wide: 40, narrow: 88 }

const columns: ReadonlyArray<readonly [by: Rows.Order["by"], title: string]> = [
  ["name", "Catcher"],
  ["state", "State"],
  ["progress", "Has"],
  ["rate", "Rate"],
  ["loss", "Missed"]
]

/** A state in a word, also those that only a report has. */
const stateWord = (state: Row["state"], { report, tick }: Watched): string =>
  tick === undefined && report === undefined && state === "Receiving"
    ? "joined"
    : Rows.isNotThere(state)
      ? state.toLowerCase()
      : Words.stateWords[state]

/** For what it waits, or why it does not any more. */
const waitsFor = (row: Row, { report, started, tick }: Watched): string => {
  if (Rows.isNotThere(row.state) || row.state === "Lost" || row.state === "Partial") {
    if (row.reason !== undefined) return Format.safe(row.reason)
  }
  if (report !== undefined) return row.straggled === undefined ? "" : `was behind: ${row.straggled}`
  if (tick === undefined) return started === undefined ? "waits for the session" : "takes the list of files"
  return Rows.isNotThere(row.state) ? "" : Words.waitsFor({ ...row, state: row.state }, tick)
}

const share = (row: Row, total: number): number => {
  if (isWell(row.state)) return 100
  return total === 0 ? 0 : Format.percent(row.bytes, total)
}

const line = (row: Row, at: number, state: Watched): TemplateResult => {
  const total = state.tick?.total ?? state.report?.bytes ?? 0
  const percent = share(row, total)
  const loss = Rows.lossOf(row, state.report?.pages.sent ?? state.tick?.pages ?? 0)
  const why = waitsFor(row, state)
  return html`<div role="row" class="row ${row.state}" aria-rowindex=${at + 2}>
    <span role="rowheader" class="name" title=${`${Format.name(row.id)} (${Format.safe(row.address)})`}
      ><bdi>${Format.name(row.id)}</bdi></span
    >
    <span role="cell" class="state"><i aria-hidden="true"></i>${stateWord(row.state, state)}</span>
    <span role="cell" class="has" title=${`${Format.count(row.bytes)} bytes, ${Format.plural(row.files, "file")}`}
      ><span class="bar" aria-hidden="true"><span .style=${`width:${percent}%`}></span></span>${percent} %</span
    >
    <span role="cell" class="rate">${row.rate >= 1 ? Format.rate(row.rate) : "–"}</span>
    <span role="cell" class="loss" title=${`${Format.count(row.missingPages ?? 0)} pages asked for again`}
      >${loss > 0 ? `${(loss * 100).toFixed(1)} %` : "–"}</span
    >
    <span role="cell" class="why" title=${why}><bdi>${why}</bdi></span>
  </div>`
}

const heading = ({ report }: Watched, { order }: Rows.Choice, sort: (by: Rows.Order["by"]) => void): TemplateResult =>
  html`<div role="row" class="row head" aria-rowindex="1">
    ${columns.map(
      ([by, title]) =>
        html`<span
          role="columnheader"
          class=${by === "progress" ? "has" : by}
          aria-sort=${order.by === by ? (order.isDown ? "descending" : "ascending") : "none"}
          ><button type="button" @click=${() => sort(by)}>
            ${title}<span aria-hidden="true">${order.by === by ? (order.isDown ? " ↓" : " ↑") : ""}</span>
          </button></span
        >`
    )}<span role="columnheader" class="why">${report === undefined ? "Waits for" : "Remarks"}</span>
  </div>`

const states: ReadonlyArray<Row["state"]> = [
  "Receiving",
  "Slow",
  "Complete",
  "Limited",
  "Partial",
  "Lost",
  "Absent",
  "Unreachable"
]

/** What the table tells of the user. */
export interface Chosen {
  readonly choose: (to: (before: Rows.Choice) => Partial<Rows.Choice>) => void
  readonly scroll: (element: HTMLElement) => void
}

const tools = (state: Watched, choice: Rows.Choice, shown: number, { choose }: Chosen): TemplateResult => {
  const counts = states.map((one) => [one, state.rows.filter((row) => row.state === one).length] as const)
  return html`<div class="tools">
    <input
      id="find"
      type="search"
      placeholder="Find a catcher"
      aria-label="Find a catcher by its name or address"
      autocomplete="off"
      spellcheck="false"
      .value=${choice.text}
      @input=${(event: Event) => choose(() => ({ text: (event.target as HTMLInputElement).value }))}
    />
    <div class="chips" role="group" aria-label="Show catchers that are">
      ${counts
        .filter(([one, count]) => count > 0 || one === choice.state)
        .map(
          ([one, count]) =>
            html`<button
              type="button"
              class="chip ${one}"
              aria-pressed=${choice.state === one}
              @click=${() => choose((before) => ({ state: before.state === one ? "" : one }))}
            >
              <i aria-hidden="true"></i>${Format.count(count)} ${stateWord(one, state)}
            </button>`
        )}
    </div>
    <span class="shown" aria-live="polite"
      >${shown === state.rows.length ? "" : `${Format.count(shown)} of ${Format.count(state.rows.length)}`}</span
    >
  </div>`
}

/** The section with the table, as it stands. */
export const section = (state: Watched, table: Table, chosen: Chosen): TemplateResult => {
  const { choice, heightPixels, isNarrow, topPixels } = table
  const rows = Rows.chosen(state.rows, choice)
  const pixels = isNarrow ? rowPixels.narrow : rowPixels.wide
  const { from, to } = Rows.visible({ count: rows.length, rowPixels: pixels, topPixels, heightPixels })
  // two clicks may come before it is drawn again
  const sort = (by: Rows.Order["by"]) =>
    chosen.choose(({ order }) => ({
      order: { by, isDown: order.by === by ? !order.isDown : by === "rate" || by === "loss" }
    }))
  return html`<section class="panel catchers" aria-labelledby="catchers-title">
    <h2 id="catchers-title">${Format.plural(state.rows.length, "catcher")}</h2>
    ${tools(state, choice, rows.length, chosen)}
    <div role="table" aria-label="Catchers" aria-rowcount=${rows.length + 1} class="table">
      <div
        role="rowgroup"
        class="rows"
        tabindex="0"
        aria-label="Catchers; arrow keys scroll"
        @scroll=${(event: Event) => chosen.scroll(event.target as HTMLElement)}
      >
        ${heading(state, choice, sort)}
        <div role="presentation" .style=${`height:${rows.length * pixels}px`}>
          <div role="presentation" .style=${`transform:translateY(${from * pixels}px)`}>
            ${rows.slice(from, to).map((row, at) => line(row, from + at, state))}
          </div>
        </div>
        ${rows.length === 0 ? html`<p class="none">${state.rows.length === 0 ? "No catcher has joined yet." : "No catcher is like that."}</p>` : ""}
      </div>
    </div>
  </section>`
}
