/**
 * The end of a shell line that starts a child process: the child dies with the one who started it,
 * where util-linux has the means. Without, a child that is busy would outlive a killed parent until
 * its own limits end it.
 */
export const execLine =
  'if setpriv --pdeathsig KILL true 2>/dev/null; then exec setpriv --pdeathsig KILL "$0" "$@"; else exec "$0" "$@"; fi'
