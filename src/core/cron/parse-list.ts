import type { FieldName } from './cron-fields.ts'
import { FieldError } from './cron-invalid.ts'
import { expandItem, quote } from './expand-item.ts'

/** The items of a list, each to be read by itself. */
export function itemsOf(field: FieldName, text: string): readonly string[] {
  const items = text.split(',')
  if (items.includes('')) throw new FieldError(`${quote(text)} has an empty item in its list`)
  if (items.includes('?') && !field.startsWith('day')) {
    throw new FieldError(`? stands for any day, not for any ${field}`, 'write * instead')
  }
  return items
}

/** A field of numbers alone, ascending and each once. */
export function parseList(field: FieldName, text: string): readonly number[] {
  const values = itemsOf(field, text).flatMap((item) => expandItem(field, item))
  return [...new Set(values)].toSorted((a, b) => a - b)
}
