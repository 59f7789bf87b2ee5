/**
 * The headers that the web demo is served with.
 * Invariant: the page works without any of them; they make it isolated, so that threads are allowed, and show that it
 * needs no code from strings and nothing from elsewhere.
 */
const DIRECTIVES = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
];

/** Also in the page itself, for hosts that set no headers. */
export const POLICY = DIRECTIVES.join("; ");

/** `frame-ancestors` is understood in a header alone. */
export const HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy": `${POLICY}; frame-ancestors 'none'`,
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-cache",
};
