import { randomInt } from 'node:crypto';
import { fastify } from 'fastify';
import t from 'tap';
import { isGated } from '../../api/heldpods.ts';
import type { Container, MutatingWebhookConfiguration, OwnerReference, Pod } from '../../api/objects.ts';
import { CONFIG_MAPS, MUTATING_WEBHOOK_CONFIGURATIONS, PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import { createAuthority, issueLeaf } from '../../webhook/certificates/issue.ts';
import { Component } from './component.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { eventually, freePort, ownHost, pinnerEnv, Scene } from './fixture.ts';
import { nodeIntent } from './intents.ts';
import { configure, plan, startWebhook } from './webhookscene.ts';

/**
 * Beside a spot-webhook, which adds a selector and a toleration to a random share of the pods: no pod may end on a node
 * that its final spec rules out, whichever webhook is called first.
 */

const SPOT = 'scheduling.cast.ai/spot';
const PODS_EACH = 250;
const scene = new Scene('spot');
const { client, namespace } = scene;

interface Review {
  readonly request: { readonly uid: string; readonly object: Pod };
}

let autoscaler: Autoscaler;
let extender: Component;
let webhook: Component;
const configurations: string[] = [];

const port = await freePort();
const spotAuthority = await createAuthority(Date.now(), 1);
const spotLeaf = await issueLeaf(spotAuthority, [ownHost], Date.now(), 1);
const spot = fastify({ https: { cert: spotLeaf.cert, key: spotLeaf.key } });
spot.post('/', async ({ body }) => {
  const { request } = body as Review;
  const { spec } = request.object;
  // Random for each pod and the same when asked again, from the pod's own name, as in a stateless webhook.
  const isSpot = spec.nodeSelector?.[SPOT] === undefined && randomInt(2) === 0;
  const isMarked = request.object.metadata.annotations?.['spot-webhook'] !== undefined;
  const patch = isMarked
    ? []
    : [
        {
          op: 'add',
          path: '/metadata/annotations',
          value: { ...request.object.metadata.annotations, 'spot-webhook': 'seen' },
        },
        ...(isSpot
          ? [
              { op: 'add', path: '/spec/nodeSelector', value: { ...spec.nodeSelector, [SPOT]: 'true' } },
              {
                op: 'add',
                path: '/spec/tolerations',
                value: [...(spec.tolerations ?? []), { key: SPOT, operator: 'Exists' }],
              },
            ]
          : []),
      ];
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid: request.uid,
      allowed: true,
      ...(patch.length > 0
        ? { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }
        : {}),
    },
  };
});

const configureSpot = async (name: string, workload: string): Promise<void> => {
  configurations.push(name);
  await client.create<MutatingWebhookConfiguration>(MUTATING_WEBHOOK_CONFIGURATIONS, {
    metadata: { name },
    webhooks: [
      {
        name: 'spot.example.com',
        clientConfig: {
          url: `https://${ownHost}:${spotPort}/`,
          caBundle: Buffer.from(spotAuthority.cert).toString('base64'),
        },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': workload } },
        failurePolicy: 'Fail',
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      },
    ],
  });
};

const spotPort = await freePort();

t.before(async () => {
  await scene.open();
  await spot.listen({ host: ownHost, port: spotPort });
  autoscaler = await Autoscaler.start(client, namespace);
  extender = new Component('extender/main.ts', {
    ...pinnerEnv(namespace, 'a'),
    // Hundreds of pods at once on a busy machine; leadership does not matter here.
    LEASE_DURATION: '30s',
    RENEW_DEADLINE: '20s',
  });
  await eventually('the full state', () => extender.said('full state received'));
  // A new leader gives no slots for a second: it may not see its predecessor's yet.
  const since = Date.now();
  await eventually('the leader has settled', () => Date.now() - since > 1_100);
});
t.teardown(async () => {
  await Promise.all([extender.stop(), webhook?.stop(), spot.close()]);
  await autoscaler.close();
  for (const name of configurations)
    await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name }).catch(() => {});
  await scene.close();
});

