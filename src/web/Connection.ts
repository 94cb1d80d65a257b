/** The page's connection to the program: the state as it was when it came, and frames that are folded into it. */
import * as Watched from "../report/Watched.ts"

/** How the program is reached. Over: it has told all, and ends. */
export type Link = "Connecting" | "Open" | "Broken" | "Over"

/** Connects, again where the connection breaks, and tells each change. Without a state nothing has come yet. */
export const connect = (changed: (link: Link, state: Watched.Watched | undefined) => void): void => {
  const source = new EventSource(`${location.pathname.replace(/\/$/, "")}/events`)
  let state: Watched.Watched | undefined
  const on = <A>(name: string, take: (data: A) => void) =>
    source.addEventListener(name, ({ data }: MessageEvent<string>) => take(JSON.parse(data) as A))
  const tell = (link: Link) => changed(link, state)
  tell("Connecting")
  on<Watched.Watched>("state", (whole) => {
    state = whole
    tell("Open")
  })
  on<Watched.Frame>("frame", (frame) => {
    if (state === undefined) return
    state = Watched.step(state, frame)
    tell("Open")
  })
  on("over", () => {
    source.close()
    tell("Over")
  })
  source.addEventListener("error", () => {
    // with its report a session is over, however the connection ends
    const isOver = state?.report !== undefined || source.readyState === EventSource.CLOSED
    if (isOver) source.close()
    tell(state?.report !== undefined ? "Over" : "Broken")
  })
}
