/**
 * The peer of an aggregation: the client alone, with the settings that a job's DuckDB has. Arguments:
 * Parquet file, SQL over `rows`, threads, memory limit, times to run it. Prints the milliseconds of
 * each run, the first left out.
 */
import { DuckDBInstance } from '@duckdb/node-api'

const [file = '', sql = '', threads = '', memoryLimit = '', times = ''] = process.argv.slice(2)
const instance = await DuckDBInstance.create(':memory:', { threads, memory_limit: memoryLimit })
const connection = await instance.connect()
await connection.run(`create view rows as from read_parquet('${file}')`)
const taken: number[] = []
for (let index = 0; index <= Number(times); index += 1) {
  const startedAt = performance.now()
  await (await connection.run(sql)).getRowObjectsJson()
  taken.push(performance.now() - startedAt)
}
console.log(JSON.stringify(taken.slice(1)))