for (const [order, ours, theirs, coexistence] of [
  ['after', 'm-pins', 'a-spot', 'off'],
  ['before', 'm-pins', 'z-spot', 'off'],
  ['held-after', 'm-pins', 'a-spot', 'auto'],
  ['held-before', 'm-pins', 'z-spot', 'auto'],
] as const) {
  const isHolding = coexistence === 'auto';
  const how = isHolding ? ', which is noticed: pods are held until it is done' : '';
  t.test(`our webhook is called ${order.replace('held-', '')} the spot-webhook${how}`, async (t) => {
    const work = new Scene(`spot-${order}`);
    await work.open();
    const configuration = `${ours}-${order}-${process.pid}`;
    const planName = `${namespace}-${order}`;
    configurations.push(configuration);
    t.teardown(async () => {
      await webhook.stop();
      await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
      await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: `${theirs}-${process.pid}` });
      await client.delete(REBALANCE_PLANS, { name: planName });
      await work.close();
    });
    await configure(client, { name: configuration, port, workload: work.namespace });
    await configureSpot(`${theirs}-${process.pid}`, work.namespace);
    webhook = startWebhook(
      { namespace, name: order, port, configuration },
      {
        AUTHORITY_SECRET: `ca-${order}`,
        LEAF_SECRET: `cert-${order}`,
        LEASE_NAME: `webhook-${order}`,
        COEXISTENCE: coexistence,
      },
    );
    await eventually('a certificate', () => webhook.said('certificate loaded'), 60_000);
    if (isHolding) {
      await eventually('the spot-webhook is noticed', () =>
        webhook.said('other webhooks may change pods: pins are held until after them'),
      );
    }

    // An owner of a kind that no controller here knows.
    const map = await client.create(CONFIG_MAPS, { metadata: { name: 'owner', namespace: work.namespace } });
    const uid = map.metadata.uid ?? '';
    const owner: OwnerReference = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: 'owner',
      uid,
      controller: true,
    };
    await plan(client, planName, [map]);
    const plain = scene.nodeName(`${order}-plain`);
    const cheap = scene.nodeName(`${order}-spot`);
    const room = { cpu: '1000', pods: '1000' };
    const spotIntent = nodeIntent(cheap, room);
    autoscaler.upsert(nodeIntent(plain, room));
    if (spotIntent.node) {
      const taints = [...spotIntent.node.taints, { key: SPOT, value: 'true', effect: 'NoSchedule' }];
      const labels = { ...spotIntent.node.labels, [SPOT]: 'true' };
      autoscaler.upsert({ ...spotIntent, node: { ...spotIntent.node, labels, taints } });
    }
    const pin = (nodeName: string) => ({
      id: `pin/${order}/${nodeName}`,
      plan: 'plan-1',
      nodeClaim: 'claim',
      nodeName,
      pin: {
        namespace: work.namespace,
        owner: { kind: 'ConfigMap', name: 'owner', uid, count: PODS_EACH },
      },
    });
    autoscaler.upsert(pin(plain), pin(cheap));
    await eventually('both placeholders', async () => (await scene.node(plain)) && (await scene.node(cheap)));
    await eventually('the pins are known', () => autoscaler.results.get(pin(cheap).id));

    const container: Container & { readonly image: string } = {
      name: 'main',
      image: 'main',
      resources: { requests: { cpu: '100m' } },
    };
    const create = (at: number): Promise<Pod> =>
      client.create(PODS, {
        metadata: {
          name: `p-${at}`,
          namespace: work.namespace,
          ownerReferences: [owner],
          annotations: { of: 'suite' },
        },
        spec: { containers: [container] },
      });
    const made: Pod[] = [];
    for (let at = 0; at < PODS_EACH; at += 25) {
      made.push(...(await Promise.all(Array.from({ length: 25 }, (_, i) => create(at + i)))));
    }
    const gated = made.filter(isGated);
    if (isHolding)
      t.equal(made.filter(({ spec }) => spec.nodeName !== undefined).length, 0, 'none is assigned');
    else t.equal(gated.length, 0, 'none is held');
    const nodeOf = ({ spec }: Pod): string => (spec.nodeSelector?.[SPOT] ? cheap : plain);
    const atOnce = made.filter((pod) => pod.spec.nodeName !== undefined);
    t.equal(atOnce.filter((pod) => pod.spec.nodeName !== nodeOf(pod)).length, 0, 'none is on a wrong node');
    t.ok(
      made.some((pod) => nodeOf(pod) === cheap) && made.some((pod) => nodeOf(pod) === plain),
      'some of each',
    );
    const placed = await eventually(
      'every pod is on the node that its final spec allows',
      async () => {
        const { items } = await client.list(PODS, { namespace: work.namespace });
        return items.every((pod) => pod.spec.nodeName === nodeOf(pod)) && items;
      },
      60_000,
    );
    t.equal(placed.length, PODS_EACH);
    t.notOk(placed.some(({ status }) => status?.phase === 'Failed'));
    t.comment(`${atOnce.length} of ${PODS_EACH} at creation, ${gated.length} held, the rest by binding`);
  });
}
