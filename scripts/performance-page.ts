/**
 * Writes docs/performance.md from the JSON lines of `npm run bench`:
 * `node scripts/performance-page.ts figures.jsonl [more.jsonl]`. Of a figure that was measured twice the
 * last one counts.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { readFigures } from './performance/read-figures.ts'
import { performancePage } from './performance/render-page.ts'

const files = process.argv.slice(2)
if (files.length === 0) {
  console.error('error: name a file with the lines that npm run bench printed')
  process.exitCode = 64
} else {
  try {
    const figures = readFigures(files.map((file) => readFileSync(file, 'utf8')).join('\n'))
    const page = path.resolve(import.meta.dirname, '../docs/performance.md')
    writeFileSync(page, performancePage(figures))
    const missed = figures.filter(({ isKept }) => !isKept)
    console.log(`written: docs/performance.md, ${figures.length} figures, ${missed.length} missed`)
  } catch (error) {
    console.error(`error: ${(error as Error).message}`)
    process.exitCode = 65
  }
}
