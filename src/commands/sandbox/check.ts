import { KilnCommand } from '../../cli/base-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { layerColumns, layerJson, wallsJson } from '../../cli/views/sandbox.ts'
import { loadSettings } from '../../core/config/index.ts'
import { exitCodes } from '../../core/errors/index.ts'
import { checkSandbox } from '../../core/health/index.ts'

const exitCodeOf = {
  ok: exitCodes.ok,
  warning: exitCodes.no,
  critical: exitCodes.critical,
} as const

export default class SandboxCheck extends KilnCommand<typeof SandboxCheck> {
  static override summary = 'Try to get out of a sandbox, and say which walls hold on this host.'
  static override description =
    'Starts processes just like sandboxes and has them read files, open a connection, start a program, look at their parent, take 2 GB and use up CPU. Uses no database. See docs/security.md.'
  static override examples = [
    '<%= config.bin %> sandbox check',
    '<%= config.bin %> sandbox check -o wide',
    '<%= config.bin %> sandbox check --json',
  ]
  static override exitCodeHelp = [
    [0, 'every layer is active'],
    [1, 'a layer is missing, and another stands in for it'],
    [2, 'a layer that must hold does not, or scripts share this account'],
  ] as const

  protected async execute(): Promise<Output> {
    const report = await checkSandbox(loadSettings().settings)
    const open = report.layers.filter(({ level }) => level !== 'ok')
    for (const { name, hint } of open) this.say(`${name}: ${hint}`)
    return {
      kind: 'list',
      items: report.layers.map(layerJson),
      columns: layerColumns,
      nextCursor: null,
      summary: wallsJson(report),
      name: (layer) => plainText(layer.name),
      exitCode: exitCodeOf[report.level],
    }
  }
}
