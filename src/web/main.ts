/** The page to watch a session: it connects, and draws what it hears of, once a picture of the screen. */
import { html, render } from "lit-html"
import * as Chart from "./Chart.ts"
import { connect } from "./Connection.ts"
import * as Curves from "./Curves.ts"
import * as Page from "./Page.ts"
import * as Table from "./Table.ts"

const byId = (id: string): HTMLElement => document.getElementById(id)!

const narrow = matchMedia("(max-width: 720px)")

let shown: Page.Shown | undefined
let isDrawn = true

const deeds: Page.Deeds = {
  choose: (to) => {
    // what is found begins at the top
    byId("below").querySelector(".rows")?.scrollTo({ top: 0 })
    change(({ table }) => ({ table: { ...table, topPixels: 0, choice: { ...table.choice, ...to(table.choice) } } }))
  },
  scroll: ({ clientHeight, scrollTop }) =>
    change(({ table }) => ({ table: { ...table, topPixels: scrollTop, heightPixels: clientHeight } })),
  onlyBad: (isBadOnly) => change(() => ({ isBadOnly }))
}

const change = (to: (before: Page.Shown) => Partial<Page.Shown>): void => {
  if (shown === undefined) return
  shown = { ...shown, ...to(shown) }
  drawSoon()
}

const drawSoon = (): void => {
  if (!isDrawn) return
  isDrawn = false
  requestAnimationFrame(() => {
    isDrawn = true
    draw()
  })
}

// what the file itself says until then
byId("above").replaceChildren()

const showCurves = Chart.make(byId("chart"), (pointed) => change(() => ({ pointed })))

const draw = (): void => {
  if (shown === undefined) return
  const { samples, tick } = shown.state
  document.title = `${Page.percentOf(shown.state)} % · mrsync`
  render(Page.above(shown), byId("above"))
  const curves = Curves.curvesOf(samples, tick?.total ?? 0)
  render(Page.legend(curves, shown.pointed), byId("legend"))
  render(Page.below(shown, deeds), byId("below"))
  byId("curves").hidden = samples.length < 2
  showCurves(curves)
  measure()
}

/** As many rows are drawn as there is room for, which the style decides. */
const measure = (): void => {
  const heightPixels = byId("below").querySelector(".rows")?.clientHeight ?? 0
  if (heightPixels !== shown?.table.heightPixels) change(({ table }) => ({ table: { ...table, heightPixels } }))
}

narrow.addEventListener("change", () => change(({ table }) => ({ table: { ...table, isNarrow: narrow.matches } })))

document.addEventListener("keydown", (event) => {
  const find = document.getElementById("find") as HTMLInputElement | null
  const isTyping = event.target instanceof HTMLInputElement
  if (find === null || event.ctrlKey || event.metaKey || event.altKey) return
  if (event.key === "/" && !isTyping) {
    event.preventDefault()
    find.focus()
  } else if (event.key === "Escape" && event.target === find) deeds.choose(() => ({ text: "" }))
})

const urlOf = (report: object): string =>
  URL.createObjectURL(new Blob([JSON.stringify(report, null, 2)], { type: "application/json" }))

connect((link, state) => {
  if (state === undefined) {
    const words = link === "Broken" ? "The program cannot be reached." : "Connecting …"
    render(html`<p class="notice" role="status">${words}</p>`, byId("above"))
    return
  }
  shown =
    shown === undefined
      ? { ...Page.initial, link, state, table: { ...Table.initial, isNarrow: narrow.matches } }
      : { ...shown, link, state }
  if (state.report !== undefined && shown.reportUrl === undefined) shown = { ...shown, reportUrl: urlOf(state.report) }
  drawSoon()
})
