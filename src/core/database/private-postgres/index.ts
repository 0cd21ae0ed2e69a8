import type { ClientConfig } from 'pg'
import { KilnError } from '../../errors/index.ts'

export interface PrivatePostgres {
  readonly connection: ClientConfig
}

/** Replaced by the private Postgres module. */
export async function ensurePrivatePostgres(_options: {
  readonly dataDir: string
  readonly signal?: AbortSignal
}): Promise<PrivatePostgres> {
  throw new KilnError('PRIVATE_POSTGRES_MISSING', 'no private Postgres yet', {
    hint: 'set DATABASE_URL',
  })
}
