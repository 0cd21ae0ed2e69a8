import module from 'node:module'
import { homedir } from 'node:os'
import { fileURLToPath } from 'node:url'

// `kiln ... | head -1` closes the pipe: the reader has what it wanted. Must stand before the import
// of oclif, which swallows the error and ends with another code.
process.stdout.on('error', (error) => {
  process.exit(error.code === 'EPIPE' ? (process.exitCode ?? 0) : 74)
})
// A remark that nobody can read any more, or a log on a disk that is full, must end no job and no
// service; what a command did is told by its exit code.
process.stderr.on('error', () => undefined)

// oclif asks for shell and home folder, and in a container a bare uid has neither: a riddle would be
// the end of every command.
process.env.SHELL ||= '/bin/sh'
try {
  homedir()
} catch {
  process.env.HOME = '/'
}

const root = fileURLToPath(new URL('..', import.meta.url))
// Shipped with the build, and read-only for others: Node's default folder under /tmp belongs to
// whoever was first.
module.enableCompileCache({ directory: `${root}dist/compile-cache`, portable: true })

const built = await import('../dist/main.js').catch((error) => {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  process.stderr.write('error: Kiln has not been built: run npm run build in its folder\n')
  process.exit(78)
})
await built.main(process.argv.slice(2), root)
