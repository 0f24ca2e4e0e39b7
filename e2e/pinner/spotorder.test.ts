import t from 'tap';
import { isGated } from '../../api/heldpods.ts';
import type { Pod } from '../../api/objects.ts';
import { CONFIG_MAPS, MUTATING_WEBHOOK_CONFIGURATIONS, REBALANCE_PLANS } from '../../api/resources.ts';
import { Component } from './component.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { eventually, freePort, pinnerEnv, Scene } from './fixture.ts';
import { nodeIntent, ownerIntent } from './intents.ts';
import { configureBoth, splitIn } from './spotscene.ts';
import { plan, startWebhook } from './webhookscene.ts';

/** Rules on spot beside pins of a running plan, whichever of our webhooks is called first: pods land on the plan's nodes. */

const TYPE = 'karpenter.sh/capacity-type';
const DYNAMIC = 'castai-kentroller-dynamic-config';
const scene = new Scene('spotorder');
const { client, namespace } = scene;

let autoscaler: Autoscaler;
let extender: Component;

t.before(async () => {
  await scene.open();
  autoscaler = await Autoscaler.start(client, namespace);
  const policies = {
    enabled: true,
    spotInstances: {
      enabled: true,
      spotPods: { enabled: true, rules: [{ namespaces: ['*'], percentage: 60 }] },
    },
  };
  await client.create(CONFIG_MAPS, {
    metadata: { name: DYNAMIC, namespace },
    data: { 'config.yaml': JSON.stringify({ policies }) },
  });
  extender = new Component('extender/main.ts', pinnerEnv(namespace, 'a'));
  await eventually('the full state', () => extender.said('full state received'));
});
t.teardown(async () => {
  await extender.stop();
  await autoscaler.close();
  await scene.close();
});

for (const order of ['sides-first', 'pins-first'] as const) {
  for (const coexistence of ['off', 'on'] as const) {
    const how = coexistence === 'on' ? ', and pins wait behind a gate' : '';
    t.test(
      `${order}${how}: ${order === 'sides-first' ? 'pods land as the plan has it' : 'no pod lands where it must not'}`,
      async (t) => {
        const name = `${order}-${coexistence}`;
        const work = new Scene(`spotorder-${name}`);
        await work.open();
        const configuration = `${name}-${process.pid}`;
        const planName = `${namespace}-${name}`;
        const port = await freePort();
        await configureBoth(client, { name: configuration, port, workloads: [work.namespace], order });
        const webhook = startWebhook(
          { namespace, name, port, configuration },
          {
            AUTHORITY_SECRET: `ca-${name}`,
            LEAF_SECRET: `cert-${name}`,
            LEASE_NAME: `webhook-${name}`,
            COEXISTENCE: coexistence,
            TAKE_TIMEOUT: '12s',
          },
        );
        t.teardown(async () => {
          await webhook.stop();
          await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
          await client.delete(REBALANCE_PLANS, { name: planName });
          await work.close();
        });
        await eventually('a certificate', () => webhook.said('certificate loaded'), 60_000);
        const web = await work.replicaSet('web', 0);
        await plan(client, planName, [web]);
        const [plain, cheap] = [scene.nodeName(`${name}-plain`), scene.nodeName(`${name}-cheap`)];
        for (const [nodeName, type] of [
          [plain, 'on-demand'],
          [cheap, 'spot'],
        ] as const) {
          const intent = nodeIntent(nodeName, { cpu: '100', pods: '100' });
          if (intent.node)
            autoscaler.upsert({
              ...intent,
              node: { ...intent.node, labels: { ...intent.node.labels, [TYPE]: type } },
            });
          await eventually('the placeholder', () => scene.node(nodeName));
        }
        autoscaler.upsert(ownerIntent(plain, web, 8), ownerIntent(cheap, web, 12));
        await eventually('the pins are known', () => autoscaler.results.get(ownerIntent(cheap, web, 12).id));
        await eventually('both are called', async () => {
          const found = await client.get(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
          return !/a-plan-runs|spot-rules-are-in-force/.test(JSON.stringify(found.webhooks)) || undefined;
        });
        // The API server learns of it by watch.
        const probe = await work.replicaSet('probe', 0);
        for (let round = 1; round < 50; round++) {
          await work.scale('probe', round);
          await eventually('a pod', async () => (await work.podsOf('probe')).length === round);
          const { none } = await splitIn(client, work.namespace, 'app=probe');
          if (none < round) break;
        }
        t.ok(probe);

        await work.scale('web', 20);
        const isFirst = order === 'sides-first';
        const placed = await eventually(
          isFirst ? 'every pod is on a node of the plan' : 'no pod waits behind a gate',
          async () => {
            const pods = await work.podsOf('web');
            const isSettled = (pod: Pod): boolean =>
              pod.spec.nodeName !== undefined || (!isFirst && !isGated(pod));
            return pods.length === 20 && pods.every(isSettled) && pods;
          },
          60_000,
        );
        const on = (nodeName: string): readonly Pod[] =>
          placed.filter(({ spec }) => spec.nodeName === nodeName);
        t.notOk(
          on(cheap).some(({ spec }) => JSON.stringify(spec.affinity ?? {}).includes('NotIn')),
          'none on a node that its affinity rules out',
        );
        t.notOk(placed.some(({ status }) => status?.phase === 'Failed'));
        const split = await splitIn(client, work.namespace, 'app=web');
        t.comment(JSON.stringify({ ...split, cheap: on(cheap).length, plain: on(plain).length }));
        if (!isFirst) return;
        t.same(split, { spot: 12, onDemand: 8, none: 0 });
        t.same([on(cheap).length, on(plain).length], [12, 8], 'as the plan has it');
      },
    );
  }
}
