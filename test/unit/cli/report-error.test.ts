import { expect, it } from 'vitest'
import { errorText, toKilnError } from '../../../src/cli/output/report-error.ts'

const defect = new TypeError('no postgres://u:s3cret@h')
defect.stack = 'TypeError: postgres://u:s3cret@h\n    at \u001b[31mhere'

it('shows the stack of a defect when asked, without passwords, safe on a terminal', () => {
  const text = errorText(toKilnError(defect), { asJson: false, withStack: true })
  expect(text).toContain('TypeError: postgres://u:***@h\n    at \\u001b[31mhere')
  expect(text).not.toContain('s3cret')
  const without = errorText(toKilnError(defect), { asJson: false, withStack: false })
  expect(without).not.toContain('here')
})

it('keeps it within the one line of JSON', () => {
  const text = errorText(toKilnError(defect), { asJson: true, withStack: true })
  expect(text).not.toContain('\n')
  expect(JSON.parse(text)).toMatchObject({
    error: { code: 'INTERNAL', stack: 'TypeError: postgres://u:***@h\n    at \u001b[31mhere' },
  })
})

it('has words for a host of which no address answers', () => {
  const many = new AggregateError([new Error('::1 is down'), new Error('127.0.0.1 is down')])
  expect(toKilnError(many).message).toBe('::1 is down; 127.0.0.1 is down')
})
