import { setTimeout as sleep } from 'node:timers/promises';
import type { Ground } from '../ground/ground.ts';

/** A machine beyond the cluster's network, which pods reach through their node and which reaches pods. */
export interface Outside {
  readonly address: string;
  /** Prefix of commands that run there. */
  readonly enter: readonly string[];
  end(): Promise<void>;
}

const NAME = 'outside';
const NEAR = '10.91.0.1';
const FAR = '10.91.0.2';
/** The metadata services of a cloud, which have the same addresses everywhere. */
export const METADATA = ['169.254.169.254', '169.254.170.23'] as const;

const LISTEN = `
  const net = require('node:net');
  for (const port of process.argv[1].split(',')) net.createServer((socket) => socket.end()).listen(Number(port), '0.0.0.0');
`;

/** Brings up such a machine in a network namespace of its own, with the metadata services; it listens on these ports. */
export const bringOutside = async (ground: Ground, ports: readonly number[]): Promise<Outside> => {
  const { pid } = ground.addProcess({
    name: NAME,
    argv: ['unshare', '--net', process.execPath, '-e', LISTEN, ports.join(',')],
  });
  const enter = ['nsenter', `--net=/proc/${pid}/ns/net`, '--'];
  const ours = await ground.exec(['readlink', '/proc/self/ns/net']);
  // The process has a network of its own once unshare has made it.
  for (let tries = 0; (await ground.exec(['readlink', `/proc/${pid}/ns/net`])) === ours; tries++) {
    if (tries === 200) throw new Error('unshare made no network namespace within 10 s');
    await sleep(50);
  }
  await ground.exec(['ip', 'link', 'add', NAME, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${pid}`]);
  const lines = (...all: readonly string[]): string => `${all.join('\n')}\n`;
  await ground.exec([...enter, 'ip', '-batch', '-'], {
    input: lines(
      'link set lo up',
      `addr add ${FAR}/30 dev eth0`,
      ...METADATA.map((address) => `addr add ${address}/32 dev lo`),
      'link set eth0 up',
      `route add default via ${NEAR}`,
    ),
  });
  await ground.exec(['ip', '-batch', '-'], {
    input: lines(
      `addr add ${NEAR}/30 dev ${NAME}`,
      `link set ${NAME} up`,
      ...METADATA.map((address) => `route add ${address}/32 via ${FAR}`),
    ),
  });
  return { address: FAR, enter, end: () => ground.stopProcess(NAME) };
};
