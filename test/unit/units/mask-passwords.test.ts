import { expect, test } from 'vitest'
import { maskPasswords } from '../../../src/core/units/mask-passwords.ts'

test.each([
  ['"postgresql://u:s3cret@h/d" is no id', '"postgresql://u:***@h/d" is no id'],
  ['postgresql://u:p@s3cret@h/d', 'postgresql://u:***@h/d'],
  ['postgresql://u:a/s3cret@h/d', 'postgresql://u:***@h/d'],
  ['postgres+x://:s3cret@h', 'postgres+x://:***@h'],
  ['/srv/s3:/key:s3cret@h/bucket', '/srv/s3:/key:***@h/bucket'],
  ['HTTPS://u:100%s3cret@h', 'HTTPS://u:***@h'],
  ['postgresql:///d?a=b&password=s3cret&c=d', 'postgresql:///d?a=b&password=***&c=d'],
  ['host=h PASSWORD = s3cret user=u', 'host=h PASSWORD = *** user=u'],
  ['postgresql://h/d?sslpassword=s3cret&c=d', 'postgresql://h/d?sslpassword=***&c=d'],
  ['env PGPASSWORD=s3cret psql', 'env PGPASSWORD=*** psql'],
  ['PGPASSWORD="s3 cret" psql', 'PGPASSWORD=*** psql'],
  ["password='s3 cret' host=h", 'password=*** host=h'],
])('%s', (text, masked) => {
  expect(maskPasswords(text)).toBe(masked)
})

test.each([
  'postgresql://user@host:5432/d',
  'http://[::1]:80/a@b',
  'user:name@host',
  'no password',
])('leaves %s', (text) => {
  expect(maskPasswords(text)).toBe(text)
})
