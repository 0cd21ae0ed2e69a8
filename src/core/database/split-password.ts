/** A connection URL without its password, which may stand before the host or among the parameters. */
export function splitPassword(url: URL): { readonly url: URL; readonly password?: string } {
  const bare = new URL(url)
  const password = decodeURIComponent(url.password) || url.searchParams.get('password')
  bare.password = ''
  bare.searchParams.delete('password')
  return password ? { url: bare, password } : { url: bare }
}
