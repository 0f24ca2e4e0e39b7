import t from 'tap';
import { AUTO_NODE_CLASSES, EC2_NODE_CLASSES, NODE_OVERLAYS } from '../api/resources.ts';
import type { Absence } from '../kube/cache/cache.ts';
import { unreadKinds } from './snapshot.ts';

/** What a claim says of kinds that kentroller may not read. */

const unreadWith = (of: Partial<Record<'ec2' | 'auto' | 'overlays', Absence>>): readonly string[] =>
  unreadKinds({
    ec2NodeClasses: { resource: EC2_NODE_CLASSES, absence: of.ec2 },
    autoNodeClasses: { resource: AUTO_NODE_CLASSES, absence: of.auto },
    nodeOverlays: { resource: NODE_OVERLAYS, absence: of.overlays },
  });

t.test('a missing right is told, with what to grant', async (t) => {
  t.match(unreadWith({ ec2: 'forbidden', overlays: 'forbidden' }), [
    /^EC2NodeClasses were not read, .*: grant list on ec2nodeclasses\.karpenter\.k8s\.aws\.$/,
    /^NodeOverlays were not read, .*: grant list on nodeoverlays\.karpenter\.sh\.$/,
  ]);
});

t.test('a kind that the cluster does not know is none that could not be read', async (t) => {
  t.same(unreadWith({ ec2: 'unserved', auto: 'removed', overlays: 'unserved' }), []);
  t.same(unreadWith({}), []);
});
