import { text } from 'node:stream/consumers'
import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { waitFlag } from '../../cli/flags/wait.ts'
import type { Output } from '../../cli/output/output.ts'
import { resultOutput } from '../../cli/views/result.ts'
import { queryProject } from '../../core/projects/index.ts'

export default class DuckdbQuery extends KilnCommand<typeof DuckdbQuery> {
  static override summary = `Run one statement that reads a project's database, and print its rows.`
  static override description = `The database is opened read-only behind the walls that a job's DuckDB has: no network, no file but its own. Rows are a table on a terminal, CSV with -o csv; into a pipe goes JSON. At most MAX_EXPORT_ROWS rows, for at most QUERY_TIMEOUT.

While a job writes the database the command ends with 75; with --wait it takes its turn, before the jobs that wait.`
  static override examples = [
    `<%= config.bin %> duckdb query shop 'select day, sum(total) from sales group by day'`,
    `<%= config.bin %> duckdb query shop 'from sales limit 10' --wait 1m -o csv > sales.csv`,
    '<%= config.bin %> duckdb query shop - < report.sql',
  ]
  static override exitCodeHelp = [
    [65, 'DuckDB refused the statement, or it returned or took too much'],
    [66, 'there is no such project'],
    [75, 'a job writes the database (try again, or --wait)'],
    [78, 'the database is in another data folder'],
  ] as const
  static override args = {
    project: requiredArgument({ description: 'id of the project' }),
    sql: requiredArgument({ description: 'the statement, or - to read it from standard input' }),
  }
  static override flags = { wait: waitFlag() }

  protected async execute(): Promise<Output> {
    const { project, sql: word } = this.args
    const sql = word === '-' ? await text(process.stdin) : word
    const waitMs = this.flags.wait ?? 0
    const rows = await queryProject(await this.context(), { projectId: project, sql, waitMs })
    return resultOutput(project, rows, this.asksForTable)
  }
}
