/**
 * A child that waits this long is let in beyond the limit, one of a level in so long a time: what it waits
 * for may itself wait for a slot of an analysis that the child's ancestors hold.
 */
const patienceMs = 5000

interface Level {
  taken: number
  waiting: (() => void)[]
  letInAt: number
}

/**
 * How many child jobs run at a time. A child that had to wait for one of the executor's own places
 * would wait for ever once parents fill them all; without any limit a script that starts eight
 * children, each of which starts eight, has thousands of processes within a second. So each level of
 * descent has places of its own: a job waits only for jobs below it, and the lowest wait for nobody.
 */
export class ChildSlots {
  private readonly size: number
  private readonly levels = new Map<number, Level>()

  /** @param size places of each level: as many as the executor runs jobs. */
  constructor(size: number) {
    this.size = size
  }

  /**
   * Runs the work when its level has a place, in the order in which it was asked for.
   *
   * @throws what the work throws, or the signal's reason while it waits.
   */
  async run<T>(level: number, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.take(level, signal)
    try {
      return await work()
    } finally {
      this.give(level)
    }
  }

  private async take(level: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const state = this.levels.get(level) ?? {
      taken: 0,
      waiting: [],
      letInAt: Number.NEGATIVE_INFINITY,
    }
    this.levels.set(level, state)
    if (state.taken < this.size) {
      state.taken += 1
      return
    }
    // Who gives a place hands it over: `taken` stays as it is.
    await new Promise<void>((resolve, reject) => {
      const letIn = (): void => {
        const isTooSoon = performance.now() - state.letInAt < patienceMs
        if (isTooSoon || state.waiting[0] !== enter) {
          timer = setTimeout(letIn, patienceMs)
          return
        }
        state.waiting.shift()
        state.taken += 1
        state.letInAt = performance.now()
        enter()
      }
      let timer = setTimeout(letIn, patienceMs)
      const leave = (): void => {
        clearTimeout(timer)
        state.waiting = state.waiting.filter((one) => one !== enter)
        reject(signal.reason as Error)
      }
      const enter = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', leave)
        resolve()
      }
      signal.addEventListener('abort', leave, { once: true })
      state.waiting.push(enter)
    })
  }

  private give(level: number): void {
    const state = this.levels.get(level)
    if (!state) return
    const next = state.taken <= this.size ? state.waiting.shift() : undefined
    if (next) next()
    else state.taken -= 1
  }
}
