/** The body of an answer of somebody else's server; undefined when it is longer than `mostBytes`, of which no more is read. */
export const readBounded = async (response: Response, mostBytes: number): Promise<string | undefined> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    // Leaving the loop cancels the rest.
    if (bytes > mostBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/** Where a redirect leads, for messages: the rest of the address may hold what nobody else is to read. */
export const originOf = (headers: Headers): string => {
  const target = headers.get('location') ?? '';
  return URL.canParse(target) ? new URL(target).origin : 'another address';
};
