import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, ClientDuplexStream } from '@grpc/grpc-js';
import { loadPinningServices, type TakeReplies, type TakeRequests } from '../../api/pinning.ts';
import { dialPeer } from '../../kube/grpc/peer.ts';
import { makeReview, makeWebPod } from '../../webhook/testing/reviews.ts';
import { namesOf } from '../support/cluster.ts';
import { PATH, TOKEN } from './known.ts';

/** A caller that behaves: one request after the other over a connection that it keeps. */
export interface Honest {
  /** Sends one request; throws unless it is answered well. */
  ask(): Promise<void>;
  close(): void;
}

const EVERY_MS = 5;

const poster = (o: {
  readonly port: number;
  readonly path: string;
  readonly isSecure: boolean;
  readonly body: string;
}): Honest => {
  const { request, Agent } = o.isSecure ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(o.body) };
  const ask = async (): Promise<void> => {
    const call = request({
      host: '127.0.0.1',
      port: o.port,
      path: o.path,
      method: 'POST',
      agent,
      headers,
      ...(o.isSecure && { rejectUnauthorized: false }),
    });
    call.end(o.body);
    const [response] = (await once(call, 'response')) as [http.IncomingMessage];
    await response.resume().toArray();
    if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`);
  };
  return { ask, close: () => agent.destroy() };
};

const POD = { metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec: { containers: [] } };

export const apiServer = (port: number): Honest =>
  poster({ port, path: PATH, isSecure: true, body: JSON.stringify(makeReview(makeWebPod())) });

export const kubeScheduler = (port: number): Honest =>
  poster({
    port,
    path: '/filter',
    isSecure: false,
    body: JSON.stringify({ Pod: POD, Nodes: null, NodeNames: namesOf('node', 5_000) }),
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
  };
};

/** Milliseconds of each answer until `isOver`; a request every few milliseconds. */
export const timesOf = async (honest: Honest, isOver: () => boolean): Promise<readonly number[]> => {
  const times: number[] = [];
  while (!isOver()) {
    const since = performance.now();
    await honest.ask();
    times.push(performance.now() - since);
    await sleep(EVERY_MS);
  }
  return times;
};
