/**
 * Makes examples/data from the public data sets in the npm package vega-datasets: smaller, with
 * column names that need no quotes, and the same bytes on every run. Where the data comes from and
 * under which terms stands in examples/README.md.
 */
import { statSync } from 'node:fs'
import path from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

const root = path.resolve(import.meta.dirname, '..')
const source = (file: string) => path.join(root, 'node_modules/vega-datasets/data', file)
const target = (file: string) => path.join(root, 'examples/data', file)

/** Of 3,000,000 flights in the order of time every 60th: 50,000, spread evenly over half a year. */
const flights = `
  select date, delay::smallint as delay, distance::smallint as distance, origin, destination
  from read_parquet('${source('flights-3m.parquet')}', file_row_number = true)
  where file_row_number % 60 = 0
  order by file_row_number`

/** Only airports that a flight in the full data names. */
const airports = `
  select iata, name, city, state, latitude, longitude
  from read_csv('${source('airports.csv')}') as airports
  semi join (
    select origin as iata from '${source('flights-3m.parquet')}'
    union
    select destination from '${source('flights-3m.parquet')}'
  ) as used using (iata)
  order by iata`

const birdStrikes = `
  select
    "Flight Date" as date,
    "Airport Name" as airport,
    "Origin State" as state,
    "Phase of flight" as phase,
    "Wildlife Size" as size,
    "Wildlife Species" as species,
    "Effect Amount of damage" as damage,
    "Cost Total $"::integer as cost,
    "Speed IAS in knots"::smallint as speed
  from read_csv('${source('birdstrikes.csv')}')
  order by all`

const weather = `select * from read_csv('${source('weather.csv')}')`

const parquet = '(format parquet, compression zstd)'
const csv = '(format csv, header)'
const csvGzip = '(format csv, header, compression gzip)'
const files = [
  ['flights.parquet', flights, parquet],
  // The same once more, for `copy flights from stdin` of a Postgres.
  ['flights.csv.gz', flights, csvGzip],
  ['airports.csv', airports, csv],
  ['bird-strikes.parquet', birdStrikes, parquet],
  ['weather.csv', weather, csv],
] as const

// One thread: several would write the rows of a file in an order of chance.
const database = await DuckDBInstance.create(':memory:', { threads: '1' })
const connection = await database.connect()
for (const [file, query, format] of files) {
  await connection.run(`copy (${query}) to '${target(file)}' ${format}`)
  console.log(`examples/data/${file}  ${statSync(target(file)).size} bytes`)
}
connection.closeSync()
database.closeSync()
