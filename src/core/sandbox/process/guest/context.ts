import type { ScriptContext } from '../../contract.ts'
import type { Call, Post } from './calls.ts'
import type { Log } from './log.ts'
import type { Primordials } from './primordials.ts'

type Known = Omit<ScriptContext, 'datasources'> & { readonly datasource: object }

/**
 * Builds `ctx`; frozen, and made of the script's own realm only. Parts that many scripts never ask for
 * are made when one does. Objects have no prototype: V8 then gives them no shape, which in a fresh
 * isolate costs a microsecond for each of their fields.
 */
export function makeContext(
  p: Primordials,
  post: Post,
  call: Call,
  log: Log,
  makeDatasources: (declared: readonly string[]) => object,
  aboutText: string,
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
  let known: Known | undefined
  const about = () => {
    if (!known) {
      const { datasources, job, analysis, project, now } = p.parse(aboutText) as ScriptContext
      known = {
        __proto__: null,
        job: p.freeze(job),
        analysis: p.freeze(analysis),
        project: p.freeze(project),
        now,
        datasource: makeDatasources(datasources),
      } as Known
    }
    return known
  }
  const sleep = (ms: unknown): Promise<unknown> => {
    const duration = p.number(ms)
    if (duration - duration !== 0) {
      throw new p.RangeError('ctx.sleep: the time is not a number of milliseconds')
    }
    return call('sleep', { ms: duration })
  }
  const duckdb = {
    __proto__: null,
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
    __proto__: null,
    get: (key: string) => call('metadata.get', { key }),
    set: (key: string, value: unknown) => call('metadata.set', { key, value }),
  }
  return p.freeze({
    __proto__: null,
    get job() {
      return about().job
    },
    get analysis() {
      return about().analysis
    },
    get project() {
      return about().project
    },
    get now() {
      return about().now
    },
    get datasource() {
      return about().datasource
    },
    duckdb: p.freeze(duckdb),
    runAnalysis: (name: string, params?: object) => call('analysis.run', { name, params }),
    metadata: p.freeze(metadata),
    get log() {
      return contextLog()
    },
    debug,
    info,
    warn,
    error,
    progress,
    sleep,
    shouldStop: () => p.now() >= limits.stopAt,
  })
}
