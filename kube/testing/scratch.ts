import type t from 'tap';
import { NAMESPACES } from '../../api/resources.ts';
import { connect, type KubeClient } from '../client/client.ts';
import { createLogger, type Logger } from '../component/log.ts';
import { until } from './until.ts';

/** A test file's part of the API server that the runner brought up. */
export interface Scratch {
  readonly kubeconfig: string;
  readonly client: KubeClient;
  /** A namespace of this file alone, from before its first test until after its last. */
  readonly namespace: string;
  readonly log: Logger;
}

export const scratch = (test: Pick<typeof t, 'before' | 'teardown'>, name: string): Scratch => {
  const kubeconfig = process.env.KUBECONFIG;
  if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
  const client = connect({ kubeconfig, userAgent: `${name}-test` });
  const namespace = `${name}-${process.pid}`;
  test.before(async () => {
    await client.create(NAMESPACES, { metadata: { name: namespace } });
  });
  test.teardown(async () => {
    await client.delete(NAMESPACES, { name: namespace }).catch(() => {});
    client.close();
  });
  return { kubeconfig, client, namespace, log: createLogger({ component: 'test', level: 'silent' }) };
};

/** Waits for something that takes milliseconds; fails after 15 s. */
export const soon = (what: string, holds: () => Promise<boolean> | boolean): Promise<true> =>
  until(what, async () => (await holds()) || undefined, { timeoutMs: 15_000, everyMs: 5 });
