/** A file of a package's tarball; its path begins within the folder that all files of a tarball share. */
export interface TarFile {
  readonly path: string;
  readonly isExecutable: boolean;
  readonly bytes: Buffer;
}

const BLOCK = 512;

const textAt = (header: Buffer, from: number, length: number): string =>
  header.toString('utf8', from, from + length).replace(/\0.*$/s, '');

const numberAt = (header: Buffer, from: number, length: number): number =>
  Number.parseInt(textAt(header, from, length).trim() || '0', 8);

/** The path in a pax header, whose lines are 'LENGTH KEY=VALUE'. */
const paxPath = (text: string): string | undefined => /^\d+ path=(.*)$/m.exec(text)?.[1];

/** The path without its first folder; undefined for one that leads elsewhere. */
const innerPath = (path: string): string | undefined => {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return parts.length < 2 || parts.includes('..') ? undefined : parts.slice(1).join('/');
};

/**
 * The plain files of a tar archive (ustar, with pax and GNU names), in its order. Links and folders are left out, as npm
 * leaves them out. Throws when the archive is cut off.
 */
export function* untar(archive: Buffer): Generator<TarFile> {
  let longPath: string | undefined;
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return;
    const size = numberAt(header, 124, 12);
    const bytes = archive.subarray(at + BLOCK, at + BLOCK + size);
    if (!Number.isSafeInteger(size) || bytes.length < size) throw new Error('the tar archive is cut off');
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const type = textAt(header, 156, 1) || '0';
    if (type === 'x') longPath = paxPath(bytes.toString('utf8')) ?? longPath;
    else if (type === 'L') longPath = textAt(bytes, 0, size);
    else {
      const prefix = textAt(header, 257, 5) === 'ustar' ? textAt(header, 345, 155) : '';
      const name = textAt(header, 0, 100);
      const path = innerPath(longPath ?? (prefix === '' ? name : `${prefix}/${name}`));
      longPath = undefined;
      if (type === '0' && path !== undefined)
        yield { path, isExecutable: (numberAt(header, 100, 8) & 0o100) !== 0, bytes };
    }
  }
}
