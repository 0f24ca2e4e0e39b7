import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import type { KubeObject, Namespace } from '../../api/objects.ts';
import { NAMESPACES } from '../../api/resources.ts';
import { attach, type Ground, up } from '../../e2e/ground/ground.ts';
import { progressOn } from '../../e2e/ground/host/progress.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { isAlreadyExists } from '../../kube/errors.ts';

/** A benchmark's cluster: Node objects, namespaces, a client without throttling. */
export interface Bed {
  readonly ground: Ground;
  readonly client: KubeClient;
  /** An address of this machine that the API server can call. */
  readonly host: string;
  namespace(name: string, labels?: Readonly<Record<string, string>>): Promise<string>;
  account(namespace: string, name: string): Promise<void>;
  close(): Promise<void>;
}

const CRDS = new URL('../../manifests/base/crds/', import.meta.url);
// A Node that is ready as soon as it is created, as if its kubelet had been there for long.
const APISERVER = ['--disable-admission-plugins=TaintNodesByCondition'];
// These controllers would mark nodes without a kubelet unready, and try pods that are not theirs.
const IN_THE_WAY = ['controller-manager', 'scheduler'];

const applyCrds = async (client: KubeClient): Promise<void> => {
  for (const file of readdirSync(fileURLToPath(CRDS))) {
    const body = parse(readFileSync(new URL(file, CRDS), 'utf8')) as KubeObject;
    const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${body.metadata.name}`;
    const query = { fieldManager: 'bench', force: 'true' };
    await client.request('PATCH', path, { query, body, contentType: 'application/apply-patch+yaml' });
  }
};

const unlessThere = async (work: Promise<unknown>): Promise<void> => {
  try {
    await work;
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
};

/** A new ground, or the one that GROUND_NAME names. */
export const makeBed = async (name: string): Promise<Bed> => {
  const existing = process.env.GROUND_NAME;
  const ground = existing
    ? attach(existing)
    : await up({
        name,
        apiserverArgs: APISERVER,
        progress: progressOn(process.stdout),
      });
  const client = connect({
    kubeconfig: ground.kubeconfig,
    userAgent: name,
    qps: 100_000,
    burst: 100_000,
    inactivityMs: 120_000,
  });
  const namespaces: string[] = [];
  const close = async (): Promise<void> => {
    if (existing)
      for (const one of namespaces) await client.delete(NAMESPACES, { name: one }).catch(() => {});
    client.close();
    if (!existing) await ground.down();
  };
  // A cluster normally outlives the process that brought it up; this one does not.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void close().finally(() => process.exit(1)));
  const account = (namespace: string, account: string): Promise<void> =>
    unlessThere(
      client.request('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, {
        body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: account } },
      }),
    );
  try {
    if (!existing) for (const process of IN_THE_WAY) await ground.stopProcess(process);
    await applyCrds(client);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ground,
    client,
    host: ground.hostAddress,
    account,
    namespace: async (suffix, labels = {}) => {
      const made = `${name}-${suffix}`;
      await unlessThere(client.create<Namespace>(NAMESPACES, { metadata: { name: made, labels } }));
      namespaces.push(made);
      await account(made, 'default');
      return made;
    },
    close,
  };
};

/** The machine in a few words. */
export const machine = (): string =>
  `${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, Node ${process.version}`;
