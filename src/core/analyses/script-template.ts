import type { Language } from './analysis.ts'

/** Where the types lie, seen from the script. In a folder of their own, so that `*.ts` misses them. */
export const typesPath = '.kiln/analysis.d.ts'

/** A script to start from: it is valid, runs as it stands, and says what else there is. */
export function scriptTemplate(language: Language, title: string, filename: string): string {
  return language === 'typescript' ? typescript(title, filename) : javascript(title, filename)
}

const head = (filename: string): string => `/**
 * What this analysis answers, and for whom.
 *
 *   kiln analysis validate ${filename}
 *   kiln analysis run ${filename} -p top=5
 *   kiln analysis create ${filename}
 */`

const typescript = (title: string, filename: string): string => `${head(filename)}
import type { Analysis } from './${typesPath}'

interface Params {
  readonly since: string
  readonly top: number
}

export default {
${body(title)}
} satisfies Analysis<Params>
`

const javascript = (title: string, filename: string): string => `// @ts-check
${head(filename)}

/** @type {import('./${typesPath}').Analysis<{ since: string, top: number }>} */
export default {
${body(title)}
}
`

const body = (title: string): string => `  title: ${quote(title)},

  // Checked before the script runs. Types: string, text, number, integer, boolean, date, select,
  // multiselect, object, array. A date may be named relatively: today, last_month, …
  parameters: [
    { name: 'since', type: 'date', default: 'week_start', description: 'first day to look at' },
    { name: 'top', type: 'integer', default: 3, min: 1, max: 100, description: 'rows to return' },
  ],

  // All that the script can reach; what is not named here does not exist for it.
  // dependencies: { datasources: ['orders'], analyses: ['exchange-rates'] },

  // At most what the operator allows. Without them the operator's limits hold.
  limits: { timeoutSeconds: 60, memory: '128MB' },

  // database: 'read',             // the project's DuckDB file is there as "project"
  // retries: 2,                   // after an error of the script
  // maxConcurrent: 1,             // jobs of this analysis at a time
  // schedule: '0 6 * * MON-FRI',  // or { cron, timezone, enabled }

  async run(ctx, params) {
    ctx.log.info(\`the \${params.top} largest since \${params.since}\`)

    // A declared datasource: const rows = await ctx.datasource.orders.query(
    //   'select id, amount from orders where day >= $1', [params.since])
    // In bulk into DuckDB: await ctx.duckdb.load('orders', 'select * from orders', 'orders')
    // Another analysis: const rates = await ctx.runAnalysis('exchange-rates', { day: params.since })
    const rows = await ctx.duckdb.query(
      \`select id, id * id as amount
       from range(1, 101) as numbers(id)
       order by amount desc
       limit $1\`,
      [params.top],
    )
    ctx.progress(1, \`\${rows.length} rows\`)

    // Any JSON value up to 10 MB. An array of objects under one key is a table for
    // kiln job result --format csv.
    return { since: params.since, rows }
  },`

const quote = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", String.raw`\'`)}'`
