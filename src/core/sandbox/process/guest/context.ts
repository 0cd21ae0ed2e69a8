import type { ScriptContext } from '../../contract.ts'
import type { Call, Post } from './calls.ts'
import type { Log } from './log.ts'
import type { Primordials } from './primordials.ts'

/** Builds `ctx`; frozen, and made of the script's own realm only. */
export function makeContext(
  p: Primordials,
  post: Post,
  call: Call,
  log: Log,
  datasource: object,
  about: ScriptContext,
  limits: { readonly postProgress: number; readonly stopAt: number },
): object {
  const { contextLog, debug, info, warn, error } = log
  const progress = (fraction: unknown, message?: unknown): void => {
    const part = p.number(fraction)
    if (part - part !== 0) {
      throw new p.RangeError('ctx.progress: the fraction is not a number from 0 to 1')
    }
    const text =
      message === undefined || message === null ? null : p.slice(p.text(message), 0, 1000)
    const bounded = part < 0 ? 0 : part > 1 ? 1 : part
    // Not an array: its elements could be caught by setters of the script.
    post(limits.postProgress, 0, '', '[' + bounded + ',' + p.stringify(text) + ']')
  }
  const sleep = (ms: unknown): Promise<unknown> => {
    const duration = p.number(ms)
    if (duration - duration !== 0) {
      throw new p.RangeError('ctx.sleep: the time is not a number of milliseconds')
    }
    return call('sleep', { ms: duration })
  }
  const duckdb = {
    query: (sql: string, params?: unknown[], options?: { exact?: boolean }) =>
      call('duckdb.query', { sql, params, exact: options?.exact }),
    exec: (sql: string, params?: unknown[]) => call('duckdb.exec', { sql, params }),
    load: (name: string, sql: string, table: string, params?: unknown[]) =>
      call('duckdb.load', { datasource: name, sql, table, params }),
    export: (table: string, file: string) => call('duckdb.export', { table, file }),
    tables: () => call('duckdb.tables', {}),
    describe: (table: string) => call('duckdb.describe', { table }),
  }
  const metadata = {
    get: (key: string) => call('metadata.get', { key }),
    set: (key: string, value: unknown) => call('metadata.set', { key, value }),
  }
  return p.freeze({
    job: p.freeze(about.job),
    analysis: p.freeze(about.analysis),
    project: p.freeze(about.project),
    now: about.now,
    datasource,
    duckdb: p.freeze(duckdb),
    runAnalysis: (name: string, params?: object) => call('analysis.run', { name, params }),
    metadata: p.freeze(metadata),
    log: contextLog,
    debug,
    info,
    warn,
    error,
    progress,
    sleep,
    shouldStop: () => p.now() >= limits.stopAt,
  })
}
