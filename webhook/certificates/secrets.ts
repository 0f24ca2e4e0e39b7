import type { Secret } from '../../api/objects.ts';
import type { Authority } from './rotation.ts';
import type { Pair } from './x509.ts';

const decode = (secret: Secret | undefined, key: string): string =>
  Buffer.from(secret?.data?.[key] ?? '', 'base64').toString();

const pair = (secret: Secret | undefined, cert: string, key: string): Pair | undefined => {
  const found = { cert: decode(secret, cert), key: decode(secret, key) };
  return found.cert !== '' && found.key !== '' ? found : undefined;
};

const encode = (data: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(data).flatMap(([key, text]) =>
      text === '' ? [] : [[key, Buffer.from(text).toString('base64')]],
    ),
  );

export const readAuthority = (secret: Secret | undefined): Authority => ({
  current: pair(secret, 'ca.crt', 'ca.key'),
  next: pair(secret, 'next.crt', 'next.key'),
  previous: decode(secret, 'previous.crt'),
});

export const authorityData = ({ current, next, previous }: Authority): Record<string, string> =>
  encode({
    'ca.crt': current?.cert ?? '',
    'ca.key': current?.key ?? '',
    'next.crt': next?.cert ?? '',
    'next.key': next?.key ?? '',
    'previous.crt': previous,
  });

export const readLeaf = (secret: Secret | undefined): Pair | undefined => pair(secret, 'tls.crt', 'tls.key');

export const leafData = (leaf: Pair): Record<string, string> =>
  encode({ 'tls.crt': leaf.cert, 'tls.key': leaf.key });
