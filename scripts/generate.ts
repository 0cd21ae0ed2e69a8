/**
 * Regenerates every file that is made from others: the table types and the expected schema from
 * the migrations, then the pages of docs/. Prints what it has changed.
 */
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { databaseUrl, query, startTestServer } from '../test/support/test-server.ts'
import { referencePages } from './generate-reference.ts'
import { schemaFiles } from './generate-schema.ts'

const root = path.resolve(import.meta.dirname, '..')

if (process.argv.length > 2) {
  console.error('error: no arguments; test/integration/generated-files.test.ts checks')
  process.exit(64)
}

async function migratedSchema(): Promise<Map<string, string>> {
  const server = await startTestServer()
  const name = `kiln_generate_${process.pid}`
  try {
    const { serverUrl, templateName } = server.run
    await query(serverUrl, `create database ${name} template ${templateName}`)
    const files = await schemaFiles(databaseUrl(serverUrl, name))
    await query(serverUrl, `drop database ${name}`)
    return files
  } finally {
    await server.stop()
  }
}

const pages = referencePages()
mkdirSync(path.join(root, 'docs/reference'), { recursive: true })
for (const [name, text] of [...(await migratedSchema()), ...pages]) {
  const file = path.join(root, name)
  if (existsSync(file) && readFileSync(file, 'utf8') === text) continue
  writeFileSync(file, text)
  console.log(`written: ${name}`)
}
for (const file of globSync('docs/reference/*.md', { cwd: root })) {
  if (pages.has(file)) continue
  rmSync(path.join(root, file))
  console.log(`removed: ${file}`)
}
