/** Longest mark of ours with a record in it; anybody may write annotations of up to 256 KiB on their pods. */
const MAX_CHARACTERS = 4096;

/** The JSON in an annotation; undefined where there is none, or none that we wrote. */
export const readMark = (text: string | undefined): unknown => {
  if (text === undefined || text.length > MAX_CHARACTERS) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
