import t from 'tap';
import { signedHeaders } from './sigv4.ts';

/** Requests of AWS's own test suite for signature version 4. */
const SUITE = {
  headers: {},
  body: '',
  service: 'service',
  region: 'us-east-1',
  url: new URL('https://example.amazonaws.com/'),
  credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' },
};
const AT = Date.parse('2015-08-30T12:36:00Z');
const signatureOf = (o: Partial<Parameters<typeof signedHeaders>[0]>): string =>
  signedHeaders({ ...SUITE, method: 'GET', ...o }, AT).authorization ?? '';

t.test('get-vanilla and post-vanilla', async (t) => {
  t.equal(
    signatureOf({ method: 'GET' }),
    'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
  );
  t.match(
    signatureOf({ method: 'POST' }),
    /Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b$/,
  );
});

t.test('a session token is sent and signed, and a body counts', async (t) => {
  const credentials = { ...SUITE.credentials, sessionToken: 'token' };
  const headers = signedHeaders({ ...SUITE, method: 'POST', credentials, body: '{}' }, AT);
  t.equal(headers['x-amz-security-token'], 'token');
  t.match(headers.authorization, /SignedHeaders=host;x-amz-date;x-amz-security-token,/);
  t.not(signatureOf({ method: 'POST', body: '{}' }), signatureOf({ method: 'POST', body: '{ }' }));
});
