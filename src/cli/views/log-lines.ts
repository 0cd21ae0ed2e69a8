import type { JobLogLine } from '../../core/jobs/index.ts'
import type { ListOutput } from '../output/output.ts'
import { plainText } from '../output/render.ts'
import { logLineJson, logLineText } from './log-line.ts'

/** Log lines as a list that reads as a log. */
export function logLines(lines: readonly JobLogLine[]): ListOutput {
  return {
    kind: 'list',
    items: lines.map(logLineJson),
    columns: [],
    lines: lines.map(logLineText),
    name: (line) => `${plainText(line.attempt)}/${plainText(line.line_number)}`,
    empty: 'no log lines',
  }
}
