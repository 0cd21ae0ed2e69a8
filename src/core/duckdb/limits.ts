/** Largest answer of a DuckDB process; the sandbox takes frames of 64 MB, head and quoting included. */
export const defaultMaxRowBytes = 48 * 1024 * 1024

/** Largest frame either side accepts. */
export const maxFrameBytes = 64 * 1024 * 1024

/**
 * What the process may use beyond DuckDB's own limit. On x64 V8 reserves 512 MB for code, which the
 * kernel counts although hardly any of it is ever touched; Node, its thread stacks and DuckDB's
 * library are 120 MB; the rest is for rows on their way out (with half of it, a text of 40 MB did
 * not get through) and for what DuckDB allocates outside its buffer manager.
 */
export const processOverheadBytes = 1024 * 1024 * 1024

export const defaultMaxTempBytes = 10 * 1024 ** 3

/** All files that one job exports. */
export const defaultMaxExportBytes = 10 * 1024 ** 3

/** How long an interrupt may take before the process is killed. */
export const interruptGraceMs = 1000
