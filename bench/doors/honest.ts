import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, ClientDuplexStream } from '@grpc/grpc-js';
import { loadPinningServices, type TakeReplies, type TakeRequests } from '../../api/pinning.ts';
import { dialPeer } from '../../kube/grpc/peer.ts';
import { makeReview, makeWebPod } from '../../webhook/testing/reviews.ts';
import { namesOf } from '../support/cluster.ts';
import { PATH, POLICIES_PATH, TOKEN } from './known.ts';

/** A caller that behaves: one request after the other over a connection that it keeps. */
export interface Honest {
  /** Sends one request; throws unless it is answered well. */
  ask(): Promise<void>;
  close(): void;
  /** Milliseconds from an answer to the next request. */
  readonly everyMs: number;
}

const EVERY_MS = 5;
/** The policies API lets the API server be asked ten times a second, twice a reading. */
const READS_EVERY_MS = 250;

const asker = (o: {
  readonly port: number;
  readonly path: string;
  readonly isSecure: boolean;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
  readonly everyMs?: number;
}): Honest => {
  const { request, Agent } = o.isSecure ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(o.body),
    ...o.headers,
  };
  const ask = async (): Promise<void> => {
    const call = request({
      host: '127.0.0.1',
      port: o.port,
      path: o.path,
      method: o.method ?? 'POST',
      agent,
      headers,
      ...(o.isSecure && { rejectUnauthorized: false }),
    });
    call.end(o.body);
    const [response] = (await once(call, 'response')) as [http.IncomingMessage];
    await response.resume().toArray();
    if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`);
  };
  return { ask, close: () => agent.destroy(), everyMs: o.everyMs ?? EVERY_MS };
};

const POD = { metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec: { containers: [] } };

export const apiServer = (port: number): Honest =>
  asker({ port, path: PATH, isSecure: true, body: JSON.stringify(makeReview(makeWebPod())) });

/** A kube-scheduler of a cluster with so many nodes. */
export const kubeScheduler = (port: number, nodes: number): Honest =>
  asker({
    port,
    path: '/filter',
    isSecure: false,
    body: JSON.stringify({ Pod: POD, Nodes: null, NodeNames: namesOf('node', nodes) }),
  });

/** One who may read the policies. */
export const policyReader = (port: number): Honest =>
  asker({
    port,
    path: POLICIES_PATH,
    isSecure: true,
    method: 'GET',
    headers: { authorization: `Bearer ${TOKEN}` },
    body: '',
    everyMs: READS_EVERY_MS,
  });

export const webhookReplica = (port: number, certificate: string): Honest => {
  const { slots } = loadPinningServices();
  const peer = dialPeer(
    { address: `127.0.0.1:${port}`, certificate },
    { definition: slots, token: async () => TOKEN },
  ) as Client & { Take(): ClientDuplexStream<TakeRequests, TakeReplies> };
  const call = peer.Take();
  call.on('error', () => {});
  return {
    ask: async () => {
      const answer = once(call, 'data');
      call.write({ requests: [], used: [], returned: [] });
      await answer;
    },
    close: () => peer.close(),
    everyMs: EVERY_MS,
  };
};

/** Milliseconds of each answer until `isOver`; a request every few milliseconds. */
export const timesOf = async (honest: Honest, isOver: () => boolean): Promise<readonly number[]> => {
  const times: number[] = [];
  while (!isOver()) {
    const since = performance.now();
    await honest.ask();
    times.push(performance.now() - since);
    await sleep(honest.everyMs);
  }
  return times;
};
