/** The chart: what is sent a second, and how much of all is there everywhere. */
import uPlot from "uplot"
import * as Format from "../report/Format.ts"
import type { Curves } from "./Curves.ts"

const heightPixels = 200

const color = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

const font = "12px system-ui, sans-serif"

const axis = (side: Partial<uPlot.Axis>): uPlot.Axis => ({
  stroke: () => color("--muted"),
  grid: { stroke: () => color("--line"), width: 1 },
  ticks: { show: false },
  font,
  ...side
})

/** Seconds between two marks. */
const increments = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400]

const options = (width: number): uPlot.Options => ({
  width,
  height: heightPixels,
  padding: [12, 4, 0, 4],
  legend: { show: false },
  cursor: { drag: { x: false, y: false }, y: false },
  scales: {
    x: { time: false },
    rate: { range: (_self, _least, most) => [0, Math.max(1, (most || 1000) * 1.1)] },
    held: { range: [0, 1] }
  },
  axes: [
    axis({
      size: 30,
      space: 64,
      incrs: increments,
      values: (_self, seconds) => seconds.map((one) => Format.clock(one)),
      grid: { show: false }
    }),
    axis({ scale: "rate", size: 76, values: (_self, rates) => rates.map(Format.rate) }),
    axis({
      scale: "held",
      side: 1,
      size: 52,
      grid: { show: false },
      splits: [0, 0.25, 0.5, 0.75, 1],
      values: (_self, shares) => shares.map((share) => `${Math.round(share * 100)} %`)
    })
  ],
  series: [
    {},
    {
      scale: "rate",
      stroke: () => color("--accent"),
      fill: () => color("--accent-soft"),
      width: 2,
      points: { show: false }
    },
    { scale: "held", stroke: () => color("--good"), width: 2, dash: [6, 4], points: { show: false } }
  ]
})

/** A chart in an element, as wide as it; gives what shows other curves, and tells which point is pointed at. */
export const make = (element: HTMLElement, pointed: (at: number | undefined) => void): ((curves: Curves) => void) => {
  const widthOf = () => Math.max(200, Math.floor(element.clientWidth))
  const chart = new uPlot(options(widthOf()), [[], [], []], element)
  new ResizeObserver(() => chart.setSize({ width: widthOf(), height: heightPixels })).observe(element)
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.redraw())
  chart.over.addEventListener("mousemove", () => pointed(chart.cursor.idx ?? undefined))
  chart.over.addEventListener("mouseleave", () => pointed(undefined))
  return (curves) => chart.setData(curves as unknown as uPlot.AlignedData)
}
