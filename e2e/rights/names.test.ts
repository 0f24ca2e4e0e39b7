import t from 'tap';
import {
  POD_PINNER_WEBHOOK_KEEPER as KEEPER,
  KENTROLLER,
  POD_PINNER as PINNER,
  UNDO_FINALIZER,
} from '../../api/labels.ts';
import { CONFIG_MAPS, LEASES, SECRETS, SERVICE_ACCOUNTS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { eventually, Scene } from '../pinner/fixture.ts';
import { isRefused, outcomeOf } from './attempt.ts';
import { InstalledRights } from './installed.ts';

/** Which ConfigMaps, Secrets, Leases and rights a component of ours that was taken over can write. */

const scene = new Scene('rights-names');
const rights = new InstalledRights(scene);
const { client, namespace } = scene;
const NODE_LEASES = 'kube-node-lease';
const lease = scene.nodeName('n');
let kentroller: KubeClient;
let pinner: KubeClient;
let keeper: KubeClient;

const map = (as: KubeClient, name: string): Promise<unknown> =>
  as.create(CONFIG_MAPS, { metadata: { name, namespace } }, { dryRun: true });
const secret = (as: KubeClient, name: string): Promise<unknown> =>
  as.create(SECRETS, { metadata: { name, namespace } }, { dryRun: true });
const newLease = (as: KubeClient, name: string): Promise<unknown> =>
  as.create(LEASES, { metadata: { name, namespace } }, { dryRun: true });

t.before(async () => {
  await scene.open();
  await rights.install();
  kentroller = await rights.as(KENTROLLER);
  pinner = await rights.as(PINNER);
  keeper = await rights.as(KEEPER);
  await eventually('the policies are in force', () => isRefused(map(kentroller, 'another')));
  const identity = { metadata: { annotations: { a: 'b' } } };
  await eventually('the policies are in force', () => isRefused(account(kentroller, identity)));
  const ofAnother = {
    metadata: { name: lease, namespace: NODE_LEASES },
    spec: { holderIdentity: 'another' },
  };
  await eventually('the policies are in force', () =>
    isRefused(pinner.create(LEASES, ofAnother, { dryRun: true })),
  );
});
t.teardown(async () => {
  await client.delete(LEASES, { name: lease, namespace: NODE_LEASES }).catch(() => {});
  await rights.remove();
  await scene.close();
});

t.test('a component that was taken over plants no settings and no secrets of others', async (t) => {
  // The features of all components come from ConfigMaps in this namespace, its settings too.
  t.equal(await outcomeOf(map(kentroller, 'castai-pod-pinner')), 'refused');
  t.equal(await outcomeOf(map(kentroller, 'castai-kentroller')), 'refused');
  for (const name of ['features', 'savings', 'prices'])
    t.equal(await outcomeOf(map(kentroller, `castai-kentroller-${name}`)), 'allowed', name);
  t.equal(await outcomeOf(secret(keeper, 'castai-kentroller')), 'refused');
  for (const name of ['ca', 'cert'])
    t.equal(await outcomeOf(secret(keeper, `castai-pod-pinner-webhook-${name}`)), 'allowed', name);
});

t.test('a component that was taken over takes no Lease of another', async (t) => {
  t.equal(await outcomeOf(newLease(pinner, KENTROLLER)), 'refused');
  t.equal(await outcomeOf(newLease(kentroller, PINNER)), 'refused');
  t.equal(await outcomeOf(newLease(pinner, PINNER)), 'allowed');
  t.equal(await outcomeOf(newLease(kentroller, KENTROLLER)), 'allowed');
  t.equal(await outcomeOf(newLease(keeper, 'castai-pod-pinner-webhook')), 'allowed');
});

t.test('a pod pinner that was taken over keeps no dead node alive', async (t) => {
  const place = { name: lease, namespace: NODE_LEASES };
  const spec = { holderIdentity: lease, leaseDurationSeconds: 40 };
  const ownerOf = (uid: string) => [{ apiVersion: 'example.com/v1', kind: 'Node', name: lease, uid }];
  const renew = (as: KubeClient, uid: string): Promise<unknown> =>
    as.patch(LEASES, place, { metadata: { ownerReferences: ownerOf(uid) }, spec });
  const wrong = { metadata: place, spec: { ...spec, holderIdentity: 'another' } };
  t.equal(await outcomeOf(pinner.create(LEASES, wrong, { dryRun: true })), 'refused', 'of another node');
  await client.create(LEASES, { metadata: { ...place, ownerReferences: ownerOf('old') }, spec });
  t.equal(await outcomeOf(renew(pinner, 'old')), 'refused', 'somebody else renews it');
  t.equal(await outcomeOf(renew(pinner, 'new')), 'allowed', 'an earlier node of the name left it behind');
  await client.delete(LEASES, place);
  await pinner.create(LEASES, { metadata: { ...place, ownerReferences: ownerOf('new') }, spec });
  t.equal(await outcomeOf(renew(pinner, 'new')), 'allowed', 'its own');
});

/** kentroller's identity, with another annotation or finalizer. */
const account = (as: KubeClient, body: object): Promise<unknown> =>
  as.patch(SERVICE_ACCOUNTS, { name: KENTROLLER, namespace }, body, { dryRun: true });

t.test('a kentroller that was taken over takes on no other identity', async (t) => {
  // Such annotations make a cloud trust the ServiceAccount as somebody else.
  const role = { metadata: { annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/admin' } } };
  t.equal(await outcomeOf(account(kentroller, role)), 'refused');
  t.equal(await outcomeOf(account(kentroller, { secrets: [{ name: 'x' }] })), 'refused');
  t.equal(
    await outcomeOf(account(kentroller, { metadata: { finalizers: ['example.com/stay'] } })),
    'refused',
  );
  t.equal(await outcomeOf(account(kentroller, { metadata: { finalizers: [UNDO_FINALIZER] } })), 'allowed');
});
