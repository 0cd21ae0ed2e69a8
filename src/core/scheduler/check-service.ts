import type { Context } from '../context.ts'
import { databaseError } from '../database/index.ts'
import type { HealthCheck } from '../http/index.ts'
import { checkSchema } from '../migrate/index.ts'

/** Each check answers within this: an orchestrator's probe waits no longer. */
const checkLimitMs = 2000
/** A loop that stands still for so long, beyond its own interval, is stuck. */
export const stalledAfterMs = 30_000

/** What the service knows of itself. */
export interface ServiceState {
  /** Jobs may be running, but no new one is taken. */
  readonly isDraining: boolean
  /** Jobs are to run here, and no executor is registered that could take them. */
  readonly lacksExecutor: boolean
  /** The database refuses to let this service take jobs. */
  readonly isClaimFailing: boolean
  /** Since the slowest of the loops last went round. */
  readonly slowestLoopMs: number
}

/** Everything that must be so for the service to work, asked now. Never rejects. */
export async function checkService(
  context: Pick<Context, 'database' | 'settings'>,
  state: ServiceState,
): Promise<readonly HealthCheck[]> {
  const [database, migrations] = await Promise.all([
    problemOf(() => context.database.pool.query('select 1')),
    problemOf(() => checkSchema(context)),
  ])
  return [
    check('database', database),
    check('migrations', migrations),
    check('loops', loopProblem(context, state)),
    check('draining', state.isDraining ? 'takes no new jobs' : null),
  ]
}

function loopProblem(context: Pick<Context, 'settings'>, state: ServiceState): string | null {
  if (isStalled(context, state)) return 'a loop stands still'
  if (state.lacksExecutor) return 'no executor is registered'
  return state.isClaimFailing ? 'jobs cannot be claimed' : null
}

/** True when a loop of the service has not gone round for longer than anything explains. */
export function isStalled(
  { settings }: Pick<Context, 'settings'>,
  { slowestLoopMs }: Pick<ServiceState, 'slowestLoopMs'>,
): boolean {
  return slowestLoopMs > stalledAfterMs + settings.pollIntervalMs
}

const check = (name: HealthCheck['name'], problem: string | null): HealthCheck => ({
  name,
  ok: problem === null,
  problem,
})

/** The code of the error, which names no host and no user: anyone who reaches the port reads it. */
async function problemOf(work: () => Promise<unknown>): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('no answer within 2 s'), checkLimitMs)
  })
  const answer = work().then(
    () => null,
    (error: unknown) => databaseError(error).code,
  )
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
