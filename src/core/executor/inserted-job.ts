import type { ClaimedJobInput } from '../jobs/index.ts'

/** A job that its own executor inserts and runs. */
export type InsertedJob = Omit<ClaimedJobInput, 'executorId'>
