/**
 * What the owner of a destination protects as it stands on the disk, whatever its name is in a manifest: of another type than the
 * entry, or under another spelling that the file system takes for the same name. [Y-9]
 */

import * as fs from "node:fs"
import * as Veto from "../../filter/Veto.ts"
import * as Status from "../../system/Status.ts"
import { nameOf, parentOf } from "../../tree/Names.ts"
import { vetoed } from "../Reasons.ts"
import * as Confinement from "./Confinement.ts"
import type { Destination } from "./Destination.ts"

export class Guard {
  private readonly destination: Destination
  private readonly veto: Veto.Veto
  /** What is protected in a directory, by the directory's key: device and inode. */
  private readonly protectedIn = new Map<string, ReadonlySet<string>>()
  /** Is a directory protected, or in one that is? */
  private readonly directories = new Map<string, boolean>([["", false]])

  constructor(destination: Destination, veto: Veto.Veto) {
    this.destination = destination
    this.veto = veto
  }

  /** Is anything protected? */
  get protects(): boolean {
    return this.veto.filter !== undefined
  }

  /** Throws where that which a path leads to is protected; the path is one character a byte. */
  check(key: string): void {
    if (!this.protects || key === "") return
    if (this.isIn(parentOf(key)) || this.isNamed(key)) throw vetoed()
  }

  private isIn(key: string): boolean {
    const known = this.directories.get(key)
    if (known !== undefined) return known
    const found = this.isIn(parentOf(key)) || this.isNamed(key)
    this.directories.set(key, found)
    return found
  }

  private isNamed(key: string): boolean {
    const { tree } = this.destination
    const directory = tree.directory(parentOf(key))
    const stats = Confinement.look(Confinement.at(directory, nameOf(key)))
    return stats !== undefined && this.within(directory).has(Status.inodeOf(stats))
  }

  private within(directory: Confinement.Directory): ReadonlySet<string> {
    const known = this.protectedIn.get(directory.key)
    if (known !== undefined) return known
    const found = new Set<string>()
    for (const one of fs.readdirSync(directory.self, { encoding: "buffer", withFileTypes: true })) {
      if (!Veto.names(this.veto, Confinement.join(directory.key, one.name), one.isDirectory())) continue
      const stats = Confinement.look(Confinement.at(directory, one.name))
      if (stats !== undefined) found.add(Status.inodeOf(stats))
    }
    this.protectedIn.set(directory.key, found)
    return found
  }
}
