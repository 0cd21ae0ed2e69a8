import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { printableLines } from '../../core/units/printable.ts'
import { exportOutput } from '../../cli/views/export.ts'
import { resultOutput } from '../../cli/views/result.ts'
import type { Context } from '../../core/context.ts'
import { KilnError } from '../../core/errors/index.ts'
import { type Job, getJob } from '../../core/jobs/index.ts'
import { writeNewFile } from '../../core/os/index.ts'
import {
  type ExportFormat,
  exportFormats,
  exportResult,
  readResult,
} from '../../core/results/index.ts'

export default class JobResult extends KilnCommand<typeof JobResult> {
  static override summary = 'Print what a job returned, as JSON, or export its rows.'
  static override readsOnly = true
  static override description =
    'A result that is rows is a table on a terminal, and CSV with -o csv; into a pipe goes JSON. --format writes the rows alone, at most MAX_EXPORT_ROWS: an array of objects, the result itself or under a key of it.'
  static override examples = [
    '<%= config.bin %> job result 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77',
    '<%= config.bin %> job result 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77 --format csv > rows.csv',
    '<%= config.bin %> job result "$ID" --format parquet --file rows.parquet',
  ]
  static override environmentHelp = [
    ['MAX_EXPORT_ROWS', 'most rows that are exported (default 100000)'],
  ] as const
  static override exitCodeHelp = [
    [1, 'the job has not finished'],
    [20, 'the job failed and has no result'],
    [21, 'the job was cancelled and has no result'],
    [22, 'the job hit a limit and has no result'],
    [23, 'the executor of the job died'],
    [65, 'the result is no table, as --format needs'],
    [66, 'there is no such job'],
    [73, 'the file exists'],
    [74, 'the stored result cannot be read here'],
  ] as const
  static override args = { id: requiredArgument({ description: 'id of the job' }) }
  static override flags = {
    format: Flags.option({
      options: exportFormats,
      description: 'write the rows in this format',
      helpValue: 'FORMAT',
    })(),
    file: Flags.string({
      description: 'write them into this file',
      helpValue: 'FILE',
      dependsOn: ['format'],
    }),
    force: Flags.boolean({ description: 'also over a file that exists', dependsOn: ['file'] }),
    raw: Flags.boolean({
      description: 'CSV as it is, also what a spreadsheet would run as a formula',
      dependsOn: ['format'],
    }),
  }

  protected override get endsItself(): boolean {
    return true
  }

  protected async execute(): Promise<Output | void> {
    const { format, file } = this.flags
    if (format !== undefined && file === undefined) this.requirePrintable(format)
    const context = await this.contextAfterSweep()
    const job = await getJob(context, this.args.id)
    if (format !== undefined) return this.export(context, job, format)
    return resultOutput(job.id, await readResult(context, job), this.asksForTable)
  }

  private requirePrintable(format: ExportFormat): void {
    const reason =
      format === 'parquet'
        ? 'Parquet is no text to print'
        : this.isJson
          ? '--format prints the rows themselves, not a JSON object'
          : undefined
    if (reason) throw new KilnError('USAGE', reason, { hint: 'name a file: --file FILE' })
  }

  private async export(context: Context, job: Job, format: ExportFormat): Promise<Output | void> {
    const { file, force, raw } = this.flags
    const exported = await exportResult(context, job, { format, isRaw: raw })
    const { content, rowCount, totalRowCount } = exported
    if (file === undefined) process.stdout.write(shown(content))
    else await writeNewFile(file, content, { force, mode: 0o666 })
    if (rowCount < totalRowCount) {
      this.warn(
        `wrote the first ${rowCount} of ${totalRowCount} rows; raise MAX_EXPORT_ROWS for more`,
      )
    }
    return file === undefined ? undefined : exportOutput(job.id, format, file, exported)
  }
}

/** What a stranger put into a cell must not drive a terminal. */
const shown = (content: string | Uint8Array): string | Uint8Array =>
  process.stdout.isTTY && typeof content === 'string' ? printableLines(content) : content
