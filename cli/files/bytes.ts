import { gunzipSync } from 'node:zlib';

/** A file that can't be read; the message ends its sentence: 'is gzip that ends too early'. */
export class FileFormatError extends Error {
  override readonly name = 'FileFormatError';
}

const startsWith = (bytes: Buffer, ...start: readonly number[]): boolean =>
  start.every((byte, index) => bytes[index] === byte);

/** Bytes of a file after unpacking: a few may stand for any number. */
const MAX_UNZIPPED = 2 ** 31;

const unzipped = (bytes: Buffer): Buffer => {
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_UNZIPPED });
  } catch {
    throw new FileFormatError('is gzip that is damaged, ends too early or is too large');
  }
};

/** UTF-16 with the high byte first, as Node does not decode it. */
const swapped = (bytes: Buffer): Buffer =>
  Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 2))).swap16();

/** The text of a file as UTF-8 without a byte-order mark, whether it is gzip, UTF-16 or UTF-8. Throws FileFormatError. */
export const utf8Of = (bytes: Buffer): Buffer => {
  if (startsWith(bytes, 0x1f, 0x8b)) return utf8Of(unzipped(bytes));
  if (startsWith(bytes, 0xef, 0xbb, 0xbf)) return bytes.subarray(3);
  if (startsWith(bytes, 0xff, 0xfe)) return Buffer.from(bytes.subarray(2).toString('utf16le'));
  if (startsWith(bytes, 0xfe, 0xff)) return Buffer.from(swapped(bytes.subarray(2)).toString('utf16le'));
  // Text of Kubernetes begins with ASCII, whose other byte is 0 in UTF-16.
  if (bytes.length > 1 && bytes[0] !== 0 && bytes[1] === 0) return Buffer.from(bytes.toString('utf16le'));
  if (bytes.length > 1 && bytes[0] === 0 && bytes[1] !== 0) {
    return Buffer.from(swapped(bytes).toString('utf16le'));
  }
  return bytes;
};
