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

/** Postgres text has no NUL; half a surrogate pair would be stored as another character. */
const text = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[^\0]*$/, 'has a NUL character')
    .refine((value) => value.isWellFormed(), 'has half a character')

/** Not a record of zod, which leaves out a key called `__proto__` instead of refusing it. */
const object = z.custom<Readonly<Record<string, unknown>>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'is not an object',
)

/** As a constraint of the row has it: sums and differences of such instants never overflow. */
const firstMs = -62_135_596_800_000
const endMs = 253_402_214_400_000

function isQueueInstant(value: string): boolean {
  const ms = Date.parse(value)
  return ms >= firstMs && ms < endMs
}

const schema = z.strictObject({
  analysis: text(200),
  project: text(200).optional(),
  version: z.int32().min(1).optional(),
  parameters: object.default({}),
  priority: z.int32().optional(),
  idempotency_key: text(255).optional(),
  run_at: z.iso
    .datetime({ offset: true })
    .refine(isQueueInstant, 'is not an instant of the years 1 to 9999')
    .optional(),
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
