/**
 * Text with the passwords of connection strings masked: in URLs, also in those whose password holds an @
 * or a / that should have been encoded, and after `password=` or a name that ends so, such as
 * `sslpassword=` or `PGPASSWORD=`. For what repeats the words of others.
 */
export function maskPasswords(text: string): string {
  return text.replace(urlPassword, '$1***@').replace(parameterPassword, '$1***')
}

/**
 * To the last @ of the word: what comes after an earlier one may still be the password. One slash is left
 * of two where a URL was taken for a path.
 */
const urlPassword = /(\b[a-z][a-z0-9+.-]*:\/\/?[^\s/:@[]*:)\S+@/gi
const parameterPassword = /(password\s*=\s*)('[^']*'|"[^"]*"|[^\s&"'\\]+)/gi
