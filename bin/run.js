#!/usr/bin/env node
// Old versions of Node.js must be able to read this file: no syntax and no import that they lack
// before the check.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  process.stderr.write(
    'error: Kiln needs Node.js 24 or newer, this is ' +
      process.version +
      ': start it by bin/kiln\n',
  )
  process.exit(78)
}

import('./start.js').catch((error) => {
  process.stderr.write('error: ' + error.message + '\n')
  process.exit(70)
})
