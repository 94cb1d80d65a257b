/**
 * How the joins of many catchers are spread over time, and how many of them are welcomed together.
 * Without the one the master's buffer would overflow, without the other each catcher would hear a
 * welcome and a poll for each of the others. Pure.
 */

import * as Limits from "../Limits.ts"

/** Over so many milliseconds that many catchers spread their answers to an announcement. */
export const joinMillis = (wanted: number): number => Math.min(Limits.spreadMillis, Math.floor(wanted / 4))

/** [J-16] So many milliseconds pass from one welcome to the next; few catchers are welcomed as they come. */
export const welcomeMillis = (wanted: number): number => Math.floor(joinMillis(wanted) / Limits.welcomesASpread)
