/** What the isolate posts to its process. Numbers, so that they can be written into its source. */
export const posts = {
  call: 1,
  log: 2,
  progress: 3,
  done: 4,
  failed: 5,
  inspected: 6,
} as const

/** Limits inside the isolate, and what the script may know of its job. */
export interface GuestConfig {
  readonly resultBytes: number
  readonly logLines: number
  readonly logBytes: number
  readonly definitionBytes: number
  /** When `ctx.shouldStop()` begins to say so, in milliseconds since 1970. */
  readonly stopAt: number
}
