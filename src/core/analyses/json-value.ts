/** Anything JSON can say. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

export type JsonRecord = { readonly [key: string]: JsonValue }

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A value in a message: short, on one line. */
export function quoted(value: unknown): string {
  const text = textOf(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    // Nested thousands of levels deep; whoever stores it refuses it with words of its own.
    return 'a value that is nested too deep'
  }
}
