/** What a program for Linux is linked to, read from the file: ldd runs it, which only its own architecture can. */

const NEEDED = 1n;
const DYNAMIC = 6;

/** Names of the libraries that a 64-bit little-endian ELF file asks for. Throws when it is no such file. */
export function librariesOf(file: Buffer): string[] {
  if (file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1)
    throw new Error('no 64-bit little-endian ELF file');
  const table = Number(file.readBigUInt64LE(0x28));
  const size = file.readUInt16LE(0x3a);
  const count = file.readUInt16LE(0x3c);
  const section = (index: number) => {
    const at = table + index * size;
    return {
      type: file.readUInt32LE(at + 4),
      offset: Number(file.readBigUInt64LE(at + 24)),
      length: Number(file.readBigUInt64LE(at + 32)),
      link: file.readUInt32LE(at + 40),
    };
  };
  for (let index = 0; index < count; index++) {
    const dynamic = section(index);
    if (dynamic.type !== DYNAMIC) continue;
    const names = section(dynamic.link).offset;
    const found: string[] = [];
    for (let at = dynamic.offset; at < dynamic.offset + dynamic.length; at += 16) {
      if (file.readBigInt64LE(at) !== NEEDED) continue;
      const start = names + Number(file.readBigUInt64LE(at + 8));
      found.push(file.toString('latin1', start, file.indexOf(0, start)));
    }
    return found;
  }
  return [];
}
