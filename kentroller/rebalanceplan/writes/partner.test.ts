import t from 'tap';
import { mustGet } from '../../../api/mustget.ts';
import type { Pod } from '../../../api/objects.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import * as make from '../../testing/builders.ts';
import { evictionRulesOf } from '../state/evictionrules.ts';
import { evictablePod } from './lastlook.ts';

/** The last look at a pod that may go only while another one of its workload is ready, with a cache that is behind. */

const owned = (name: string, node: string): Pod => {
  const made = make.pod(name, {
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'rs', controller: true },
    ],
  });
  return {
    ...made,
    metadata: { ...made.metadata, uid: `uid-${name}` },
    spec: { ...made.spec, nodeName: node },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  };
};
const unready = (pod: Pod): Pod => ({
  ...pod,
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] },
});
const CACHED = [owned('a', 'one'), owned('b', 'two'), owned('c', 'three')];
const none = { list: () => [] };

const look = async (server: ReadonlyMap<string, Pod>, name: string, evictAs?: 'Aggressive') => {
  const { namespace = 'default', uid = '' } = mustGet(server, name, 'pod').metadata;
  const plan = make.plan({
    eviction: { onlyReplicated: true, failureBackOff: '5s' },
    podsToMigrate: [{ name, namespace, srcNode: 'one', dstNodeClaimName: 'x', ...(evictAs && { evictAs }) }],
  });
  const caches = {
    pods: { by: () => CACHED },
    podDisruptionBudgets: none,
    persistentVolumeClaims: none,
    persistentVolumes: none,
    storageClasses: none,
    csiNodes: none,
  } as unknown as Parameters<typeof evictionRulesOf>[0];
  const client = {
    get: async (_: unknown, ref: { name: string }) => server.get(ref.name),
  } as unknown as KubeClient;
  const rules = evictionRulesOf(caches, plan, Date.now(), undefined);
  const signal = new AbortController().signal;
  const pod = await evictablePod({ client, signal }, { plan, rules }, { name, namespace, uid });
  return pod?.metadata.name;
};

t.test('of two evictions the second waits, where the third pod has turned unready', async (t) => {
  const server = new Map(CACHED.map((pod) => [pod.metadata.name, pod]));
  const c = mustGet(server, 'c', 'pod');
  server.set('c', unready(c));
  t.equal(await look(server, 'a'), 'a', 'b is there');
  const a = mustGet(server, 'a', 'pod');
  server.set('a', { ...a, metadata: { ...a.metadata, deletionTimestamp: '2026-11-30T12:00:00Z' } });
  t.equal(await look(server, 'b'), undefined, 'nobody is left');
  t.equal(await look(server, 'b', 'Aggressive'), 'b', 'unless it may go alone');
  server.set('c', c);
  t.equal(await look(server, 'b'), 'b', 'c is ready again');
});

t.test('a pod of the same name is no partner by its name', async (t) => {
  const server = new Map(CACHED.slice(0, 2).map((pod) => [pod.metadata.name, pod]));
  const b = mustGet(server, 'b', 'pod');
  server.set('b', { ...b, metadata: { ...b.metadata, uid: 'another' } });
  t.equal(await look(server, 'a'), undefined);
});
