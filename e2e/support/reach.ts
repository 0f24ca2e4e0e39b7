import type { Ground } from '../ground/ground.ts';

/** Whether a TCP connection gets through: an answer of any kind, refusal included, shows that no policy is between. */
export type Reach = 'reached' | 'shut';

/** host:port. */
export type Target = string;

const TIMEOUT_MS = 4_000;

const CONNECT = `
  const net = require('node:net');
  const connect = (target) => new Promise((resolve) => {
    const at = target.lastIndexOf(':');
    const socket = net.connect({ host: target.slice(0, at), port: Number(target.slice(at + 1)) });
    const end = (reach) => { socket.destroy(); resolve([target, reach]); };
    socket.setTimeout(${TIMEOUT_MS}, () => end('shut'));
    socket.on('connect', () => end('reached'));
    socket.on('error', (error) => end(error.code === 'ECONNREFUSED' ? 'reached' : 'shut'));
  });
  Promise.all(process.argv.slice(1).map(connect)).then((all) => console.log(JSON.stringify(Object.fromEntries(all))));
`;

/** Runs Node where connections are to start; the arguments follow `-e`. */
export type RunNode = (args: readonly string[]) => Promise<string>;

/** Runs Node in a container of a pod that has our image. */
export const inPod =
  (ground: Ground, namespace: string, pod: string): RunNode =>
  (args) =>
    ground.kubectl(['exec', '--namespace', namespace, pod, '--', '/usr/bin/node', ...args]);

/** What of these targets can be reached from there. */
export const reachOf = async (
  run: RunNode,
  targets: readonly Target[],
): Promise<Readonly<Record<Target, Reach>>> => JSON.parse(await run(['-e', CONNECT, ...targets]));
