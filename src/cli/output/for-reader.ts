import { printableLines } from '../../core/units/printable.ts'

/**
 * Output as it goes to standard output. Names, CSV and JSON hold what the data holds, to the byte, for
 * the program that reads them; a terminal gets it with what could drive it escaped.
 */
export const forReader = (text: string): string =>
  process.stdout.isTTY ? printableLines(text) : text
