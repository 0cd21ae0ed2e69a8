import { closeSync, fstatSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'

export interface RollingFileOptions {
  readonly file: string
  /** The file rolls before a line would make it larger. */
  readonly maxBytes: number
  /** Rolled files that are kept: `file.1` is the youngest. 0 keeps none. */
  readonly keep: number
  /** Told once when writing begins to fail: a full disk must not end the service. */
  readonly onFailure: (error: unknown) => void
}

/** Appends lines to a file, synchronously, and rolls it when it is full. */
export class RollingFile {
  private readonly options: RollingFileOptions
  private descriptor: number
  private sizeBytes = 0
  private isFailing = false

  /** Opens the file. @throws the system's error. */
  constructor(options: RollingFileOptions) {
    this.options = options
    this.descriptor = this.open()
  }

  write(line: string): void {
    try {
      const bytes = Buffer.byteLength(line)
      if (this.sizeBytes > 0 && this.sizeBytes + bytes > this.options.maxBytes) this.roll()
      writeSync(this.descriptor, line)
      this.sizeBytes += bytes
      this.isFailing = false
    } catch (error) {
      if (!this.isFailing) this.options.onFailure(error)
      this.isFailing = true
    }
  }

  /** Goes on in the file of that name, also when another program has moved ours away. */
  reopen(): void {
    const before = this.descriptor
    this.descriptor = this.open()
    closeSync(before)
  }

  private roll(): void {
    // Another process that logs to the same file may have rolled it before us.
    if (this.isOurs()) {
      const { file, keep } = this.options
      const name = (number: number): string => (number === 0 ? file : `${file}.${number}`)
      rmSync(name(keep), { force: true })
      for (let number = keep; number > 0; number -= 1) moveIfThere(name(number - 1), name(number))
    }
    this.reopen()
  }

  private isOurs(): boolean {
    const named = statSync(this.options.file, { throwIfNoEntry: false })
    return named !== undefined && named.ino === fstatSync(this.descriptor).ino
  }

  private open(): number {
    // What scripts log may be of no business to other users.
    const descriptor = openSync(this.options.file, 'a', 0o600)
    this.sizeBytes = fstatSync(descriptor).size
    return descriptor
  }
}

function moveIfThere(from: string, to: string): void {
  if (statSync(from, { throwIfNoEntry: false })) renameSync(from, to)
}
