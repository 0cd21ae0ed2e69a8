import { inject } from 'vitest'

/** What the global setup made for all tests of one run. */
export interface TestRun {
  /** Everything temporary lies in here; removed at the end. */
  readonly folder: string
  /** Connection URL of a database on the test server from which others can be created. */
  readonly serverUrl: string
  /** A migrated database that nobody connects to. */
  readonly templateName: string
  /** For the end of `create database`: how the server copies a template with the least work. */
  readonly copyClause: string
  /** Data folder of a stopped copy of the server; undefined when the environment named the server. */
  readonly clusterFolder: string | undefined
}

declare module 'vitest' {
  interface ProvidedContext {
    testRun: TestRun
  }
}

export const testRun = (): TestRun => inject('testRun')
