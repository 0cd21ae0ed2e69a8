import { KilnCommand } from '../../cli/base-command.ts'
import { connectionForTools } from '../../cli/connection-for-tools.ts'
import type { Output } from '../../cli/output/output.ts'

export default class DbUrl extends KilnCommand<typeof DbUrl> {
  static override summary = 'Print the URL of the database that commands use.'
  static override description =
    'For psql and every program that reads the URLs of libpq. Starts the private Postgres when DATABASE_URL is unset; a password in DATABASE_URL is left out.'
  static override examples = ['psql "$(<%= config.bin %> db url)"']

  protected async execute(): Promise<Output> {
    const { url, password, isPrivate } = await connectionForTools(
      this.flags['database-url'],
      this.signal,
    )
    if (password !== undefined) {
      this.say('the password is left out: give it by PGPASSWORD, or use kiln db psql')
    }
    return { kind: 'record', record: { url, is_private: isPrivate }, text: url, name: url }
  }
}
