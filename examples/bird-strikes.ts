/**
 * Which birds cost most? Collisions of aircraft with wildlife, by species.
 *
 * Shows: TypeScript (types are stripped before the script runs) and parameters. Values are checked
 * against these definitions before the script starts; the script gets them complete, with defaults
 * filled in and relative dates turned into days.
 *
 *   kiln analysis run bird-strikes
 *   kiln analysis run bird-strikes -p phase=Approach -p sizes=Medium,Large -p top=3
 */
import type { Analysis } from '../types/analysis.d.ts'

interface Params {
  phase: string
  sizes: string[]
  from: string
  until: string
  top: number
}

interface Species {
  species: string
  strikes: number
  damaged: number
  cost_usd: number
}

export default {
  title: 'Bird strikes',
  dependencies: { datasources: ['bird_strikes'] },

  parameters: [
    {
      name: 'phase',
      type: 'select',
      description: 'phase of flight',
      options: ['any', 'Take-off run', 'Climb', 'Descent', 'Approach', 'Landing Roll'],
      default: 'any',
    },
    {
      name: 'sizes',
      type: 'multiselect',
      description: 'sizes of animal',
      options: ['Small', 'Medium', 'Large'],
      default: ['Small', 'Medium', 'Large'],
    },
    { name: 'from', type: 'date', description: 'first day', default: '1990-01-01' },
    { name: 'until', type: 'date', description: 'last day', default: 'today' },
    { name: 'top', type: 'integer', description: 'rows', default: 8, min: 1, max: 50 },
  ],

  async run(ctx, params) {
    // Values go beside the statement, never into its text.
    const rows = await ctx.duckdb.query<Species>(
      `select
         species,
         count(*) as strikes,
         count(*) filter (damage <> 'None') as damaged,
         sum(cost) as cost_usd
       from bird_strikes
       where ($1 = 'any' or phase = $1)
         and date between $2::date and $3::date
         and list_contains($4::varchar[], size)
       group by species
       order by cost_usd desc, species
       limit $5`,
      [params.phase, params.from, params.until, params.sizes, params.top],
    )
    return { from: params.from, until: params.until, rows }
  },
} satisfies Analysis<Params>
