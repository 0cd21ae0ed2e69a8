const signals = ['SIGINT', 'SIGTERM'] as const

export class InterruptedError extends Error {}

export interface Interruption {
  /** Rejects with InterruptedError at the first signal. */
  readonly happened: Promise<never>
  /** Leaves signals to their usual effect again. */
  release(): void
}

/** From here on a signal does not end the process: a server and processes wait to be ended first. */
export function catchInterruption(): Interruption {
  const { promise, reject } = Promise.withResolvers<never>()
  // It may come before anybody waits for it.
  promise.catch(() => undefined)
  const onSignal = (signal: string): void => reject(new InterruptedError(`ended by ${signal}`))
  for (const signal of signals) process.on(signal, onSignal)
  return {
    happened: promise,
    release() {
      for (const signal of signals) process.off(signal, onSignal)
    },
  }
}
