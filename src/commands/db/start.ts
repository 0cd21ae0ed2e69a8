import { KilnCommand } from '../../cli/base-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { otherServerRemark, serverJson } from '../../cli/views/private-postgres.ts'
import { loadSettings } from '../../core/config/index.ts'
import { ensurePrivatePostgres } from '../../core/database/private-postgres/index.ts'

export default class DbStart extends KilnCommand<typeof DbStart> {
  static override summary = 'Start the private Postgres, unless it runs, and print its URL.'
  static override description =
    'Other commands start it by themselves when DATABASE_URL is unset. It goes on running until kiln db stop.'
  static override examples = ['<%= config.bin %> db start']

  protected async execute(): Promise<Output> {
    const { settings } = loadSettings()
    if (settings.databaseUrl !== undefined) this.say(otherServerRemark)
    const { dataDir } = settings
    const server = await ensurePrivatePostgres({ dataDir, signal: this.signal })
    this.say(`the private Postgres runs in ${server.stateFolder} (pid ${server.serverPid})`)
    return {
      kind: 'record',
      record: serverJson(server),
      text: server.connectionString,
      name: server.connectionString,
    }
  }
}
