/** How Kiln's sources become the files that run: of the build, and of processes that tests start. */
import path from 'node:path'
import { type OutputOptions, type Plugin, rolldown } from 'rolldown'

const root = path.resolve(import.meta.dirname, '..')

/**
 * `@oclif/core` as a whole loads its help, its plugin loader and semver with every command: a
 * bundle gets only the parts that commands import.
 */
const oclifParts: Plugin = {
  name: 'oclif-parts',
  resolveId: {
    filter: { id: /^@oclif\/core$/ },
    handler: () => '\0oclif-parts',
  },
  load: {
    filter: { id: /^\0oclif-parts$/ },
    handler: () => `
      export * as Args from '@oclif/core/args'
      export { Command } from '@oclif/core/command'
      export * as Flags from '@oclif/core/flags'`,
  },
}

/** Modules of oclif that serve help and its own start, by those that load them at once. */
const lateParts: Readonly<Record<string, readonly string[]>> = {
  'command.js': ['./config', './help/util'],
  'flags.js': ['./help'],
  'errors/index.js': ['./handle'],
}

/** Has them loaded when they are used: they would take a tenth of each command's start. */
const oclifLater: Plugin = {
  name: 'oclif-later',
  transform: {
    filter: { id: /@oclif\/core\/lib\/(command|flags|errors\/index)\.js$/ },
    handler(code, id) {
      const [, file = ''] = id.split('@oclif/core/lib/')
      return (lateParts[file] ?? []).reduce((text, request) => {
        const required = `= require("${request}");`
        if (!text.includes(required)) throw new Error(`${file} of oclif has no ${required}`)
        const later = `= new Proxy({}, { get: (_, name) => require("${request}")[name] });`
        return text.replace(required, later)
      }, code)
    },
  },
}

/** V8 keeps a text of ASCII in half the memory, and reads it in half the time. */
const asciiOnly: Plugin = {
  name: 'ascii-only',
  generateBundle(_options, files) {
    for (const file of Object.values(files)) {
      if (file.type !== 'chunk') continue
      file.code = file.code.replaceAll(
        /(\\*)([^\0-\x7f])/g,
        (_all, before: string, character: string) => {
          if (before.length % 2 > 0) throw new Error(`cannot escape an escaped ${character}`)
          return `${before}\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
        },
      )
    }
  },
}

export interface Bundle {
  /** Sources by the path of what becomes of them, without its extension. */
  readonly input: Readonly<Record<string, string>>
  readonly folder: string
  /**
   * Modules that at least so many entries use go into one file, `chunks/common`: Node takes longer to
   * find and link a file than to skip what it does not need of it.
   */
  readonly commonFrom?: number
  /** What is loaded later, too, goes into the one file of the one entry. */
  readonly isOneFile?: boolean
  /** Names that become these values. */
  readonly define?: Readonly<Record<string, string>>
}

/** Bundles into ES modules for Node; native packages stay outside. */
export async function bundle(options: Bundle): Promise<void> {
  const { input, folder, commonFrom, isOneFile, define } = options
  const build = await rolldown({
    cwd: root,
    input: { ...input },
    platform: 'node',
    external: [/^node:/, 'isolated-vm', '@duckdb/node-bindings', 'pg-native'],
    plugins: [oclifParts, oclifLater, asciiOnly],
    transform: { target: 'node24', define: { ...define } },
    // A command may need at once what another one loads later.
    checks: { ineffectiveDynamicImport: false },
    logLevel: 'warn',
  })
  const output: OutputOptions = {
    dir: folder,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
    comments: false,
    // Names stay: stack traces are read by people.
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
    ...(commonFrom === undefined
      ? {}
      : { codeSplitting: { groups: [{ name: 'common', minShareCount: commonFrom }] } }),
    ...(isOneFile ? { codeSplitting: false } : {}),
  }
  await build.write(output)
  await build.close()
}
