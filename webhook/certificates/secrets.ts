import type { Secret } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { LEGACY_PATH } from './path.ts';
import type { Authority, Leaf } from './rotation.ts';
import type { KeyPair } from './x509.ts';

const decode = (secret: Secret | undefined, key: string): string =>
  Buffer.from(valueAt(secret?.data, key) ?? '', 'base64').toString();

const readKeyPair = (secret: Secret | undefined, certKey: string, keyKey: string): KeyPair | undefined => {
  const keyPair = { cert: decode(secret, certKey), key: decode(secret, keyKey) };
  return keyPair.cert !== '' && keyPair.key !== '' ? keyPair : undefined;
};

const encode = (data: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(data).flatMap(([key, text]) =>
      text === '' ? [] : [[key, Buffer.from(text).toString('base64')]],
    ),
  );

/** The authority of a Secret; parts that the Secret lacks are undefined. */
export const readAuthority = (secret: Secret | undefined): Authority => ({
  current: readKeyPair(secret, 'ca.crt', 'ca.key'),
  next: readKeyPair(secret, 'next.crt', 'next.key'),
  previous: decode(secret, 'previous.crt'),
});

/** `data` of the authority's Secret. */
export const authorityData = ({ current, next, previous }: Authority): Record<string, string> =>
  encode({
    'ca.crt': current?.cert ?? '',
    'ca.key': current?.key ?? '',
    'next.crt': next?.cert ?? '',
    'next.key': next?.key ?? '',
    'previous.crt': previous,
  });

/** What replicas serve, from its Secret; undefined while that has no certificate. */
export const readLeaf = (secret: Secret | undefined): Leaf | undefined => {
  const keyPair = readKeyPair(secret, 'tls.crt', 'tls.key');
  const paths = decode(secret, 'paths').split(',').filter(Boolean);
  return keyPair && { ...keyPair, paths: paths.length > 0 ? paths : [LEGACY_PATH] };
};

/** `data` of the leaf's Secret. */
export const leafData = (leaf: Leaf): Record<string, string> =>
  encode({ 'tls.crt': leaf.cert, 'tls.key': leaf.key, paths: leaf.paths.join(',') });
