/** The program's version, from its package. Imports nothing else, so that `mrsync --version` costs nothing. */
import manifest from "../../package.json" with { type: "json" }

export const version: string = manifest.version

export const text = `mrsync ${version}`

/** The versions of Node that are supported. */
export const node: string = manifest.engines.node
