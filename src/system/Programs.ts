/** Where the system's programs are looked for: no variable of ours says it. */
import * as Context from "effect/Context"

/** Directories, as in PATH; NixOS's is among them. */
export const Programs = Context.Reference<string>("mrsync/system/Programs", {
  defaultValue: () => "/usr/local/bin:/usr/bin:/bin:/run/current-system/sw/bin"
})
