import { z } from 'zod'
import { HttpProblem } from './http-problem.ts'

/** A job that somebody asks for over HTTP. */
export interface JobRequest {
  readonly analysis: string
  readonly project?: string | undefined
  readonly version?: number | undefined
  readonly parameters: Readonly<Record<string, unknown>>
  readonly priority?: number | undefined
  readonly idempotencyKey?: string | undefined
  readonly runAt?: string | undefined
}

/** Postgres text has no NUL. */
const text = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[^\0]*$/, 'has a NUL character')

const schema = z.strictObject({
  analysis: text(200),
  project: text(200).optional(),
  version: z.int32().min(1).optional(),
  parameters: z.record(z.string(), z.unknown()).default({}),
  priority: z.int32().optional(),
  idempotency_key: text(255).optional(),
  run_at: z.iso.datetime({ offset: true }).optional(),
})

/**
 * Checks the body of a request for a job.
 *
 * @throws HttpProblem BODY_INVALID naming the first field that is wrong.
 */
export function readJobRequest(body: Readonly<Record<string, unknown>>): JobRequest {
  const { data, error } = schema.safeParse(body)
  if (!error) {
    const { idempotency_key: idempotencyKey, run_at: runAt, ...rest } = data
    return { ...rest, idempotencyKey, runAt }
  }
  const [issue] = error.issues
  const place = issue?.path.join('.')
  throw new HttpProblem('BODY_INVALID', `${place ? `${place}: ` : ''}${issue?.message ?? ''}`, {
    hint: `give ${Object.keys(schema.shape).join(', ')}; only analysis is required`,
  })
}
