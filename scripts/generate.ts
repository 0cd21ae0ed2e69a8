/**
 * Regenerates every file that is made from others: the table types and the expected schema from
 * the migrations, then the pages of docs/. With `--check` it writes nothing and fails naming what
 * is not current.
 */
import { generateReference } from './generate-reference.ts'
import { generateSchema } from './generate-schema.ts'

const isCheck = process.argv.includes('--check')
const changed = [...(await generateSchema({ isCheck })), ...generateReference({ isCheck })]
for (const file of changed) console.log(`${isCheck ? 'not current' : 'written'}: ${file}`)
if (isCheck && changed.length > 0) {
  console.error('run: npm run build && npm run generate')
  process.exitCode = 1
}
