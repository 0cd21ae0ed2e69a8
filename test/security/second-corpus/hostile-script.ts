/** A script that tries something, and how its job has to end. */
export interface HostileScript {
  readonly name: string
  /** The whole module. */
  readonly source: string
  /** Error codes it may end with, or `completed`. */
  readonly ends: readonly string[]
  /** What it must return when it completes. */
  readonly result?: unknown
}

/** Datasources that the scripts of the corpus may name. */
const datasources = "['shop', 'warehouse', 'sales']"

/** Of a script that ends by it, of one that may or waits for a reply first, and of others. */
const timeoutSecondsOf = (ends: string, body: string): number => {
  if (ends === 'timeout' && !body.includes('ctx.')) return 0.25
  return ends.includes('timeout') ? 1 : 20
}

/** A script of a body with `ctx` in reach; time and memory are small, the corpus is long. */
export const hostile = (
  name: string,
  ends: string,
  body: string,
  result?: unknown,
): HostileScript => ({
  name,
  source: `export default {
    dependencies: { datasources: ${datasources} },
    limits: { timeoutSeconds: ${timeoutSecondsOf(ends, body)}, memory: '64MB' },
    async run(ctx, params) {
      ${body}
    },
  }`,
  ends: ends.split(' '),
  ...(result === undefined ? {} : { result }),
})

/** A module as it stands. */
export const hostileModule = (name: string, ends: string, source: string): HostileScript => ({
  name,
  source,
  ends: ends.split(' '),
})

/** A script that tries each and returns what got through: nothing may. */
export const refusesAll = (name: string, attempts: readonly string[]): HostileScript =>
  hostile(
    name,
    'completed',
    `const through = []
    const attempts = [${attempts.map((attempt) => `async () => (${attempt})`).join(',\n')}]
    for (const attempt of attempts) {
      try { through.push([String(attempt), String(await attempt()).slice(0, 200)]) } catch {}
    }
    return through`,
    [],
  )

/** Each statement through one call of ctx; all must be refused. */
export const refusesSql = (
  name: string,
  call: string,
  statements: readonly string[],
): HostileScript =>
  refusesAll(
    name,
    statements.map((sql) => call.replace('SQL', () => JSON.stringify(sql))),
  )
