import MigrateUp from './up.ts'

/** `kiln migrate` alone is `kiln migrate up`. */
export default class Migrate extends MigrateUp {}
