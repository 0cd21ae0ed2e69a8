import type { Call } from './calls.ts'
import type { Errors } from './errors.ts'
import type { Primordials } from './primordials.ts'

interface RowOptions {
  readonly exact?: boolean
}

/** `ctx.datasource`: a member for each declared datasource, and the same by name. */
export function makeDatasources(
  p: Primordials,
  call: Call,
  errors: Errors,
  declared: readonly string[],
): object {
  const known = p.create(null)
  const require = (name: unknown): void => {
    if (typeof name === 'string' && p.hasOwn(known, name)) return
    const message = 'datasource "' + p.text(name) + '" is not declared in dependencies.datasources'
    throw errors.fill(new p.Error(''), message, 'dependency_error')
  }
  const query = (name: string, sql: string, params?: unknown[], options?: RowOptions) =>
    call('datasource.query', { name, sql, params, exact: options?.exact })
  const stream = (
    name: string,
    sql: string,
    params?: unknown[],
    batchSize?: number,
    options?: RowOptions,
  ) => {
    const pages = async function* (): AsyncGenerator<unknown> {
      const exact = options?.exact
      const opened = await call('datasource.open', { name, sql, params, batchSize, exact })
      const { cursor } = opened as { cursor: number }
      try {
        for (;;) {
          const page = await call('datasource.fetch', { cursor })
          const { rows, done } = page as { rows: unknown[]; done: boolean }
          for (let i = 0; i < rows.length; i += 1) yield rows[i]
          if (done) return
        }
      } finally {
        await call('datasource.close', { cursor })
      }
    }
    const iterable = p.create(null)
    p.define(iterable, p.asyncIterator as unknown as string, pages)
    return p.freeze(iterable)
  }
  for (let i = 0; i < declared.length; i += 1) {
    const name = declared[i] as string
    const source = {
      __proto__: null,
      query: (sql: string, params?: unknown[], options?: RowOptions) =>
        query(name, sql, params, options),
      stream: (sql: string, params?: unknown[], size?: number, options?: RowOptions) =>
        stream(name, sql, params, size, options),
    }
    p.define(known, name, p.freeze(source))
  }
  const all = {
    __proto__: null,
    query: async (name: string, sql: string, params?: unknown[], options?: RowOptions) => {
      require(name)
      return query(name, sql, params, options)
    },
    stream: (
      name: string,
      sql: string,
      params?: unknown[],
      size?: number,
      options?: RowOptions,
    ) => {
      require(name)
      return stream(name, sql, params, size, options)
    },
  }
  // A datasource called `query` keeps its name; the others then go by theirs.
  for (let i = 0; i < declared.length; i += 1)
    p.define(all, declared[i] as string, known[declared[i] as string])
  const handler = {
    __proto__: null,
    get(target: Record<string, unknown>, key: string | symbol): unknown {
      // What JSON, promises and console ask every object for is no datasource.
      const isAsked =
        typeof key !== 'string' || key === 'then' || key === 'toJSON' || p.hasOwn(target, key)
      if (!isAsked) require(key)
      return target[key as string]
    },
  }
  return new p.Proxy(p.freeze(all), handler as ProxyHandler<object>)
}
