import { createHash, createHmac } from 'node:crypto';

/** Signature version 4 of AWS, for a request without a query: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html */

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** The path of a URL, whose segments are encoded twice: every service but S3 asks for that. */
const canonicalPath = (pathname: string): string => pathname.split('/').map(encodeURIComponent).join('/');

/** The headers of a request with those that sign it. `now` in milliseconds since 1970. */
export const signedHeaders = (
  o: {
    readonly method: string;
    readonly url: URL;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
    readonly service: string;
    readonly region: string;
    readonly credentials: Credentials;
  },
  now: number,
): Readonly<Record<string, string>> => {
  const { credentials, url } = o;
  const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
  const day = time.slice(0, 8);
  const headers: Record<string, string> = {
    ...o.headers,
    'x-amz-date': time,
    ...(credentials.sessionToken && { 'x-amz-security-token': credentials.sessionToken }),
  };
  const signed = Object.entries({ ...headers, host: url.host })
    .map(([name, value]) => [name.toLowerCase(), value.trim()] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const names = signed.map(([name]) => name).join(';');
  const request = [
    o.method,
    canonicalPath(url.pathname),
    '',
    ...signed.map(([name, value]) => `${name}:${value}`),
    '',
    names,
    sha256(o.body),
  ].join('\n');
  const scope = `${day}/${o.region}/${o.service}/aws4_request`;
  const key = [day, o.region, o.service, 'aws4_request'].reduce<string | Buffer>(
    hmac,
    `AWS4${credentials.secretAccessKey}`,
  );
  const signature = hmac(key, [ALGORITHM, time, scope, sha256(request)].join('\n')).toString('hex');
  return {
    ...headers,
    authorization: `${ALGORITHM} Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
  };
};
