import { z } from 'zod'
import { calledNames } from '../sandbox/contract.ts'
import { HostFailure } from './host-failure.ts'

/**
 * Any value: it has been read from JSON, so it is JSON. Schemas of zod for that would copy it, and
 * leave out keys called `__proto__`.
 */
const json = z.custom<unknown>((value) => value !== undefined, 'expected a value')
/** Of names, as keys of the object that JSON was read into. */
const namedJson = z.custom<Readonly<Record<string, unknown>>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'expected an object',
)
/** Bound parameters of a statement. */
const params = z.array(json).default([])
const sql = z.string().min(1).max(1_000_000)
const name = z.string().min(1).max(255)
/** Postgres text holds neither NUL nor half a surrogate pair. */
const metadataKey = z
  .string()
  .min(1)
  .max(255)
  .refine((key) => !key.includes('\u0000') && key.isWellFormed(), 'holds NUL or half a character')

/**
 * Shapes of what a script may send with each host call. The sandbox is hostile: nothing reaches a
 * handler that has not passed one of these.
 */
export const hostArguments = {
  'datasource.query': z.object({ name, sql, params, exact: z.boolean().optional() }),
  'datasource.open': z.object({
    name,
    sql,
    params,
    exact: z.boolean().optional(),
    batchSize: z.number().int().min(1).max(100_000).default(1000),
  }),
  'datasource.fetch': z.object({ cursor: z.number().int() }),
  'datasource.close': z.object({ cursor: z.number().int() }),
  'duckdb.query': z.object({ sql, params, exact: z.boolean().optional() }),
  'duckdb.exec': z.object({ sql, params }),
  'duckdb.load': z.object({ datasource: name, sql, table: name, params }),
  'duckdb.export': z.object({ table: name, file: z.string().min(1).max(255) }),
  'duckdb.tables': z.object({}),
  'duckdb.describe': z.object({ table: name }),
  'metadata.get': z.object({ key: metadataKey }),
  'metadata.set': z.object({ key: metadataKey, value: json }),
  'analysis.run': z.object({ name, params: namedJson.default({}) }),
}

export type HostOperation = keyof typeof hostArguments
export type HostArguments<Operation extends HostOperation> = z.output<
  (typeof hostArguments)[Operation]
>

export function isHostOperation(operation: string): operation is HostOperation {
  return Object.hasOwn(hostArguments, operation)
}

/** Checks the arguments of a call; the message names what is wrong, for the script's author. */
export function parseHostArguments<Operation extends HostOperation>(
  operation: Operation,
  text: string,
): HostArguments<Operation> {
  const outcome = hostArguments[operation].safeParse(parseJson(text))
  if (outcome.success) return outcome.data as HostArguments<Operation>
  const problems = outcome.error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.join('.') || 'arguments'}: ${issue.message}`)
  const called = calledNames[operation] ?? operation
  throw new HostFailure('script_error', `ctx.${called}: ${problems.join('; ')}`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new HostFailure('script_error', 'the arguments of a call are not JSON')
  }
}
