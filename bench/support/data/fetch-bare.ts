/**
 * The peer of a query into a script: pg alone. Arguments: URL, SQL, times to run it. Prints the
 * milliseconds of each run, the first left out.
 */
import pg from 'pg'

const [url = '', sql = '', times = ''] = process.argv.slice(2)
const client = new pg.Client({ connectionString: url })
await client.connect()
const taken: number[] = []
for (let index = 0; index <= Number(times); index += 1) {
  const startedAt = performance.now()
  const { rows } = await client.query(sql)
  taken.push(performance.now() - startedAt)
  if (rows.length === 0) throw new Error('no rows')
}
await client.end()
console.log(JSON.stringify(taken.slice(1)))
