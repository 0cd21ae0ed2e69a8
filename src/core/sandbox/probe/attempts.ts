/** What the probe can be told to try, and what it says of each. */
export interface Attempts {
  /** Files to read. */
  readonly read: readonly string[]
  /** Folders to create a file in; it is deleted again. */
  readonly write: readonly string[]
  /** A port of this machine to connect to. */
  readonly connect: number
  /** A program to start. */
  readonly start: string
  /** The process whose environment to read and that to signal: the one that started it. */
  readonly parent: number
}

/** Each is `done` where nothing held it, else the code of the error. */
export interface AttemptResults {
  /** Names of the variables in its environment. */
  readonly environment: readonly string[]
  readonly read: Readonly<Record<string, string>>
  readonly write: Readonly<Record<string, string>>
  readonly connect: string
  readonly start: string
  readonly parentEnvironment: string
  readonly parentSignal: string
}

/** The three things a probe does: try all that; take memory (bytes) until it has it; use up CPU. */
export type ProbeRequest =
  | ({ readonly kind: 'try' } & Attempts)
  | { readonly kind: 'allocate'; readonly bytes: number }
  | { readonly kind: 'spin' }
