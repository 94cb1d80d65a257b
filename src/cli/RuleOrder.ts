/** The order of the options of filter rules: which one comes first decides, and the parser gathers them option by option. */
import * as Context from "effect/Context"
import type { Given } from "../filter/Options.ts"

/** The options as they stand on the command line. */
export const RuleOrder = Context.Reference<ReadonlyArray<Given["option"]>>("mrsync/cli/RuleOrder", {
  defaultValue: () => []
})
