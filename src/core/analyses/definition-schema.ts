import * as z from 'zod'
import { isTimezone, parseSize } from '../units/index.ts'
import { backoffs, databaseModes } from './definition.ts'
import { expecting, flag, strict, text, wholeNumber } from './schema-helpers.ts'

/** Beyond 30 days a limit in seconds is more likely a mistake of unit. */
const mostSeconds = 2_592_000

const seconds = (expected: string, least: number) =>
  z
    .number(expecting(expected))
    .min(least, expecting(expected))
    .max(mostSeconds, expecting(expected))

const memory = z
  .union([z.number(), z.string()], expecting('a size such as "256MB"'))
  .transform((size, context) => {
    const bytes = typeof size === 'number' ? size : parseSize(size)
    if (bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= 16 * 1024 ** 2) return bytes
    const { error } = expecting('a size of at least 16MB, such as "256MB"')
    context.issues.push({ code: 'custom', message: error({ input: size }), input: size })
    return z.NEVER
  })

const names = (kind: string, pattern: RegExp) =>
  z
    .array(
      z.string(expecting(`the name of ${kind}`)).regex(pattern, expecting(`the name of ${kind}`)),
      expecting('a list of names'),
    )
    .max(100, { error: 'has more than 100 names' })
    .transform((list) => [...new Set(list)])

const cron = z
  .string(expecting('a cron expression'))
  // Whether its fields are possible is for the scheduler to say.
  .regex(/^\s*(@[a-z]+|\S+(\s+\S+){4,5})\s*$/, expecting('a cron expression of 5 or 6 fields'))

const schedule = z.union(
  [
    cron.transform((rule) => ({ cron: rule, timezone: undefined, enabled: undefined })),
    strict(
      {
        cron,
        timezone: z
          .string(expecting('a time zone'))
          .refine(isTimezone, expecting('a time zone such as "Europe/Berlin"'))
          .nullish(),
        enabled: flag().nullish(),
      },
      'a schedule: { cron, timezone, enabled }',
    ),
  ],
  expecting('a schedule: a cron expression of 5 or 6 fields, or { cron, timezone, enabled }'),
)

const retries = z.union(
  [
    wholeNumber(0, 100).transform((limit) => ({
      limit,
      delaySeconds: undefined,
      backoff: undefined,
    })),
    strict(
      {
        limit: wholeNumber(0, 100),
        delaySeconds: seconds('a number of seconds', 0).nullish(),
        backoff: z.enum(backoffs, expecting(`one of ${backoffs.join(', ')}`)).nullish(),
      },
      'a retry policy: { limit, delaySeconds, backoff }',
    ),
  ],
  expecting('a retry policy: a number from 0 to 100, or { limit, delaySeconds, backoff }'),
)

/** Everything a script may declare besides its parameters, which have rules among themselves. */
export const declarationSchema = strict(
  {
    title: text().max(200, { error: 'is longer than 200 characters' }).nullish(),
    description: z.string(expecting('a text')).nullish(),
    parameters: z.unknown().optional(),
    dependencies: strict(
      {
        datasources: names('a datasource', /^[a-z][a-z0-9_]{0,62}$/).nullish(),
        analyses: names('an analysis', /^[a-z0-9][a-z0-9_.-]{0,127}$/).nullish(),
      },
      'an object: { datasources, analyses }',
    ).nullish(),
    limits: strict(
      {
        timeoutSeconds: seconds('a number of seconds', 0.001).nullish(),
        cpuSeconds: seconds('a number of seconds', 0.001).nullish(),
        memory: memory.nullish(),
      },
      'an object: { timeoutSeconds, cpuSeconds, memory }',
    ).nullish(),
    database: z.enum(databaseModes, expecting(`one of ${databaseModes.join(', ')}`)).nullish(),
    retries: retries.nullish(),
    maxConcurrent: wholeNumber(1, 1000).nullish(),
    schedule: schedule.nullish(),
    run: z.unknown().optional(),
  },
  'an object',
)
