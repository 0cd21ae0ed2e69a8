/**
 * On-time performance of the airports with most flights.
 *
 * Shows: the object form of an analysis, declared datasources, and DuckDB over files. A datasource
 * of type `file` is a DuckDB view of its own name inside the job, so one statement joins a Parquet
 * file with a CSV file.
 *
 *   kiln analysis run airport-punctuality
 */
export default {
  title: 'Airport punctuality',

  // Nothing that is not declared here can be reached by the script.
  dependencies: { datasources: ['flights', 'airports'] },

  async run(ctx) {
    // The bureau that publishes the data counts a flight as late from 15 minutes on.
    const rows = await ctx.duckdb.query(`
      select
        origin as airport,
        city,
        count(*) as flights,
        round(100.0 * count(*) filter (delay < 15) / count(*), 1) as on_time_percent,
        median(delay) as median_delay,
        quantile_disc(delay, 0.95) as delay_p95
      from flights
      join airports on airports.iata = flights.origin
      group by origin, city
      order by flights desc, airport
      limit 10`)

    ctx.log(`the busiest airport is ${rows[0].city}`)

    // Rows print as a table; fields beside them stand above it.
    return { unit: 'minutes', rows }
  },
}
