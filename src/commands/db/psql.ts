import { KilnCommand } from '../../cli/base-command.ts'
import { connectionForTools } from '../../cli/connection-for-tools.ts'
import { runInteractive } from '../../cli/run-interactive.ts'
import { KilnError } from '../../core/errors/index.ts'

export default class DbPsql extends KilnCommand<typeof DbPsql> {
  static override summary = 'Open psql on the database that commands use.'
  static override description =
    "Words after -- are psql's own arguments, and its exit code is the command's. A password in DATABASE_URL goes to psql by its environment, never on its command line."
  static override usage = 'db psql [-- ARGUMENT...]'
  static override examples = [
    '<%= config.bin %> db psql',
    '<%= config.bin %> db psql -- -c "select status, count(*) from analysis_jobs group by 1"',
  ]
  static override strict = false

  /** psql handles Ctrl-C. */
  protected override get endsItself(): boolean {
    return true
  }

  protected async execute(): Promise<void> {
    const given = await this.psqlArguments()
    const { url, password } = await connectionForTools(this.flags['database-url'], this.signal)
    process.exitCode = await runInteractive(
      'psql',
      ['--dbname', url, ...given],
      password === undefined ? {} : { PGPASSWORD: password },
      'install the Debian package postgresql-client or the like, or take the URL of kiln db url to another client',
    )
  }

  private async psqlArguments(): Promise<readonly string[]> {
    const separator = this.argv.indexOf('--')
    const given = separator < 0 ? [] : this.argv.slice(separator + 1)
    const { argv } = await this.parse(DbPsql)
    if (argv.length > given.length) {
      throw new KilnError('USAGE', `unexpected argument: ${String(argv[0])}`, {
        hint: "put psql's arguments after --, as in: kiln db psql -- -c 'select 1'",
      })
    }
    return given
  }
}
