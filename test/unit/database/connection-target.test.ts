import { describe, expect, it } from 'vitest'
import { parseDatabaseUrl } from '../../../src/core/database/connection-target.ts'
import { splitPassword } from '../../../src/core/database/split-password.ts'

describe('parseDatabaseUrl', () => {
  it.each([
    ['postgres://u@h/d', 'postgresql://u@h/d'],
    ['postgresql+asyncpg://u:p@h:1/d', 'postgresql://u:p@h:1/d'],
    ['postgresql://kiln@/kiln?host=%2Frun', 'postgresql://kiln@localhost/kiln?host=%2Frun'],
    ['postgresql:///kiln?host=/run&user=kiln', 'postgresql:///kiln?host=/run&user=kiln'],
  ])('reads %s', (text, href) => {
    expect(parseDatabaseUrl(text).href).toBe(href)
  })

  it.each(['', 'mysql://h/d', 'postgresql//h', 'h:5432'])('refuses "%s"', (text) => {
    expect(() => parseDatabaseUrl(text)).toThrow('not a Postgres URL')
  })
})

describe('splitPassword', () => {
  it.each([
    ['postgresql://u:p%40ss@h/d', 'postgresql://u@h/d', 'p@ss'],
    ['postgresql://u@h/d?password=x&sslmode=off', 'postgresql://u@h/d?sslmode=off', 'x'],
    ['postgresql://u@h/d?sslkey=k&sslpassword=x', 'postgresql://u@h/d?sslkey=k', undefined],
    ['postgresql://u@h/d', 'postgresql://u@h/d', undefined],
  ])('splits %s', (text, url, password) => {
    const split = splitPassword(new URL(text))
    expect([split.url.href, split.password]).toEqual([url, password])
  })
})
