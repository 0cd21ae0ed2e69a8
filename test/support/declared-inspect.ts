import type { Inspect } from '../../src/core/analyses/index.ts'

/**
 * Stands for the sandbox where a test is about what becomes of declarations: the script's text is
 * the JSON of what it declares, and a text that is none fails as a broken script does.
 */
export const declaredInspect: Inspect = async ({ source }) => {
  try {
    return {
      status: 'ok',
      inspection: {
        form: 'object',
        declared: JSON.parse(source) as Record<string, unknown>,
        language: 'javascript',
      },
    }
  } catch {
    return {
      status: 'failed',
      error: {
        code: 'definition_error',
        name: 'SyntaxError',
        message: 'Unexpected token',
        line: 2,
        column: 7,
        stack: '',
      },
    }
  }
}

/** A script for `declaredInspect`. */
export const declaring = (declared: Readonly<Record<string, unknown>>, filename = 'delays.js') => ({
  content: JSON.stringify(declared),
  filename,
})
