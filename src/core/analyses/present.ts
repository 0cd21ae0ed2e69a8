type Present<T> = { [Key in keyof T]?: NonNullable<T[Key]> }

/** The fields that have a value: what a script left out stays out of its definition. */
export function present<T extends Record<string, unknown>>(fields: T): Present<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== null),
  ) as Present<T>
}
