/** A sentence about the words of a command line, which the parser does not keep. */
import * as Context from "effect/Context"

/** Told when the command begins; undefined: there is nothing to say. */
export const Remark = Context.Reference<string | undefined>("mrsync/cli/Remark", { defaultValue: () => undefined })
