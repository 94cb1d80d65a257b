/** Fields of events and reports: a type, and what it means, with its unit. docs/events.md is made from them. */
import * as Schema from "effect/Schema"

/** A whole number of what the description names. */
export const count = (description: string) => Schema.Int.annotateKey({ description })

/** A number that may be a fraction. */
export const number = (description: string) => Schema.Finite.annotateKey({ description })

export const text = (description: string) => Schema.String.annotateKey({ description })

export const flag = (description: string) => Schema.Boolean.annotateKey({ description })

export const oneOf = <const Words extends ReadonlyArray<string>>(words: Words, description: string) =>
  Schema.Literals(words).annotateKey({ description })

export const list = <Item extends Schema.Top>(item: Item, description: string) =>
  Schema.Array(item).annotateKey({ description })

/** Left out, or undefined, where there is none. */
export const maybe = <Field extends Schema.Top>(field: Field) =>
  Schema.optional(field).annotateKey({ description: Schema.resolveAnnotationsKey(field)?.description })

/** The path of an entry, as it is shown and as bytes: `Names.pathAt` makes both. */
export const path = {
  path: text(
    'the path as it is shown; empty where it is not about one path. A backslash is doubled, and each byte that is not UTF-8 or cannot be seen is "\\xNN"'
  ),
  pathBytes: maybe(text("the path's bytes in base64, where they are not UTF-8"))
}
