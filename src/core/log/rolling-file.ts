import {
  closeSync,
  fstatSync,
  linkSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { errorCodeOf } from '../errors/index.ts'

/** A roll is some renames. Whoever has not ended one by then died over it. */
const longestRollMs = 60_000

export interface RollingFileOptions {
  readonly file: string
  /** The file rolls before a line would make it larger. */
  readonly maxBytes: number
  /** Rolled files that are kept: `file.1` is the youngest. 0 keeps none. */
  readonly keep: number
  /** Told once when writing begins to fail: a full disk must not end the service. */
  readonly onFailure: (error: unknown) => void
}

/**
 * Appends lines to a file, synchronously, and rolls it when it is full. Several processes may do so to
 * one file: one of them rolls it at a time, and the others follow with their next line.
 */
export class RollingFile {
  private readonly options: RollingFileOptions
  private descriptor: number
  /** What the descriptor is open on. */
  private opened: { readonly dev: number; readonly ino: number } | undefined
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
    const hasFollowed = !this.canRoll || this.attempt(() => this.follow())
    const isFull = this.sizeBytes > 0 && this.sizeBytes + bytes.length > this.options.maxBytes
    // A folder that takes no new file is no reason to lose lines: they go where they went before.
    const hasRoom = !isFull || !this.canRoll || this.attempt(() => this.roll())
    const isWritten = this.attempt(() => this.append(bytes))
    if (hasFollowed && hasRoom && isWritten) this.isFailing = false
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

  /**
   * Where another process has rolled the file, its lines go into the new one: the old one is deleted
   * sooner or later. A name that is gone is left to whoever moved the file, who may make it anew.
   */
  private follow(): void {
    const named = this.named()
    if (named && !this.isOurs(named)) this.openAnew()
  }

  private roll(): void {
    const named = this.named()
    if (named && this.isOurs(named)) {
      const file = realpathIfThere(this.options.file)
      const lock = `${file}.lock`
      // Another is at it: this line goes where it would have gone before.
      if (file === undefined || !this.takeLock(lock)) return
      try {
        // Another may have been at it between the look and the lock, and this is its new file.
        const still = this.named()
        if (still && this.isOurs(still)) this.moveAll(file)
      } finally {
        rmSync(lock, { force: true })
      }
    }
    this.openAnew()
  }

  /** If we die here, a number is missing; the next roll goes on with those that are there. */
  private moveAll(file: string): void {
    const { keep } = this.options
    const name = (number: number): string => (number === 0 ? file : `${file}.${number}`)
    rmSync(name(keep), { force: true })
    for (let number = keep; number > 0; number -= 1) moveIfThere(name(number - 1), name(number))
  }

  /** False while another process has it. One whose holder died is out of the way of the next line. */
  private takeLock(lock: string): boolean {
    try {
      closeSync(openSync(lock, 'wx', 0o600))
      return true
    } catch (error) {
      if (errorCodeOf(error) !== 'EEXIST') throw error
    }
    const madeAt = statSync(lock, { throwIfNoEntry: false })?.mtimeMs
    // Both times are the disk's, whose clock may not be ours.
    const isStale = (at: number): boolean => fstatSync(this.descriptor).mtimeMs - at > longestRollMs
    if (madeAt !== undefined && isStale(madeAt)) removeLock(lock, madeAt)
    return false
  }

  private named() {
    return statSync(this.options.file, { throwIfNoEntry: false })
  }

  private isOurs({ dev, ino }: { readonly dev: number; readonly ino: number }): boolean {
    return dev === this.opened?.dev && ino === this.opened.ino
  }

  private open(): number {
    // What scripts log may be of no business to other users.
    const descriptor = openSync(this.options.file, 'a', 0o600)
    const found = fstatSync(descriptor)
    this.opened = { dev: found.dev, ino: found.ino }
    this.sizeBytes = found.size
    this.canRoll = found.isFile()
    return descriptor
  }
}

/** Aside first: another that found it stale, too, may have a lock of its own there by now. */
function removeLock(lock: string, madeAt: number): void {
  const aside = `${lock}.${process.pid}`
  try {
    renameSync(lock, aside)
    if (statSync(aside).mtimeMs !== madeAt) linkSync(aside, lock)
  } catch (error) {
    // Removed already, or taken already.
    if (!['ENOENT', 'EEXIST'].includes(errorCodeOf(error) ?? '')) throw error
  } finally {
    rmSync(aside, { force: true })
  }
}

/** Of a link: where it leads, so that the files stay on the disk that was chosen for them. */
function realpathIfThere(file: string): string | undefined {
  try {
    return realpathSync(file)
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function moveIfThere(from: string, to: string): void {
  if (statSync(from, { throwIfNoEntry: false })) renameSync(from, to)
}
