import type { LogLine } from './contract.ts'

/** Counts the log of one job again, in case a sandbox does not keep to the limits it was given. */
export class LogMeter {
  private linesLeft: number
  private bytesLeft: number

  constructor(limits: { readonly logLines: number; readonly logBytes: number }) {
    // One more than the script's: the line that says how many were dropped.
    this.linesLeft = limits.logLines + 1
    this.bytesLeft = limits.logBytes + 1024
  }

  /** The lines that are within the limits. */
  admit(lines: readonly LogLine[]): readonly LogLine[] {
    return lines.filter(({ message }) => {
      const bytes = Buffer.byteLength(message)
      if (this.linesLeft < 1 || this.bytesLeft < bytes) return false
      this.linesLeft -= 1
      this.bytesLeft -= bytes
      return true
    })
  }
}
