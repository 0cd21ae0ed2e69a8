import { KilnError } from '../errors/index.ts'
import { systemClock } from '../os/index.ts'
import { getText, whyNoAnswer } from './get-text.ts'

/** A service by the name that its people know it by. */
export interface Target {
  readonly name: string
  readonly url: string
}

export interface TargetAnswer extends Target {
  /** `unhealthy`: it answers, and says no; `down`: nothing answers in time. */
  readonly status: 'healthy' | 'unhealthy' | 'down'
  readonly durationMs: number
  /** Null when it is down. */
  readonly httpStatus: number | null
  /** `status` of the JSON that it answered; null when it has none. */
  readonly reported: string | null
  readonly problem: string | null
}

/** Words by which services of many makes say that they are not well, though they answer with 200. */
const unwell = new Set(['unhealthy', 'not_ready', 'down', 'error', 'fail', 'failed', 'critical'])

/**
 * `NAME=URL` as a target; a URL without a path is asked for `/health`.
 *
 * @throws KilnError USAGE.
 */
export function parseTarget(text: string): Target {
  const [, name = '', address = ''] = /^([^=\s]+)=(.+)$/.exec(text) ?? []
  const url = URL.parse(address)
  if (name === '' || !url || !/^https?:$/.test(url.protocol)) {
    throw new KilnError('USAGE', `${JSON.stringify(text)} is not NAME=URL`, {
      hint: 'write it as api=http://api-1:8002',
    })
  }
  if (url.pathname === '/') url.pathname = '/health'
  return { name, url: url.href }
}

/**
 * Asks all of them at once; each answers for itself, within the time. In the order given.
 *
 * @throws KilnError USAGE for two of one name: nobody could tell their answers apart.
 */
export async function probeTargets(
  targets: readonly Target[],
  timeoutMs: number,
): Promise<TargetAnswer[]> {
  const names = new Set<string>()
  for (const { name } of targets) {
    if (names.has(name)) {
      throw new KilnError('USAGE', `two targets are called ${JSON.stringify(name)}`, {
        hint: 'give each a name of its own',
      })
    }
    names.add(name)
  }
  return Promise.all(targets.map((target) => probe(target, timeoutMs)))
}

async function probe(target: Target, timeoutMs: number): Promise<TargetAnswer> {
  const startedAt = systemClock.monotonic()
  const signal = AbortSignal.timeout(timeoutMs)
  const ended = (answer: Omit<TargetAnswer, 'name' | 'url' | 'durationMs'>): TargetAnswer => ({
    ...target,
    ...answer,
    durationMs: Math.round(systemClock.monotonic() - startedAt),
  })
  try {
    const { status: httpStatus, text } = await getText(target.url, signal)
    const reported = statusIn(text)
    const isWell = httpStatus >= 200 && httpStatus < 300 && !unwell.has(reported ?? '')
    const said = reported === null ? '' : ` and the status ${reported}`
    return ended({
      status: isWell ? 'healthy' : 'unhealthy',
      httpStatus,
      reported,
      problem: isWell ? null : `it answers with ${httpStatus}${said}`,
    })
  } catch (error) {
    return ended({
      status: 'down',
      httpStatus: null,
      reported: null,
      problem: signal.aborted ? `no answer within ${timeoutMs / 1000} s` : whyNoAnswer(error),
    })
  }
}

function statusIn(text: string): string | null {
  try {
    const value = JSON.parse(text) as { readonly status?: unknown } | null
    return typeof value?.status === 'string' ? value.status : null
  } catch {
    return null
  }
}
