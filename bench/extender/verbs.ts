import { Agent, request } from 'node:http';
import { Child } from '../support/child.ts';
import { namesOf, podOf } from '../support/cluster.ts';
import { median, pairedRatio, quantile } from '../support/figures.ts';
import { freePort } from '../support/port.ts';
import { formatNumber, formatRatio, type Row } from '../support/table.ts';
import type { GoEcho } from './goecho.ts';

/** Filter and prioritize over all nodes, one pod after the other, as kube-scheduler asks. */

interface Round {
  /** Milliseconds of each pair at its client. */
  readonly pairs: readonly number[];
  /** Milliseconds of each pair in the server, from a request's head to the end of its answer. */
  readonly served: readonly number[];
  /** CPU seconds of the server for all of them. */
  readonly cpu: number;
}

const bodyOf = (nodes: number): Buffer => {
  const pod = podOf({ name: 'asked', namespace: 'default' });
  const Pod = { ...pod, metadata: { ...pod.metadata, uid: 'asked' } };
  return Buffer.from(JSON.stringify({ Pod, Nodes: null, NodeNames: namesOf('node', nodes) }));
};

const ask = (agent: Agent, port: number, path: string, body: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const asked = request({ agent, host: '127.0.0.1', port, path, method: 'POST', headers }, (answer) => {
      if (answer.statusCode !== 200) return reject(new Error(`${path}: ${answer.statusCode}`));
      answer.on('end', resolve).on('error', reject).resume();
    });
    asked.on('error', reject).end(body);
  });

/** The server's own times since the last call, two verbs per pair. */
const timesOf = async (port: number): Promise<readonly number[]> => {
  const answer = await fetch(`http://127.0.0.1:${port}/times`);
  const times = (await answer.json()) as readonly number[];
  return times.flatMap((time, i) => (i % 2 === 0 ? [time + (times[i + 1] ?? 0)] : []));
};

const round = async (server: Child, port: number, body: Buffer, pairs: number): Promise<Round> => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  await timesOf(port);
  const before = server.cpuSeconds();
  const times: number[] = [];
  for (let i = 0; i < pairs; i++) {
    const started = performance.now();
    await ask(agent, port, '/filter', body);
    await ask(agent, port, '/prioritize', body);
    times.push(performance.now() - started);
  }
  agent.destroy();
  const cpu = server.cpuSeconds() - before;
  return { pairs: times, served: await timesOf(port), cpu };
};

const perCpuSecond = ({ pairs, cpu }: Round): number => pairs.length / cpu;
const p99 = ({ pairs }: Round): number => quantile(pairs, 0.99);
const servedP99 = ({ served }: Round): number => quantile(served, 0.99);
const half = ({ pairs }: Round): number => median(pairs);

export const verbRows = async (
  echo: GoEcho,
  o: { readonly nodes: number; readonly pairs: number; readonly rounds: number },
): Promise<readonly Row[]> => {
  const body = bodyOf(o.nodes);
  const echoPort = await freePort();
  const peer = await echo.serve(`127.0.0.1:${echoPort}`);
  const ours = ['idle', 'plan'].map((mode) => ({
    mode,
    child: Child.ofOurs('bench/extender/verbserver.ts', {}, [String(o.nodes), mode]),
    rounds: [] as Round[],
  }));
  const peers: Round[] = [];
  try {
    const ports = await Promise.all(
      ours.map(async ({ child }) => Number((await child.said('listening')).split(' ')[1])),
    );
    const warm = Math.ceil(o.pairs / 2);
    await round(peer, echoPort, body, warm);
    for (const [i, { child }] of ours.entries()) await round(child, ports[i] ?? 0, body, warm);
    for (let at = 0; at < o.rounds; at++) {
      peers.push(await round(peer, echoPort, body, o.pairs));
      for (const [i, { child, rounds }] of ours.entries())
        rounds.push(await round(child, ports[i] ?? 0, body, o.pairs));
    }
  } finally {
    await Promise.all([peer.stop(), ...ours.map(({ child }) => child.stop())]);
  }
  return ours.flatMap(({ mode, rounds }) => {
    const name = `${o.nodes} node names, ${mode === 'plan' ? 'a plan running' : 'no plan'}`;
    const slow = median(rounds.map(p99));
    const often = median(rounds.map(perCpuSecond));
    const served = median(rounds.map(servedP99));
    return [
      {
        what: `filter + prioritize, ${name}: ms a pair, as its client sees it, p50`,
        ours: formatNumber(median(rounds.map(half))),
        peer: `${formatNumber(median(peers.map(half)))} Go echo`,
        ratio: formatRatio(pairedRatio(rounds.map(half), peers.map(half))),
        reach: '',
        isMet: undefined,
      },
      {
        what: `filter + prioritize, ${name}: ms a pair, as its client sees it, p99`,
        ours: formatNumber(slow),
        peer: `${formatNumber(median(peers.map(p99)))} Go echo`,
        ratio: formatRatio(pairedRatio(rounds.map(p99), peers.map(p99))),
        reach: '',
        isMet: undefined,
      },
      {
        what: `filter + prioritize, ${name}: ms a pair in the server, p99`,
        ours: formatNumber(served),
        peer: `${formatNumber(median(peers.map(servedP99)))} Go echo`,
        ratio: formatRatio(pairedRatio(rounds.map(servedP99), peers.map(servedP99))),
        reach: '≤ 1 ms',
        isMet: served <= 1,
      },
      {
        what: `filter + prioritize, ${name}: pairs a CPU second`,
        ours: formatNumber(often),
        peer: `${formatNumber(median(peers.map(perCpuSecond)))} Go echo`,
        ratio: formatRatio(pairedRatio(rounds.map(perCpuSecond), peers.map(perCpuSecond))),
        reach: '≥ 1,000',
        isMet: often >= 1_000,
      },
    ];
  });
};
