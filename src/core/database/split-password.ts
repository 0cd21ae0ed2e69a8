/**
 * A connection URL without its password, which may stand before the host or among the parameters, and
 * without that of a client's key: programs of libpq ask for it, and take it in no variable.
 */
export function splitPassword(url: URL): { readonly url: URL; readonly password?: string } {
  const bare = new URL(url)
  const password = decoded(url.password) || url.searchParams.get('password')
  bare.password = ''
  bare.searchParams.delete('password')
  bare.searchParams.delete('sslpassword')
  return password ? { url: bare, password } : { url: bare }
}

/** A percent sign that encodes nothing stands for itself, as the driver reads it. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll(/%(?![\da-f]{2})/gi, '%25'))
  } catch {
    // Bytes that are no text.
    return text
  }
}
