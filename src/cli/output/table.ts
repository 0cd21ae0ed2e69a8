import CliTable from 'cli-table3'
import { printable } from '../../core/units/printable.ts'

/** Borders off: rows are lines that grep and awk can use. */
const plain = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}

/**
 * Lays out a table without borders, colours or trailing blanks. Control characters in the data are
 * escaped: a script's text must not drive the operator's terminal.
 */
export function renderTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const table = new CliTable({
    head: header.map((cell) => cell.toUpperCase()),
    chars: plain,
    // cli-table3 colours heads and borders also into pipes unless told not to.
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
  for (const row of rows) table.push(row.map((cell) => printable(cell)))
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}
