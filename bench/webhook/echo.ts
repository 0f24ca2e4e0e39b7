import { fastify } from 'fastify';
import { createAuthority, issueLeaf } from '../../webhook/certificates/issue.ts';

/** A webhook that decides nothing, over the same TLS as ours: `echo.ts HOST PORT`. It prints its CA in base64. */

const [host = '127.0.0.1', port = '0'] = process.argv.slice(2);
const authority = await createAuthority(Date.now(), 1);
const { cert, key } = await issueLeaf(authority, [host], Date.now(), 1);
const app = fastify({ https: { cert, key, minVersion: 'TLSv1.2' }, keepAliveTimeout: 120_000 });
app.post('/mutate', async ({ body }) => {
  const { apiVersion, kind, request } = body as {
    readonly apiVersion: string;
    readonly kind: string;
    readonly request: { readonly uid: string };
  };
  return { apiVersion, kind, response: { uid: request.uid, allowed: true } };
});
await app.listen({ host, port: Number(port) });
process.stdout.write(`listening ${Buffer.from(authority.cert).toString('base64')}\n`);
process.on('SIGTERM', () => process.exit(0));
