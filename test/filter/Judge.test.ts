/** What is sent, and what is kept from being deleted, against rsync itself. See judge.ts. */
import { describe } from "@effect/vitest"
import { mostly } from "../seldom.ts"
import { hasRsync, judge } from "./judge.ts"

describe.skipIf(!hasRsync)("the judge is rsync", () => judge(mostly([1, 2, 3, 4], [5, 6, 7, 8])))
