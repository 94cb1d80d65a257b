/** A binary heap: the least item first. Items that are equal come out in any order, so an order must be part of them. */
export class Heap<A> {
  private readonly items: Array<A> = []
  private readonly isBefore: (a: A, b: A) => boolean

  constructor(isBefore: (a: A, b: A) => boolean) {
    this.isBefore = isBefore
  }

  get size(): number {
    return this.items.length
  }

  /** Only of a heap that is not empty. */
  get first(): A {
    return this.items[0]!
  }

  push(item: A): void {
    const { isBefore, items } = this
    let i = items.length
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (isBefore(items[parent]!, item)) break
      items[i] = items[parent]!
      i = parent
    }
    items[i] = item
  }

  /** Only of a heap that is not empty. */
  pop(): A {
    const { isBefore, items } = this
    const first = items[0]!
    const last = items.pop()!
    const size = items.length
    if (size === 0) return first
    let i = 0
    while (true) {
      let child = 2 * i + 1
      if (child >= size) break
      if (child + 1 < size && isBefore(items[child + 1]!, items[child]!)) child++
      if (isBefore(last, items[child]!)) break
      items[i] = items[child]!
      i = child
    }
    items[i] = last
    return first
  }
}
