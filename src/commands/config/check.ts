import { KilnCommand } from '../../cli/base-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { field, plainText } from '../../cli/output/render.ts'
import { settingFlags } from '../../cli/setting-flags.ts'
import { checkSettings } from '../../core/config/index.ts'
import { settingJudges } from '../../core/health/setting-judges.ts'
import { exitCodes } from '../../core/errors/index.ts'

export default class ConfigCheck extends KilnCommand<typeof ConfigCheck> {
  static override summary = 'Check all settings: impossible values, unknown names, contradictions.'
  static override description =
    'Names everything that is wrong, not only the first. Reads what NAME_FILE points to. Uses no database; kiln doctor checks what the values lead to.'
  static override examples = [
    '<%= config.bin %> config check',
    '<%= config.bin %> config check --quiet && systemctl restart kiln',
    '<%= config.bin %> config check --json',
  ]
  static override exitCodeHelp = [
    [1, 'all can be read, and something is hardly meant'],
    [78, 'a value is impossible, or a name is no setting'],
  ] as const

  protected async execute(): Promise<Output> {
    const problems = checkSettings({ flags: settingFlags(this.flags) }, settingJudges)
    const isBroken = problems.some(({ level }) => level === 'error')
    return {
      kind: 'list',
      items: problems.map(({ name, source, level, problem, hint }) => ({
        name,
        source,
        level,
        problem,
        hint,
      })),
      columns: [
        field('level', 'level'),
        field('name', 'name'),
        field('problem', 'problem'),
        field('source', 'source', true),
        field('hint', 'hint'),
      ],
      nextCursor: null,
      name: (item) => plainText(item.name),
      empty: 'all settings are in order',
      exitCode: isBroken ? exitCodes.config : problems.length > 0 ? exitCodes.no : exitCodes.ok,
    }
  }
}
