import { readFile } from 'node:fs/promises'
import { text as readStream } from 'node:stream/consumers'
import { Flags } from '@oclif/core'
import { type AnalysisDefinition, parseParameterTexts } from '../../core/analyses/index.ts'
import { KilnError } from '../../core/errors/index.ts'
import { fileError } from '../../core/os/index.ts'

/** Flags by which a job gets its parameters. */
export const parameterFlags = {
  param: Flags.string({
    char: 'p',
    multiple: true,
    multipleNonGreedy: true,
    description: 'a parameter, read as its declared type; may be repeated',
    helpValue: 'NAME=VALUE',
  }),
  params: Flags.string({
    description: 'JSON object of parameters; - reads standard input',
    helpValue: 'FILE|-',
  }),
}

interface Given {
  readonly param?: readonly string[] | undefined
  readonly params?: string | undefined
}

/** Parameters of a command line, ready for the definition that says how to read their texts. */
export async function readParameters(given: Given): Promise<{
  for(definition: AnalysisDefinition | null): Readonly<Record<string, unknown>>
}> {
  const fromFile = given.params === undefined ? {} : await readObject(given.params)
  const pairs = (given.param ?? []).map(split)
  return {
    for: (definition) => ({ ...fromFile, ...parseParameterTexts(definition, pairs) }),
  }
}

function split(pair: string): readonly [string, string] {
  const at = pair.indexOf('=')
  if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)]
  throw new KilnError('USAGE', `${JSON.stringify(pair)} is not NAME=VALUE`, {
    hint: 'write a parameter as --param NAME=VALUE',
  })
}

async function readObject(file: string): Promise<Record<string, unknown>> {
  const text =
    file === '-'
      ? await readStream(process.stdin)
      : await readFile(file, 'utf8').catch((error: unknown) => {
          throw fileError(error, file)
        })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new KilnError(
      'PARAMETER_INVALID',
      `${file === '-' ? 'standard input' : file} is not JSON`,
      {
        cause: error,
        hint: 'give a JSON object of parameters',
      },
    )
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new KilnError('PARAMETER_INVALID', 'the parameters are not a JSON object', {
      hint: 'give them as {"name": value}',
    })
  }
  return value as Record<string, unknown>
}
