/** TypeScript for scripts: not every Node reads it. */
import { rolldown } from "rolldown"

/** Bundles a module with what it imports, and loads that. */
export const load = async (root, input, plugins = []) => {
  const bundle = await rolldown({
    cwd: root,
    input,
    platform: "node",
    logLevel: "silent",
    external: [/^koffi$/],
    plugins
  })
  const { output } = await bundle.generate({ format: "esm", codeSplitting: false })
  return await import(`data:text/javascript;base64,${Buffer.from(output[0].code).toString("base64")}`)
}
