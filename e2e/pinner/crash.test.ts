import t from 'tap';
import { PLACEHOLDER, PREPARING_TAINT } from '../../api/labels.ts';
import { Component } from './component.ts';
import { DeathProxy, type When } from './deathproxy.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { eventually, joinAs, kubeconfig, pinnerEnv, Scene } from './fixture.ts';
import { nodeIntent, ownerIntent } from './intents.ts';

/** kill -9 before and after each write: the end is the same as without it. */

const scene = new Scene('crash');
const { client, namespace } = scene;
let autoscaler: Autoscaler;
let proxy: DeathProxy;
/** A start, a death, an expired Lease and another start: seconds, unless the machine is busy. */
const DEADLINE_MS = 90_000;
const started: Component[] = [];

const start = (): Component => {
  const extender = new Component('extender/main.ts', {
    ...pinnerEnv(namespace, 'a'),
    KUBECONFIG: proxy.kubeconfig,
  });
  started.push(extender);
  return extender;
};

const stopAll = () => Promise.all(started.splice(0).map((extender) => extender.stop('SIGKILL')));

t.before(async () => {
  await scene.open();
  autoscaler = await Autoscaler.start(client, namespace);
  proxy = await DeathProxy.start(kubeconfig);
});
t.teardown(async () => {
  await stopAll();
  await proxy.close();
  await autoscaler.close();
  await scene.close();
});

const hasDied = ({ process }: Component): boolean => process.signalCode !== null;

/** Runs until the nth write kills it, then a new process to the end. False when there is no nth write. */
const killedAt = async (
  at: number,
  when: When,
  begin: () => void,
  isOver: () => Promise<boolean>,
): Promise<boolean> => {
  // A failed round must not leave a second leader to the next.
  await stopAll();
  const first = start();
  proxy.arm(at, when, () => first.process.kill('SIGKILL'));
  await eventually('the full state', () => first.said('full state received') || hasDied(first));
  begin();
  await eventually('death or the end', async () => hasDied(first) || (await isOver()), DEADLINE_MS);
  const died = hasDied(first);
  proxy.disarm();
  if (died) {
    const second = start();
    await eventually('the end after a restart', isOver, DEADLINE_MS);
    await second.stop('SIGKILL');
  } else await first.stop('SIGKILL');
  return died;
};

for (const when of ['before', 'after'] as const) {
  t.test(`killed ${when} each write of a machine that joins`, async (t) => {
    for (let at = 1, died = true; died; at++) {
      const run = `${when}-join-${at}`;
      const name = scene.nodeName(run);
      const web = await scene.replicaSet(run, 2, { spec: { nodeSelector: { place: name } } });
      const node = nodeIntent(name);
      const pin = ownerIntent(name, web, 2);
      let hasJoined = false;
      died = await killedAt(
        at,
        when,
        () => autoscaler.upsert(node, pin),
        async () => {
          const pods = (await scene.podsOf(run)).filter(({ spec }) => spec.nodeName === name);
          const there = await scene.node(name);
          if (!there || pods.length < 2) return false;
          if (!hasJoined) {
            hasJoined = true;
            await joinAs(client, name);
            autoscaler.remove(pin.id);
            autoscaler.remove(node.id);
          }
          const { labels } = there.metadata;
          const isOpen = !there.spec?.taints?.some(({ key }) => key === PREPARING_TAINT);
          return labels?.[PLACEHOLDER] === undefined && isOpen;
        },
      );
      const pods = await scene.podsOf(run);
      t.equal(pods.length, 2, `${run}: two pods, ${died ? 'killed' : 'no such write'}`);
      t.ok(pods.every(({ spec, status }) => spec.nodeName === name && status?.phase !== 'Failed'));
      if (at > 20) throw new Error('the writes have no end');
      if (!died) t.ok(at > 5, `${at - 1} writes`);
    }
  });

  t.test(`killed ${when} each write of a machine that never joins`, async (t) => {
    for (let at = 1, died = true; died; at++) {
      const run = `${when}-lost-${at}`;
      const name = scene.nodeName(run);
      const web = await scene.replicaSet(run, 1, { spec: { nodeSelector: { place: name } } });
      // Its time runs from when a process can see it.
      let node = nodeIntent(name);
      died = await killedAt(
        at,
        when,
        () => {
          node = nodeIntent(name, { deadline: Date.now() + 3_000 });
          autoscaler.upsert(node, ownerIntent(name, web, 1));
        },
        async () => {
          if (Date.now() < (node.node?.joinDeadlineMs ?? 0) || (await scene.node(name))) return false;
          const pods = await scene.podsOf(run);
          return pods.length === 1 && pods.every(({ spec }) => spec.nodeName === undefined);
        },
      );
      t.pass(
        `${run}: the placeholder is gone, its pod waits elsewhere, ${died ? 'killed' : 'no such write'}`,
      );
      autoscaler.remove(node.id);
      autoscaler.remove(ownerIntent(name, web, 1).id);
      if (at > 20) throw new Error('the writes have no end');
      // Its placeholder, its heartbeat, its pod's binding, the pod's removal, the placeholder's removal.
      if (!died) t.ok(at > 5, `${at - 1} writes`);
    }
  });
}
