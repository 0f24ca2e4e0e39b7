import { Registry } from 'prom-client';
import t from 'tap';
import type { Node } from '../../../api/objects.ts';
import { NODES } from '../../../api/resources.ts';
import { createLogger } from '../../../kube/component/log.ts';
import { MemoryApi, typed } from '../../../kube/testing/memory/api.ts';
import { memoryClient } from '../../../kube/testing/memory/client.ts';
import { until } from '../../../kube/testing/until.ts';
import { makeNode } from '../../../planner/testing/builders.ts';
import { memoryCaches } from '../../testing/memorycaches.ts';
import { queueMessages } from '../metrics.ts';
import { noteSignal } from './instances.ts';
import { createQueueSource } from './queue.ts';

/** Signals are of machines: AWS names nodes by private IP, and gives the names again. */

const NOW = Date.parse('2026-11-30T12:00:00Z');
const NAME = 'ip-10-0-0-1.ec2.internal';
const [FIRST, SECOND] = ['i-00000000000000001', 'i-00000000000000002'];
const log = createLogger({ component: 'test', level: 'silent' });
const clock = { now: () => NOW };

const machine = (instanceId: string) => {
  const { node, claim } = makeNode(NAME, { capacityType: 'spot' });
  return { claim, node: { ...node, spec: { ...node.spec, providerID: `aws:///us-west-2a/${instanceId}` } } };
};
const warning = JSON.stringify({
  version: '0',
  source: 'aws.ec2',
  'detail-type': 'EC2 Spot Instance Interruption Warning',
  time: new Date(NOW).toISOString(),
  detail: { 'instance-id': FIRST },
});

t.test('the successor of the same name does not inherit an interruption', async (t) => {
  const stopping = new AbortController();
  t.teardown(() => stopping.abort());
  const bodies = [warning];
  const deleted: string[] = [];
  const source = createQueueSource({
    queue: {
      receive: async (_: unknown, signal?: AbortSignal) => {
        const messages = bodies.splice(0).map((body) => ({ body, receiptHandle: 'r' }));
        const { promise, resolve } = Promise.withResolvers<void>();
        signal?.addEventListener('abort', () => resolve());
        if (messages.length === 0) await promise;
        return messages;
      },
      delete: async (handles: readonly string[]) => deleted.push(...handles),
    } as never,
    whereIs: () => ({ kind: 'node', node: NAME }),
    note: async () => true,
    onSignal: () => {},
    messages: queueMessages(new Registry()),
    log,
    now: clock.now,
  });
  source.open(stopping.signal);
  await until('the message is done', () => deleted.length === 1, { timeoutMs: 60_000, everyMs: 5 });
  const signalsOf = async (instanceId: string) => {
    const request = { nodes: [machine(instanceId)], modelName: '', now: NOW };
    return (await source.poll(request, stopping.signal)).signals;
  };
  t.match(await signalsOf(FIRST), [{ node: NAME, kind: 'interruption', at: NOW }]);
  t.same(await signalsOf(SECOND), []);
});

t.test('a signal is written to the node of its machine only', async (t) => {
  for (const [standing, isWritten] of [
    [FIRST, true],
    [SECOND, false],
  ] as const) {
    const api = new MemoryApi(clock);
    api.create(NODES, typed(NODES, machine(standing).node));
    const { caches } = memoryCaches(api);
    const client = memoryClient(api, async (_, serve) => serve());
    const { signal } = new AbortController();
    const heard = { node: NAME, instanceId: FIRST, kind: 'interruption', at: NOW } as const;
    t.equal(await noteSignal({ client, caches, clock, signal }, heard), isWritten);
    const [node] = api.list<Node>(NODES);
    const mark = node?.metadata.annotations?.['autoscaling.cast.ai/interruption-prediction'];
    t.equal(mark !== undefined, isWritten, standing);
  }
});
