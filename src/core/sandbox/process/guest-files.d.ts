/** Files that run inside the isolate are bundled as text. */
declare module '*.guest.js' {
  const text: string
  export default text
}
