import { nearNames } from '../core/units/near-names.ts'

/** Commands whose name is close to what was typed, nearest first, at most three. */
export function suggestCommands(typed: string, commandIds: readonly string[]): string[] {
  return nearNames(
    typed,
    commandIds.map((id) => id.replaceAll(':', ' ')),
  )
}
