/**
 * The end of a shell line that starts a child process: the child dies with the one who started it
 * and gains no privileges by what it starts, where util-linux has the means. Without, a child that is
 * busy would outlive a killed parent until its own limits end it.
 *
 * bwrap sees to both by itself, and must not be killed before it does: its own child, which waits for
 * a word of it, would wait for ever.
 */
export const execLine =
  'case "$0" in *bwrap) exec "$0" "$@" ;; esac; if setpriv --pdeathsig KILL --no-new-privs true 2>/dev/null; then exec setpriv --pdeathsig KILL --no-new-privs "$0" "$@"; else exec "$0" "$@"; fi'
