/** The judge of filters, with other trees and rules each night. */
import { describe } from "@effect/vitest"
import { hasRsync, judge } from "../filter/judge.ts"

const trees = 40
/** For those of an earlier night: the seed in the name of a test that failed. */
const first = Number(process.env["JUDGE_FIRST"] ?? Math.floor(Date.now() / 86_400_000) * trees)

describe.skipIf(!hasRsync)("the judge is rsync", () => judge(Array.from({ length: trees }, (_, at) => first + at)))
