/** A time as Kubernetes writes it, RFC 3339 with whole seconds; milliseconds since 1970, of which parts of a second are cut off. */
export const timeText = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
