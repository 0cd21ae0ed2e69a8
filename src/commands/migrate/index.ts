import MigrateUp from './up.ts'

/** `kiln migrate` alone is `kiln migrate up`. */
export default class Migrate extends MigrateUp {
  // Oclif's manifest takes them from the class itself only.
  static override baseFlags = MigrateUp.baseFlags
}
