import { expectedSchema } from './expected-schema.generated.ts'

/** Names of the tables that the migrations make; the ledger is not among them. */
export function expectedTables(): readonly string[] {
  return Object.keys(expectedSchema).flatMap(
    (object) => /^table (\w+)$/.exec(object)?.slice(1) ?? [],
  )
}
