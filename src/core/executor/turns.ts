/** Runs pieces of work one after another, in the order they came. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve()

  take<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work)
    // One that fails is its caller's business, and does not hold up the next.
    this.last = result.catch(() => undefined)
    return result
  }
}
