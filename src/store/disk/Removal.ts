/**
 * Removal of a name with all that is below it. Everything is reached through Confinement, so that no
 * link is followed; and no mount point is crossed.
 */

import * as fs from "node:fs"
import { mounted } from "../Reasons.ts"
import * as Confinement from "./Confinement.ts"
import type { Deleting } from "../Store.ts"
import { openUp } from "./Describe.ts"
import type { Destination } from "./Destination.ts"

/** How a removal is done, and how far it is. */
export class Removal {
  /** Names that are gone. */
  count = 0
  /** What stays because there are too many. */
  left = 0
  private readonly options: Pick<Deleting, "most" | "isDry" | "told">

  constructor(options: Removal["options"]) {
    this.options = options
  }

  /** Removes a name in the directory of that key, with all below it. */
  remove(destination: Destination, parent: string, name: Buffer): void {
    const { tree } = destination
    const at = () => Confinement.at(tree.directory(parent), name)
    const stats = Confinement.look(at())
    const key = Confinement.join(parent, name)
    if (stats === undefined) return
    if (!stats.isDirectory()) return this.take(key, false, () => fs.unlinkSync(at()))
    const device = fs.statSync(tree.directory(parent).self, { bigint: true }).dev
    const directory = tree.directory(key)
    if (fs.statSync(directory.self, { bigint: true }).dev !== device) throw mounted(Buffer.from(key, "latin1"))
    if (!this.options.isDry) openUp(directory)
    for (const inside of fs.readdirSync(directory.self, { encoding: "buffer" })) this.remove(destination, key, inside)
    this.take(key, true, () => fs.rmdirSync(at()))
  }

  private take(key: string, isDirectory: boolean, go: () => void): void {
    const { isDry, most, told } = this.options
    if (this.count >= most) return void this.left++
    if (!isDry) go()
    this.count++
    told?.(Buffer.from(key, "latin1"), isDirectory)
  }
}

/** All of it, because something else is to have its name. */
export const removeWhole = (destination: Destination, parent: string, name: Buffer): void =>
  new Removal({ most: Infinity, isDry: false }).remove(destination, parent, name)
