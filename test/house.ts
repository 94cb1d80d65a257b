/** What the house rules look at: how long functions and files are, and which exports nothing uses. */
import * as path from "node:path"
import { parseAst } from "rolldown/parseAst"

/** Texts by path below src. */
export type Sources = ReadonlyMap<string, string>

/** As much of a syntax tree as is walked here. */
interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [field: string]: unknown
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as Node).type === "string"

const childrenOf = (node: Node): ReadonlyArray<Node> => Object.values(node).flat().filter(isNode)

/** A file is looked at once, and again when its text is another one. */
const remembered = <A>(look: (file: string, tree: Node, text: string) => A): ((file: string, text: string) => A) => {
  const known = new Map<string, readonly [text: string, seen: A]>()
  return (file, text) => {
    const before = known.get(file)
    if (before?.[0] === text) return before[1]
    const seen = look(file, parseAst(text, { lang: "ts" }) as unknown as Node, text)
    if (before === undefined) known.set(file, [text, seen])
    return seen
  }
}

const nameOf = (node: unknown): string | undefined =>
  isNode(node) && typeof node["name"] === "string" ? node["name"] : undefined

const lineCount = (text: string) => text.split("\n").length - (text.endsWith("\n") ? 1 : 0)

/** Lines of each file, without its doc comments: no file is made short by saying less of what it exports. */
export const fileLines = (sources: Sources): ReadonlyMap<string, number> =>
  new Map([...sources].map(([file, text]) => [file, lineCount(text.replace(/^ *\/\*\*[^]*?\*\/\n\n?/gm, ""))]))

const functions: ReadonlySet<string> = new Set([
  ...["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]
])
/** A function has the name of what it is put into. */
const named: Record<string, string> = {
  ...{ VariableDeclarator: "id", FunctionDeclaration: "id", MethodDefinition: "key" },
  ...{ PropertyDefinition: "key", Property: "key" }
}

const functionsOf = remembered((file, tree, text): ReadonlyMap<string, number> => {
  const lines = new Map<string, number>()
  const walk = (node: Node, outer: string) => {
    const name = nameOf(node[named[node.type] ?? ""]) ?? outer
    const key = `${file} ${name}`
    if (functions.has(node.type)) {
      lines.set(key, Math.max(lines.get(key) ?? 0, lineCount(text.slice(node.start, node.end))))
    }
    for (const child of childrenOf(node)) walk(child, name)
  }
  walk(tree, "")
  return lines
})

/** Lines of each function, by file and name; of functions with one name the longest. */
export const functionLines = (sources: Sources): ReadonlyMap<string, number> =>
  new Map([...sources].flatMap((source) => [...functionsOf(...source)]))

/** A service is taken by its class: `yield* Members`, or `yield* Transport.Transport`. */
const serviceOf = (node: Node): string | undefined => {
  const taken = node.type === "YieldExpression" && node["delegate"] === true ? node["argument"] : undefined
  const name = isNode(taken) ? (nameOf(taken) ?? nameOf(taken["property"])) : undefined
  return name !== undefined && /^[A-Z]/.test(name) ? name : undefined
}

const needsOf = remembered((file, tree): ReadonlyMap<string, number> => {
  const needs = new Map<string, number>()
  const walk = (node: Node, outer: string, taken: Set<string>) => {
    const name = nameOf(node[named[node.type] ?? ""]) ?? outer
    const isFunction = functions.has(node.type)
    const own = isFunction ? new Set<string>() : taken
    const service = serviceOf(node)
    if (service !== undefined) own.add(service)
    for (const child of childrenOf(node)) walk(child, name, own)
    if (!isFunction) return
    const key = `${file} ${name}`
    needs.set(key, Math.max(needs.get(key) ?? 0, (node["params"] as ReadonlyArray<Node>).length + own.size))
  }
  walk(tree, "", new Set())
  return needs
})

/** Parameters of each function, and services that it takes by itself, together. */
export const functionNeeds = (sources: Sources): ReadonlyMap<string, number> =>
  new Map([...sources].flatMap((source) => [...needsOf(...source)]))

interface Named {
  readonly file: string
  readonly name: string
}

const exportsOf = (file: string, tree: Node): ReadonlyArray<Named> =>
  (tree["body"] as ReadonlyArray<Node>).flatMap((statement) => {
    if (statement.type !== "ExportNamedDeclaration") return []
    const { declaration, specifiers } = statement as { declaration?: Node; specifiers?: ReadonlyArray<Node> }
    const names = isNode(declaration)
      ? [declaration["id"], ...childrenOf(declaration).map((child) => child["id"])]
      : (specifiers ?? []).map((specifier) => specifier["exported"])
    return names.flatMap((node) => nameOf(node) ?? []).map((name) => ({ file, name }))
  })

/** The names that a file uses of others; "*": all that there are. */
const usesOf = (file: string, tree: Node): ReadonlyArray<Named> => {
  const out: Array<Named> = []
  const spaces = new Map<string, string>()
  const targetOf = (source: unknown) => {
    const target = isNode(source) ? source["value"] : undefined
    return typeof target === "string" && target.startsWith(".")
      ? path.posix.join(path.posix.dirname(file), target)
      : undefined
  }
  const imported = (statement: Node, from: string) => {
    if (statement.type === "ExportAllDeclaration") return void out.push({ file: from, name: "*" })
    for (const specifier of (statement["specifiers"] ?? []) as ReadonlyArray<Node>) {
      const name = nameOf(specifier["imported"]) ?? nameOf(specifier["local"])
      if (name === undefined) continue
      if (specifier.type === "ImportNamespaceSpecifier") spaces.set(name, from)
      else out.push({ file: from, name })
    }
  }
  const walk = (node: Node) => {
    const from = targetOf(node["source"])
    if (node.type === "ImportExpression" && from !== undefined) out.push({ file: from, name: "*" })
    else if (from !== undefined) return imported(node, from)
    const isMember = node.type === "MemberExpression" || node.type === "TSQualifiedName"
    const space = spaces.get(nameOf(node[node.type === "TSQualifiedName" ? "left" : "object"]) ?? "")
    const member = nameOf(node[node.type === "TSQualifiedName" ? "right" : "property"])
    if (isMember && space !== undefined && member !== undefined) out.push({ file: space, name: member })
    childrenOf(node).forEach(walk)
  }
  walk(tree)
  return out
}

const namesOf = remembered((file, tree) => ({ gives: exportsOf(file, tree), uses: usesOf(file, tree) }))

/** Exports that no other file uses, as "FILE NAME". */
export const deadExports = (sources: Sources): ReadonlyArray<string> => {
  const names = [...sources].map((source) => namesOf(...source))
  const used = new Set(names.flatMap(({ uses }) => uses).map(({ file, name }) => `${file} ${name}`))
  return names
    .flatMap(({ gives }) => gives)
    .filter(({ file, name }) => !used.has(`${file} ${name}`) && !used.has(`${file} *`))
    .map(({ file, name }) => `${file} ${name}`)
}
