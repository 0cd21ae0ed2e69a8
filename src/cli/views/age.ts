import { formatDuration } from '../../core/units/index.ts'
import type { Json } from '../output/output.ts'

/** `5 m 3 s ago`, for tables; JSON carries the instant. */
export function age(instant: Json | undefined): string {
  if (typeof instant !== 'string') return ''
  const ms = Date.now() - Date.parse(instant)
  return Number.isNaN(ms) ? instant : `${formatDuration(ms)} ago`
}
