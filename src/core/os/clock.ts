/** Time, given to functions that need it so that tests can choose it. */
export interface Clock {
  /** Milliseconds since the epoch; for people and file names, never for leases. */
  now(): number
  /** Milliseconds that only ever go up, for measuring spans. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}
