import { buffer } from 'node:stream/consumers'
import { type ScriptFile, decodeScript, readScriptFile } from '../core/analyses/index.ts'

/** The script that an argument FILE|- names. */
export async function readScript(word: string): Promise<ScriptFile> {
  if (word !== '-') return readScriptFile(word)
  return { content: decodeScript(await buffer(process.stdin), word), filename: word }
}
