/** Runs once before a project of tests: the built program must exist, since tests spawn it. */
import { existsSync } from 'node:fs'
import path from 'node:path'

export default function setup(): void {
  const built = path.resolve(import.meta.dirname, '../../dist/main.js')
  if (!existsSync(built)) throw new Error('not built: run `npm run build` first')
}
