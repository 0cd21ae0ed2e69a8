import { forReader } from './for-reader.ts'
import type { ListOutput } from './output.ts'
import { type Format, render } from './render.ts'

/**
 * Prints a list that goes on, part by part: JSON as one object a line, a CSV header once. Parts
 * have the same fields.
 */
export class ListStream {
  private readonly format: Format
  private readonly isSilent: boolean
  private hasHeader = false

  constructor(format: Format, isSilent: boolean) {
    this.format = format === 'json' ? 'jsonl' : format
    this.isSilent = isSilent
  }

  write(part: ListOutput): void {
    if (part.items.length === 0 || this.isSilent) return
    const text = render(part, this.format)
    const isContinued = this.format === 'csv' && this.hasHeader
    this.hasHeader = true
    process.stdout.write(`${forReader(isContinued ? text.slice(text.indexOf('\n') + 1) : text)}\n`)
  }
}
