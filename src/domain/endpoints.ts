// Which endpoints a host may be sent to. Decided on the text of the URL, before a socket exists.

/** An empty list allows any endpoint. An absent endpoint is AWS's own and is named `aws` in a list. Only scheme, host and port count; user info never matches. */
export function endpointAllowed(endpoint: string | undefined, allowed: readonly string[]): boolean {
  if (allowed.length === 0) return true;
  const wanted = endpoint === undefined ? 'aws' : originOf(endpoint);
  return wanted !== undefined && allowed.some((one) => (one === 'aws' ? 'aws' : originOf(one)) === wanted);
}

/** `http://host:port`, lower case, default ports filled in; nothing for what is not a plain http(s) URL. */
function originOf(url: string): string | undefined {
  const match = /^(https?):\/\/(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::(\d{1,5}))?(?:[/?#].*)?$/i.exec(url);
  if (match === null) return undefined;
  const scheme = (match[1] ?? '').toLowerCase();
  return `${scheme}://${(match[2] ?? '').toLowerCase()}:${Number(match[3] ?? (scheme === 'https' ? 443 : 80))}`;
}
