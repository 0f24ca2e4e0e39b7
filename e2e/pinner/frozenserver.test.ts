import t from 'tap';
import { Component } from './component.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { eventually, pinnerEnv, Scene } from './fixture.ts';
import { nodeIntent } from './intents.ts';

const scene = new Scene('frozen-server');
const { client, namespace } = scene;

t.before(() => scene.open());
t.teardown(() => scene.close());

t.test(
  'a frozen autoscaler is noticed by the silence of its pings, and its successor is followed',
  async (t) => {
    const frozen = new Component('e2e/pinner/autoscaler.ts', {}, [namespace]);
    t.teardown(() => frozen.stop('SIGKILL'));
    // It is published before the pinner looks for it.
    const extender = new Component('extender/main.ts', pinnerEnv(namespace, 'a'));
    t.teardown(() => extender.stop());
    await eventually('a stream', () => frozen.said('stream'));
    await eventually('the full state', () => extender.said('full state received'));
    frozen.process.kill('SIGSTOP');
    const began = Date.now();
    const line = await eventually(
      'the stream is given up',
      () => extender.said('failed streaming pod pinning actions, restarting...'),
      40_000,
    );
    t.comment(`given up after ${Date.now() - began} ms: ${String(line.reason)}`);
    const successor = await Autoscaler.start(client, namespace);
    t.teardown(() => successor.close());
    const name = scene.nodeName('after');
    successor.upsert(nodeIntent(name));
    await eventually('its placeholder', () => scene.node(name), 40_000);
    t.pass('the successor is followed');
  },
);
