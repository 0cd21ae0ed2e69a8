import type { RowStream } from '../duckdb/index.ts'
import type { LogLine, SandboxHost } from '../sandbox/contract.ts'
import {
  type HostArguments,
  type HostOperation,
  isHostOperation,
  parseHostArguments,
} from './host-arguments.ts'
import { HostFailure, toHostFailure } from './host-failure.ts'
import type { JobData } from './job-data.ts'
import type { JobLog } from './job-log.ts'
import type { MetadataStore } from './metadata-store.ts'

/** Streams a script may have open at once: each holds a connection or a cursor. */
const maxOpenStreams = 8

export interface BrokerOptions {
  readonly metadata: MetadataStore
  readonly data: JobData
  readonly log: Pick<JobLog, 'append'>
  readonly onProgress: (fraction: number, message: string | null) => void
  /** Runs another analysis as a child of this job; returns the JSON text of its result. */
  readonly runAnalysis: (
    name: string,
    parameters: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ) => Promise<string>
}

type Handlers = {
  readonly [Operation in HostOperation]: (
    input: HostArguments<Operation>,
    signal: AbortSignal,
  ) => Promise<string>
}

/**
 * Answers what a script asks for: the only way out of a sandbox. It holds the credentials; the
 * script gets rows and error texts.
 */
export class Broker implements SandboxHost {
  private readonly options: BrokerOptions
  private readonly streams = new Map<number, RowStream>()
  private lastCursor = 0

  constructor(options: BrokerOptions) {
    this.options = options
  }

  async call(operation: string, argumentsText: string, signal: AbortSignal): Promise<string> {
    try {
      if (!isHostOperation(operation)) {
        throw new HostFailure('script_error', `there is no ctx.${operation}`)
      }
      return await this.handle(operation, argumentsText, signal)
    } catch (error) {
      if (signal.aborted) throw error
      throw toHostFailure(error)
    }
  }

  log(lines: readonly LogLine[]): void {
    this.options.log.append(lines)
  }

  progress(fraction: number, message: string | null): void {
    this.options.onProgress(fraction, message)
  }

  /** Closes streams that the script left open. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.streams.values()].map((stream) => stream.close()))
    this.streams.clear()
  }

  private handle<Operation extends HostOperation>(
    operation: Operation,
    text: string,
    signal: AbortSignal,
  ): Promise<string> {
    return this.handlers[operation](parseHostArguments(operation, text), signal)
  }

  private readonly handlers: Handlers = {
    'datasource.query': async ({ name, sql: text, params, exact }, signal) => {
      const source = await this.options.data.resolve(name, signal)
      if (source.type === 'postgres') {
        const datasource = await this.options.data.postgresDatasource(name, source.connectionString)
        return datasource.query(text, params, rowOptions(exact), signal)
      }
      const duckdb = await this.options.data.duckdb(signal)
      return duckdb.query(
        text,
        params,
        { ...rowOptions(exact), ...catalogOf(source.type, name) },
        signal,
      )
    },
    'datasource.open': async ({ name, sql: text, params, exact, batchSize }, signal) => {
      if (this.streams.size >= maxOpenStreams) {
        throw new HostFailure(
          'datasource_error',
          `at most ${maxOpenStreams} streams may be open at once`,
        )
      }
      const source = await this.options.data.resolve(name, signal)
      const options = { ...rowOptions(exact), batchSize }
      const stream =
        source.type === 'postgres'
          ? await (
              await this.options.data.postgresDatasource(name, source.connectionString)
            ).stream(text, params, options, signal)
          : await (
              await this.options.data.duckdb(signal)
            ).stream(text, params, { ...options, ...catalogOf(source.type, name) }, signal)
      this.lastCursor += 1
      this.streams.set(this.lastCursor, stream)
      return JSON.stringify({ cursor: this.lastCursor })
    },
    'datasource.fetch': async ({ cursor }, signal) => {
      const stream = this.streams.get(cursor)
      if (!stream) throw new HostFailure('datasource_error', 'this stream is closed')
      const rows = await stream.next(signal)
      return rows === null ? '{"rows":[],"done":true}' : `{"rows":${rows},"done":false}`
    },
    'datasource.close': async ({ cursor }) => {
      const stream = this.streams.get(cursor)
      this.streams.delete(cursor)
      await stream?.close()
      return 'null'
    },
    'duckdb.query': async ({ sql: text, params, exact }, signal) =>
      (await this.options.data.duckdb(signal)).query(text, params, rowOptions(exact), signal),
    'duckdb.exec': async ({ sql: text, params }, signal) =>
      JSON.stringify(await (await this.options.data.duckdb(signal)).exec(text, params, signal)),
    'duckdb.load': async (request, signal) =>
      JSON.stringify(await this.options.data.load(request, signal)),
    'duckdb.export': async ({ table, file }, signal) => {
      const { rowCount, sizeBytes } = await (
        await this.options.data.duckdb(signal)
      ).exportTable(table, file, signal)
      return JSON.stringify({ rowCount, sizeBytes })
    },
    'duckdb.tables': async (_input, signal) =>
      JSON.stringify(await (await this.options.data.duckdb(signal)).tables(signal)),
    'duckdb.describe': async ({ table }, signal) =>
      JSON.stringify(await (await this.options.data.duckdb(signal)).describe(table, signal)),
    'metadata.get': ({ key }, signal) => this.options.metadata.get(key, signal),
    'metadata.set': async ({ key, value }, signal) => {
      await this.options.metadata.set(key, value, signal)
      return 'null'
    },
    'analysis.run': ({ name, params }, signal) => this.options.runAnalysis(name, params, signal),
  }
}

const rowOptions = (exact: boolean | undefined) => (exact === undefined ? {} : { exact })

/** Names without a database are looked up in an attached DuckDB file; views lie in the scratch one. */
const catalogOf = (type: 'duckdb' | 'file', name: string) =>
  type === 'duckdb' ? { catalog: name } : {}
