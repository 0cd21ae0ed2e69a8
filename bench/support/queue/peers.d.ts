/**
 * What is used of the packages in bench/package.json: they are installed by the figures that need
 * them, so that the types of the project cannot count on theirs.
 */
declare module 'graphile-worker' {
  import type { EventEmitter } from 'node:events'
  import type { Pool } from 'pg'

  export class Logger {
    constructor(factory: () => () => void)
  }

  export interface Runner {
    stop(): Promise<void>
  }

  interface Shared {
    readonly pgPool: Pool
    readonly logger: Logger
  }

  export function run(
    options: Shared & {
      readonly events?: EventEmitter
      readonly noHandleSignals: boolean
      readonly concurrency: number
      readonly preset?: { readonly worker: Readonly<Record<string, unknown>> }
      readonly parsedCronItems?: readonly ParsedCronItem[]
      readonly taskList: Readonly<Record<string, () => unknown>>
    },
  ): Promise<Runner>

  export interface ParsedCronItem {
    readonly identifier: string
  }

  export function parseCronItems(
    items: readonly {
      readonly task: string
      readonly match: string
      readonly identifier: string
      readonly options: { readonly backfillPeriod: number }
    }[],
  ): ParsedCronItem[]

  export function makeWorkerUtils(options: Shared): Promise<{
    migrate(): Promise<void>
    addJob(identifier: string, payload: unknown): Promise<unknown>
    release(): Promise<void>
  }>
}

declare module 'pg-boss' {
  export class PgBoss {
    constructor(options: Readonly<Record<string, unknown>>)
    on(event: 'error', listener: (error: unknown) => void): void
    start(): Promise<this>
    stop(options: { readonly graceful: boolean }): Promise<void>
    createQueue(name: string): Promise<void>
    deleteAllJobs(name: string): Promise<void>
    insert(name: string, jobs: readonly { readonly data: object }[]): Promise<unknown>
    fetch(
      name: string,
      options: { readonly batchSize: number },
    ): Promise<readonly { readonly id: string }[]>
    schedule(
      name: string,
      cron: string,
      data: object | null,
      options: { readonly key: string },
    ): Promise<void>
    getSchedules(name: string): Promise<readonly { readonly key: string }[]>
    unschedule(name: string, key: string): Promise<void>
    complete(name: string, ids: readonly string[]): Promise<unknown>
  }
}
