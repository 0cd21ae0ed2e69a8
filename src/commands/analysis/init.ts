import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { optionalArgument } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { initScript } from '../../core/analyses/index.ts'

export default class AnalysisInit extends KilnCommand<typeof AnalysisInit> {
  static override summary = 'Write a script to start from; needs no database.'
  static override description =
    'The script is valid and runs as it stands; comments show what else it may declare and do. Beside it, in .kiln, come the types by which editors complete ctx and the declarations.'
  static override examples = [
    '<%= config.bin %> analysis init delays.js',
    '<%= config.bin %> analysis init --ts',
    '<%= config.bin %> analysis init delays.ts --force --json',
  ]
  static override exitCodeHelp = [
    [64, 'the name is not that of a script'],
    [73, 'the file exists'],
  ] as const
  static override args = {
    file: optionalArgument({ description: 'file to write; analysis.js' }),
  }
  static override flags = {
    ts: Flags.boolean({ description: 'TypeScript; the extension .ts says so too' }),
    force: Flags.boolean({ description: 'write over files that exist' }),
  }

  protected async execute(): Promise<Output> {
    const { ts, force } = this.flags
    const { filename, language, types, typesFilename } = await initScript({
      filename: this.args.file,
      language: ts ? 'typescript' : undefined,
      force,
    })
    if (types === 'kept') {
      this.say(`${typesFilename} is of another release of Kiln; --force writes it anew`)
    }
    return {
      kind: 'record',
      record: { file: filename, language, types_file: typesFilename, types },
      text: `wrote ${filename}; try: kiln analysis run ${filename}`,
      name: filename,
    }
  }
}
