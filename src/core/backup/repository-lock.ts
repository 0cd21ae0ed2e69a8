import { randomUUID } from 'node:crypto'
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Client, ClientBase, Connection } from 'pg'
import { z } from 'zod'
import { type Database, databaseError, isConnectionLost } from '../database/index.ts'
import { KilnError, errorCodeOf, isKilnError } from '../errors/index.ts'
import { openClient } from '../migrate/index.ts'
import {
  type ProcessIdentity,
  currentProcessIdentity,
  delay,
  fileError,
  isProvablyGone,
  tryTakeTurn,
} from '../os/index.ts'
import { layout } from './layout.ts'
import type { Repository } from './repository.ts'

const beatEveryMs = 5000
/** Of a holder that cannot be looked at, since it is on another machine: sixty beats were missed. */
const staleAfterMs = 300_000
const lookEveryMs = 200
/** For a session that nothing waits for to end: on a busy server that comes after its goodbye. */
const endingMs = 2000
/** To try for a lock waits for nobody. */
const usualAnswerMs = 30_000
const never = new AbortController().signal

export interface LockRequest {
  /** In words for those who find it taken: `kiln backup create`. */
  readonly purpose: string
  /** How long to wait for who has it; 0: not at all. */
  readonly waitMs: number
  readonly signal?: AbortSignal | undefined
  /** Given: an advisory lock is taken there too, for hosts whose files do not agree. */
  readonly database?: Pick<Database, 'target'> | undefined
  /** How long the server may leave us without an answer; 30 s unless told. */
  readonly silenceLimitMs?: number | undefined
  /** Then the files must do while the database cannot be reached, as after its loss. */
  readonly isDatabaseOptional?: boolean
  /**
   * Who only reads may do so without the lock where nothing can be written: a disk that was mounted read
   * only, or sets of another account. Every byte is proven as it is read.
   */
  readonly readsOnly?: boolean
}

/** Nobody else changes the repository until it is released. */
export interface RepositoryLock {
  /** @throws KilnError BACKUP_REPOSITORY_BUSY when somebody took it for dead: this process stood still. */
  confirm(): Promise<void>
  /** Safe to repeat. */
  release(): Promise<void>
}

/** As much of a holder as has to be there; the file may be anybody's. */
const holderSchema = z.looseObject({
  nonce: z.string(),
  purpose: z.string(),
  since: z.string(),
  process: z.looseObject({ pid: z.number(), host: z.string() }),
})

interface Holder {
  readonly nonce: string
  readonly purpose: string
  readonly since: string
  readonly process: ProcessIdentity
}

/**
 * Takes the repository for one backup, restore, prune or import. A lock whose process is gone, or that
 * has not been beaten for five minutes where nobody can look, is taken over.
 *
 * @throws KilnError BACKUP_REPOSITORY_BUSY naming the holder.
 */
export async function lockRepository(
  repository: Repository,
  request: LockRequest,
): Promise<RepositoryLock> {
  const startedAt = performance.now()
  const deadline = startedAt + request.waitMs
  const pause = () => delay(lookEveryMs, request.signal ?? never)
  const client = await openLockClient(request)
  try {
    while (client && !(await tryAdvisoryLock(client, repository, request))) {
      const holder = await readHolder(repository)
      // Else it has given its file back or has died, or is on a host whose files are others.
      const isThere = holder !== undefined && !(await isStale(repository, holder))
      const until = isThere ? deadline : Math.max(deadline, startedAt + endingMs)
      if (performance.now() >= until) throw busy(repository, holder)
      await pause()
    }
    for (;;) {
      const taken = await tryFileLock(repository, request.purpose).catch(async (error: unknown) => {
        if (!request.readsOnly || !isKilnError(error, 'PERMISSION_DENIED')) throw error
        const other = await readHolder(repository)
        return other && !(await isStale(repository, other)) ? other : nobody
      })
      if (typeof taken === 'string') return held(repository, taken, client)
      if (taken === nobody) return unlocked(client)
      if (performance.now() >= deadline) throw busy(repository, taken)
      await pause()
    }
  } catch (error) {
    await endClient(client)
    throw error
  }
}

/** Nothing can be written where the lock would be, and no lock is there. */
const nobody = Symbol('nobody')

const unlocked = (client: Client | undefined): RepositoryLock => ({
  confirm: () => Promise.resolve(),
  release: () => endClient(client),
})

function held(repository: Repository, nonce: string, client: Client | undefined): RepositoryLock {
  const file = lockFileOf(repository)
  const timer = setInterval(() => {
    const now = new Date()
    // One that fails is made up for by the next.
    void utimes(file, now, now).catch(() => undefined)
  }, beatEveryMs)
  timer.unref()
  const isOurs = async () => (await readHolder(repository))?.nonce === nonce
  return {
    async confirm() {
      if (await isOurs()) return
      throw new KilnError(
        'BACKUP_REPOSITORY_BUSY',
        `this process stood still for so long that others may have changed ${repository.path}`,
        { hint: 'run the command again' },
      )
    },
    async release() {
      clearInterval(timer)
      if (await isOurs()) await rm(file, { force: true })
      await endClient(client)
    },
  }
}

