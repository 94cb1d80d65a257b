/** The options of a script; where they are wrong it says what is, and ends with 2. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import { parseArgs } from "node:util"

export const refuse = (why) => {
  console.error(`${basename(process.argv[1])}: ${why}`)
  process.exit(2)
}

export const parse = (config) => {
  try {
    return parseArgs(config)
  } catch (error) {
    return refuse(error.message)
  }
}

/** A whole number between two bounds. */
export const whole = (option, text, min, max = 0xffff_ffff) =>
  /^\d{1,10}$/.test(text) && Number(text) >= min && Number(text) <= max
    ? Number(text)
    : refuse(`${option} ${text}: a number from ${min} to ${max} is expected`)

/** Where a module of a built library is. */
export const built = (dist, module) => {
  const file = join(resolve(dist), module)
  return existsSync(file) ? file : refuse(`${file} is missing: "npm run build" makes dist`)
}

/** Writes a file that is made, or, where it is only checked, says that it differs and ends with 1. */
export const put = (file, text, isCheck) => {
  if (!isCheck) return writeFileSync(file, text)
  if (existsSync(file) && readFileSync(file, "utf8") === text) return
  console.error(`${basename(file)} is not what node scripts/${basename(process.argv[1])} makes: run that`)
  process.exitCode = 1
}
