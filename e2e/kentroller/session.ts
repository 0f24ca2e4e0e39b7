import { Registry } from 'prom-client';
import type { Cloud } from '../../cloud/cloud.ts';
import { createCaches, startCaches } from '../../kentroller/caches.ts';
import { runLeader } from '../../kentroller/leader.ts';
import { options as schema } from '../../kentroller/options.ts';
import { PinningServer } from '../../kentroller/pinning/server.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { createLogger, type Logger } from '../../kube/component/log.ts';
import { parse } from '../../kube/component/options.ts';
import { createConfigMapCaches } from '../../kube/features/configmaps.ts';

/** One life of kentroller as the leader, without the election: from empty caches to its end. */
export interface Session {
  /** Resolves when the work has ended for any reason. */
  readonly ended: Promise<void>;
  readonly registry: Registry;
  stop(): void;
}

export interface SessionOptions {
  readonly kubeconfig: string;
  readonly cloud: Cloud;
  readonly env?: Readonly<Record<string, string>>;
  readonly log?: Logger;
  /** Reads the ConfigMaps of features too. */
  readonly hasFeatures?: boolean;
  /** Wraps the client that writes; the session ends when it calls `end`. */
  readonly wrap?: (client: KubeClient, end: () => void) => KubeClient;
}

export const startSession = (o: SessionOptions): Session => {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort(new Error('stopped'));
  const { signal } = stopping;
  const log = o.log ?? createLogger({ component: 'session', level: process.env.LOG_LEVEL ?? 'silent' });
  const client = connect({ kubeconfig: o.kubeconfig, userAgent: 'kentroller-test', qps: 500, burst: 500 });
  const registry = new Registry();
  const run = async (): Promise<void> => {
    const caches = createCaches({ client, log });
    const options = parse(schema, { argv: [], env: o.env ?? {}, name: 'kentroller' });
    const { podNamespace, dynamicConfigMapName: name } = options;
    const configMaps = o.hasFeatures
      ? createConfigMapCaches({ client, log, namespaces: [podNamespace], name })
      : [];
    try {
      await startCaches(caches, configMaps, signal);
      await runLeader({
        options,
        client: o.wrap?.(client, stop) ?? client,
        caches,
        configMaps,
        cloud: o.cloud,
        pinning: new PinningServer(log),
        registry,
        log,
        signal,
      });
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      stop();
      client.close();
    }
  };
  return { ended: run(), registry, stop };
};
