/** The roots of files of which every page was sent once. */

/** A root, and the size of the pages that it was made with. */
interface Root {
  /** Undefined: the file had a signature in place of one. [Y-17] */
  readonly root: Uint8Array | undefined
  readonly pageBytes: number
}

export class Roots {
  private readonly roots = new Map<number, Root>()

  /** Every page of the file was sent once, and this is what it is. */
  add(file: number, root: Root): void {
    this.roots.set(file, root)
  }
  has(file: number): boolean {
    return this.roots.has(file)
  }
  get size(): number {
    return this.roots.size
  }
  /**
   * By which a catcher can tell that it holds the file already, in pages of that size; undefined:
   * not known.
   */
  of(file: number, pageBytes: number): Uint8Array | undefined {
    const known = this.roots.get(file)
    return known?.pageBytes === pageBytes ? known.root : undefined
  }
}
