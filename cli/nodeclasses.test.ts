import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { KubeObject } from '../api/objects.ts';
import type { Resource } from '../api/resources.ts';
import type { KubeClient } from '../kube/client/client.ts';
import { KubeError } from '../kube/errors.ts';
import { listOf, makePool, makeSnapshot } from '../planner/testing/builders.ts';
import { listSnapshot } from './cluster.ts';
import { readSnapshot } from './inputfiles.ts';

const ofClass = (group: string, kind: string) => {
  const pool = makePool(kind.toLowerCase());
  const { template } = pool.spec;
  const spec = { ...template.spec, nodeClassRef: { group, kind, name: 'default' } };
  return { ...pool, spec: { ...pool.spec, template: { ...template, spec } } };
};
const subnets = [{ zone: 'us-west-2a', zoneID: 'usw2-az1' }];
const nodeClass = { metadata: { name: 'default' }, status: { subnets } };

/** A cluster with a NodePool of each kind of NodeClass; `asked` gets the kinds that are listed. */
const clusterOf = (
  kinds: readonly (readonly [string, string])[],
  answer: (resource: Resource) => readonly KubeObject[],
  asked: string[] = [],
): KubeClient =>
  ({
    list: async (resource: Resource) => {
      asked.push(resource.plural);
      if (resource.kind === 'NodePool') return { items: kinds.map(([group, kind]) => ofClass(group, kind)) };
      return { items: resource.kind.endsWith('NodeClass') ? answer(resource) : [] };
    },
  }) as Partial<KubeClient> as KubeClient;

const AWS = ['karpenter.k8s.aws', 'EC2NodeClass'] as const;
const refused = (kind: 'forbidden' | 'unserved', status: number) => (): never => {
  throw new KubeError('refused', { kind, status });
};

t.test('a live cluster is read with the NodeClasses of its NodePools, and no others', async (t) => {
  const asked: string[] = [];
  const snapshot = await listSnapshot(clusterOf([AWS], () => [nodeClass], asked));
  t.same(snapshot.nodeClasses, [{ ...nodeClass, kind: 'EC2NodeClass' }]);
  t.equal(snapshot.notes, undefined);
  t.same(
    asked.filter((plural) => plural.endsWith('nodeclasses')),
    ['ec2nodeclasses'],
  );
});

t.test('a missing right to read NodeClasses is told, and what to grant', async (t) => {
  const snapshot = await listSnapshot(clusterOf([AWS], refused('forbidden', 403)));
  t.match(snapshot.notes, [
    /^EC2NodeClasses were not read, .*: grant list on ec2nodeclasses\.karpenter\.k8s\.aws\.$/,
  ]);
});

t.test(
  'a cluster that does not serve the NodeClasses which its NodePools name is read all the same',
  async (t) => {
    const snapshot = await listSnapshot(
      clusterOf([['karpenter.azure.com', 'AKSNodeClass']], refused('unserved', 404)),
    );
    t.equal(snapshot.nodeClasses, undefined);
    t.equal(snapshot.notes, undefined);
  },
);

t.test('a file without the NodeClasses of its NodePools says so', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodeclasses-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'snapshot.json');
  const list = listOf(makeSnapshot([], [], { nodePools: [ofClass(...AWS)] })) as { items: object[] };
  writeFileSync(file, JSON.stringify(list));
  const told =
    /^The file has no EC2NodeClasses, .*: add ec2nodeclasses\.karpenter\.k8s\.aws to kubectl get\.$/;
  t.equal(readSnapshot(file).notes?.filter((note) => told.test(note)).length, 1);
  const whole = [...list.items, { ...nodeClass, kind: 'EC2NodeClass', apiVersion: 'karpenter.k8s.aws/v1' }];
  writeFileSync(file, JSON.stringify({ ...list, items: whole }));
  t.same(
    readSnapshot(file).notes?.filter((note) => told.test(note)),
    [],
  );
});
