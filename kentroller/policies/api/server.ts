import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { Registry } from 'prom-client';
import { printable } from '../../../api/text/printable.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import type { Logger } from '../../../kube/component/log.ts';
import { waiterOf } from '../../../kube/doors/fairqueue.ts';
import { BodyRefused, HttpDoor } from '../../../kube/doors/httpdoor.ts';
import { JsonBoundError, JsonScan } from '../../../kube/doors/jsonscan.ts';
import type { DoorLimits } from '../../../kube/doors/limits.ts';
import { KubeError, messageOf } from '../../../kube/errors.ts';
import { PolicyCallers, Refused } from './callers.ts';
import { readPolicy, tagOf, writePolicy } from './store.ts';

/** All settings take four. */
const BODY_BYTES = 64 * 1024;
const CONNECTIONS = 64;
const PATH = /^\/v1\/kubernetes\/clusters\/([^/]+)\/policies$/;
/** Name of a cluster that was given none. */
export const DEFAULT_CLUSTER = 'default';
const SHOWN = 100;
const REQUEST_MS = 15_000;

interface Answer {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface PolicyServerOptions {
  readonly client: KubeClient;
  /** Name of this cluster in the path. */
  readonly clusterId: string;
  readonly log: Logger;
  readonly metrics?: Registry;
  readonly limits?: Partial<DoorLimits>;
}

const clusterOf = (request: IncomingMessage): string => {
  const path = request.url?.split('?', 1)[0] ?? '';
  const raw = PATH.exec(path)?.[1];
  if (raw === undefined)
    throw new Refused(404, 'only /v1/kubernetes/clusters/{clusterId}/policies is served here');
  try {
    return decodeURIComponent(raw);
  } catch {
    throw new Refused(404, 'the clusterId of the path is not encoded as a URL');
  }
};

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Serves GET and PUT of the policies; who may is the API server's word. The certificate is set by the caller. */
export const createPolicyServer = (o: PolicyServerOptions): Server => {
  const { client, log } = o;
  const callers = new PolicyCallers(client);
  const door = new HttpDoor({
    name: 'policies',
    limits: { bodyBytes: BODY_BYTES, connections: CONNECTIONS, ...o.limits },
    metrics: o.metrics,
  });

  const bodyOf = async (request: IncomingMessage): Promise<object> => {
    const scan = new JsonScan();
    const chunks: Buffer[] = [];
    await door.receive(request, (chunk) => {
      scan.push(chunk);
      chunks.push(chunk);
    });
    let body: unknown;
    try {
      body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    } catch {
      throw new Refused(400, 'the body is not JSON');
    }
    if (!isObject(body)) throw new Refused(400, 'the body is no JSON object with the policies');
    return body;
  };

  const answerOf = async (request: IncomingMessage): Promise<Answer> => {
    const cluster = clusterOf(request);
    const { method } = request;
    if (method !== 'GET' && method !== 'PUT') {
      return {
        status: 405,
        body: { message: 'only GET and PUT are served here' },
        headers: { allow: 'GET, PUT' },
      };
    }
    // Who may write may do so before there is an object.
    const verbs = method === 'GET' ? (['get'] as const) : (['get', 'update', 'create'] as const);
    const user = await callers.mayDo(verbs, request.headers.authorization, waiterOf(request));
    if (cluster !== o.clusterId) {
      const shown = printable(cluster.slice(0, SHOWN));
      throw new Refused(404, `this is cluster ${o.clusterId}, not ${shown}: CLUSTER_ID names it`);
    }
    const signal = AbortSignal.timeout(REQUEST_MS);
    if (method === 'GET') {
      const found = await readPolicy(client, signal);
      return { status: 200, body: found?.spec ?? {}, headers: { etag: tagOf(found) } };
    }
    const spec = await bodyOf(request);
    const written = await writePolicy(client, spec, request.headers['if-match'], signal);
    log.info({ user }, 'autoscaling policies written');
    return { status: 200, body: written.spec, headers: { etag: tagOf(written) } };
  };

  const refusalOf = (error: unknown): Answer => {
    const message = messageOf(error);
    if (error instanceof Refused) return { status: error.status, body: { message } };
    if (error instanceof BodyRefused || error instanceof JsonBoundError)
      return { status: error.statusCode, body: { message } };
    if (error instanceof KubeError) {
      log.warn({ reason: message }, 'the policies can not be read or written');
      return { status: 503, body: { message: `the policies can't be read or written now: ${message}` } };
    }
    log.error({ err: error }, 'a request for the policies failed');
    return { status: 500, body: { message: 'the request failed; the log of kentroller says why' } };
  };

  const send = (response: ServerResponse, { status, body, headers }: Answer): void => {
    if (response.destroyed) return;
    response
      .writeHead(status, {
        'content-type': 'application/json',
        'cache-control': 'no-store',
        ...(status === 401 && { 'www-authenticate': 'Bearer' }),
        ...headers,
      })
      .end(JSON.stringify(body));
  };

  return door.secure((request, response) => {
    void answerOf(request)
      .catch(refusalOf)
      .then((answer) => send(response, answer));
  });
};
