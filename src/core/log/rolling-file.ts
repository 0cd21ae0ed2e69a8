import {
  closeSync,
  fstatSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'

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
  /** The last line stands there in part: the disk was full in the middle of it. */
  private isTorn = false
  /** A pipe or a device, such as /dev/stdout, is written to as it is. */
  private canRoll = true

  /** Opens the file. @throws the system's error. */
  constructor(options: RollingFileOptions) {
    this.options = options
    this.descriptor = this.open()
  }

  write(line: string): void {
    const bytes = Buffer.from(line)
    const isFull = this.sizeBytes > 0 && this.sizeBytes + bytes.length > this.options.maxBytes
    // A folder that takes no new file is no reason to lose lines: they go where they went before.
    const hasRoom = !isFull || !this.canRoll || this.attempt(() => this.roll())
    const isWritten = this.attempt(() => this.append(bytes))
    if (hasRoom && isWritten) this.isFailing = false
  }

  /** Goes on in the file of that name, also when another program has moved ours away. */
  reopen(): void {
    this.attempt(() => this.openAnew())
  }

  private attempt(step: () => void): boolean {
    try {
      step()
      return true
    } catch (error) {
      if (!this.isFailing) this.options.onFailure(error)
      this.isFailing = true
      return false
    }
  }

  private append(line: Buffer): void {
    // Half a line must not spoil the next one.
    const bytes = this.isTorn ? Buffer.concat([Buffer.from('\n'), line]) : line
    let written = 0
    try {
      while (written < bytes.length) {
        written += writeSync(this.descriptor, bytes, written)
      }
    } finally {
      this.sizeBytes += written
      if (written > 0) this.isTorn = written < bytes.length
    }
  }

  private openAnew(): void {
    const before = this.descriptor
    this.descriptor = this.open()
    closeSync(before)
  }

  private roll(): void {
    // Another process that logs to the same file may have rolled it before us.
    if (this.isOurs()) {
      const { keep } = this.options
      // Of a link: where it leads, so that the files stay on the disk that was chosen for them.
      const file = realpathSync(this.options.file)
      const name = (number: number): string => (number === 0 ? file : `${file}.${number}`)
      rmSync(name(keep), { force: true })
      for (let number = keep; number > 0; number -= 1) moveIfThere(name(number - 1), name(number))
    }
    this.openAnew()
  }

  private isOurs(): boolean {
    const named = statSync(this.options.file, { throwIfNoEntry: false })
    return named !== undefined && named.ino === fstatSync(this.descriptor).ino
  }

  private open(): number {
    // What scripts log may be of no business to other users.
    const descriptor = openSync(this.options.file, 'a', 0o600)
    const found = fstatSync(descriptor)
    this.sizeBytes = found.size
    this.canRoll = found.isFile()
    return descriptor
  }
}

function moveIfThere(from: string, to: string): void {
  if (statSync(from, { throwIfNoEntry: false })) renameSync(from, to)
}
