import t from 'tap';
import { POD_PINNER_WEBHOOK_KEEPER as KEEPER, POD_PINNER_WEBHOOK as WEBHOOK } from '../../api/labels.ts';
import type { MutatingWebhookConfiguration } from '../../api/objects.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS, SECRETS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { isForbidden } from '../../kube/errors.ts';
import { Scene } from '../pinner/fixture.ts';
import { InstalledRights } from './installed.ts';

/** What a webhook that was taken over through its port can do, asked of the API server with its own token. */

const AUTHORITY = 'castai-pod-pinner-webhook-ca';
const LEAF = 'castai-pod-pinner-webhook-cert';
const scene = new Scene('rights-webhook');
const rights = new InstalledRights(scene);
const { client, namespace } = scene;
let webhook: KubeClient;
let keeper: KubeClient;

/** 'allowed' when a request that changes nothing passed authorization. */
const outcomeOf = async (request: Promise<unknown>): Promise<string> =>
  request.then(
    () => 'allowed',
    (error: unknown) => {
      if (isForbidden(error)) return 'forbidden';
      throw error;
    },
  );

/** The whole configuration to the caller: every pod of the cluster in one request of a stranger. */
const takeOver = (as: KubeClient): Promise<unknown> =>
  as.patch(
    MUTATING_WEBHOOK_CONFIGURATIONS,
    { name: WEBHOOK },
    { metadata: { annotations: { 'example.com/was': 'here' } } },
    { dryRun: true },
  );

let madeConfiguration = false;
t.before(async () => {
  await scene.open();
  await rights.install();
  // Rights go by name, so the name has to be the installed one.
  madeConfiguration = await client
    .create<MutatingWebhookConfiguration>(MUTATING_WEBHOOK_CONFIGURATIONS, {
      metadata: { name: WEBHOOK },
      webhooks: [],
    })
    .then(
      () => true,
      () => false,
    );
  for (const name of [AUTHORITY, LEAF]) await client.create(SECRETS, { metadata: { name, namespace } });
  [webhook, keeper] = [await rights.as(WEBHOOK), await rights.as(KEEPER)];
});
t.teardown(async () => {
  await rights.remove();
  if (madeConfiguration) await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: WEBHOOK });
  await scene.close();
});

t.test("a webhook that was taken over can't send every pod of the cluster to a stranger", async (t) => {
  t.equal(await outcomeOf(takeOver(webhook)), 'forbidden');
  t.equal(await outcomeOf(takeOver(keeper)), 'allowed', 'what keeps the configuration may');
});

t.test("a webhook that was taken over can't sign certificates, or replace its own", async (t) => {
  const read = (as: KubeClient, name: string): Promise<string> =>
    outcomeOf(as.list(SECRETS, { namespace, fieldSelector: `metadata.name=${name}` }));
  const write = async (as: KubeClient, name: string): Promise<string> => {
    const found = await client.get(SECRETS, { name, namespace });
    return outcomeOf(as.replace(SECRETS, found, { dryRun: true }));
  };
  const create = (as: KubeClient): Promise<string> =>
    outcomeOf(as.create(SECRETS, { metadata: { name: 'another', namespace } }, { dryRun: true }));
  t.same(
    {
      reads: [await read(webhook, LEAF), await read(webhook, AUTHORITY)],
      writes: [await write(webhook, LEAF), await write(webhook, AUTHORITY), await create(webhook)],
    },
    { reads: ['allowed', 'forbidden'], writes: ['forbidden', 'forbidden', 'forbidden'] },
  );
  t.same([await read(keeper, AUTHORITY), await write(keeper, AUTHORITY)], ['allowed', 'allowed']);
});