/** A nonce when it is ours now, else who has it. */
async function tryFileLock(
  repository: Repository,
  purpose: string,
): Promise<string | Holder | undefined> {
  const file = lockFileOf(repository)
  const nonce = randomUUID()
  const holder: Holder = {
    nonce,
    purpose,
    since: new Date().toISOString(),
    process: currentProcessIdentity(),
  }
  const temporary = `${file}.${nonce}.tmp`
  try {
    await writeFile(temporary, `${JSON.stringify(holder)}\n`, { mode: 0o600, flag: 'wx' })
    // link(2) fails when the name is taken.
    if (await linkIfFree(temporary, file)) return nonce
    const other = await readHolder(repository)
    if (other && !(await isStale(repository, other))) return other
    if (await takeOver(repository, other, temporary)) return nonce
    return await readHolder(repository)
  } catch (error) {
    throw fileError(error, file)
  } finally {
    await rm(temporary, { force: true })
  }
}

/**
 * Puts our lock in the place of a stale one. One process of a machine at a time, so that the second
 * does not take away what the first has just put there; between machines the file that was moved away
 * is looked at again.
 */
async function takeOver(
  repository: Repository,
  stale: Holder | undefined,
  ours: string,
): Promise<boolean> {
  const turn = await tryTakeTurn(`kiln-backup-lock-${repository.id}`)
  if (!turn) return false
  const file = lockFileOf(repository)
  try {
    const now = await readHolder(repository)
    if (now?.nonce !== stale?.nonce) return false
    const aside = `${ours}.stale`
    await rename(file, aside).catch((error: unknown) => {
      if (errorCodeOf(error) !== 'ENOENT') throw error
    })
    const moved = await readHolderFile(aside)
    if (moved && moved.nonce !== stale?.nonce) {
      await linkIfFree(aside, file)
      await rm(aside, { force: true })
      return false
    }
    await rm(aside, { force: true })
    return await linkIfFree(ours, file)
  } finally {
    turn()
  }
}

async function isStale(repository: Repository, { process: owner }: Holder): Promise<boolean> {
  const self = currentProcessIdentity()
  if (isProvablyGone(owner, self)) return true
  // One that can be looked at and is there only stands still.
  if (owner.bootId === self.bootId && owner.pidNamespace === self.pidNamespace) return false
  const beat = await stat(lockFileOf(repository)).catch(() => undefined)
  return beat !== undefined && Date.now() - beat.mtimeMs > staleAfterMs
}

/** A server that has fallen silent does not answer the goodbye; its lock ends with the connection. */
async function endClient(client: Client | undefined): Promise<void> {
  if (!client) return
  const { connection } = client as unknown as { readonly connection: Connection }
  const timer = setTimeout(() => connection.stream.destroy(), 1000)
  await client.end().catch(() => undefined)
  clearTimeout(timer)
}

async function openLockClient({ database, isDatabaseOptional, silenceLimitMs }: LockRequest) {
  if (!database) return undefined
  const answerMs = silenceLimitMs ?? usualAnswerMs
  return openClient(database.target, 'kiln backup (lock)', answerMs).catch((error: unknown) => {
    if (isDatabaseOptional && isConnectionLost(error)) return undefined
    throw error
  })
}

async function tryAdvisoryLock(
  client: ClientBase,
  repository: Repository,
  { database, isDatabaseOptional }: LockRequest,
): Promise<boolean> {
  try {
    // "kilb" in ASCII, and what fits of the repository's id.
    const { rows } = await client.query<{ taken: boolean }>(
      'select pg_try_advisory_lock($1, $2) as taken',
      [0x6b696c62, Number.parseInt(repository.id.slice(0, 7), 16)],
    )
    return rows[0]?.taken ?? false
  } catch (error) {
    // As if it had not been reached at all: then the files must do.
    if (isDatabaseOptional && isConnectionLost(error)) return true
    throw databaseError(error, database?.target.label)
  }
}

const lockFileOf = ({ path: folder }: Repository): string => path.join(folder, layout.lockFile)

const readHolder = (repository: Repository) => readHolderFile(lockFileOf(repository))

/** Undefined when there is none, or one that a dead process could not write. */
async function readHolderFile(file: string): Promise<Holder | undefined> {
  try {
    const found: unknown = JSON.parse(await readFile(file, 'utf8'))
    return holderSchema.safeParse(found).success ? (found as Holder) : undefined
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined
    throw fileError(error, file)
  }
}

async function linkIfFree(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (errorCodeOf(error) === 'EEXIST') return false
    throw error
  }
}

function busy(repository: Repository, holder: Holder | undefined): KilnError {
  const who = holder
    ? `${holder.purpose} (pid ${holder.process.pid} on ${holder.process.host}, since ${holder.since})`
    : 'another process or host'
  return new KilnError('BACKUP_REPOSITORY_BUSY', `${repository.path} is in use by ${who}`, {
    hint: 'run the command again later, or wait for it with --wait 10m',
    details: holder
      ? {
          holder: {
            purpose: holder.purpose,
            pid: holder.process.pid,
            host: holder.process.host,
            since: holder.since,
          },
        }
      : {},
  })
}
