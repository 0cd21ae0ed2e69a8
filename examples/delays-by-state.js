/**
 * Delays by state: flights from Postgres, joined with airports from a CSV file.
 *
 * Shows: `ctx.duckdb.load` copies the rows of a Postgres query into a DuckDB table in bulk. Postgres
 * reduces, DuckDB joins and aggregates; only the ten rows of the answer enter the script.
 *
 *   kiln analysis run delays-by-state
 */
export default {
  title: 'Delays by state',
  dependencies: { datasources: ['flights_db', 'airports'] },

  async run(ctx) {
    const { rowCount } = await ctx.duckdb.load(
      'flights_db',
      `select origin, delay from flights where date >= '2001-06-01'`,
      'june',
    )
    ctx.log(`copied ${rowCount} flights of June from Postgres`)

    return ctx.duckdb.query(`
      select
        state,
        count(*) as flights,
        round(avg(delay), 1) as mean_delay,
        round(100.0 * count(*) filter (delay >= 60) / count(*), 1) as over_an_hour_percent
      from june
      join airports on airports.iata = june.origin
      group by state
      having flights >= 100
      order by mean_delay desc, state
      limit 10`)
  },
}
