import t from 'tap';
import type { ConfigMap, KubeObject } from '../../../api/objects.ts';
import { CONFIG_MAPS, NODES, POD_DISRUPTION_BUDGETS, PODS } from '../../../api/resources.ts';
import type { KubeClient } from '../../client/client.ts';
import { KubeError } from '../../errors.ts';
import { ignoreNotFound } from '../../ignore.ts';
import { scratch } from '../scratch.ts';
import { createDefaultServiceAccount } from '../unscheduledpod.ts';
import { MemoryApi } from './api.ts';
import { memoryClient } from './client.ts';

/** The API server in memory answers as the real one does: each case runs on both. */

const { client: real, namespace } = scratch(t, 'memory-api');
const api = new MemoryApi({ now: Date.now });
const memory = memoryClient(api, async (_, serve) => serve());

type Answer = string | number | boolean | undefined;
type Case = (client: KubeClient, name: string) => Promise<readonly Answer[]>;

/** 'done', or the kind and status of the error. */
const outcomeOf = async (request: Promise<unknown>): Promise<string> => {
  try {
    await request;
    return 'done';
  } catch (error) {
    if (error instanceof KubeError) return `${error.kind} ${error.status}`;
    throw error;
  }
};

const ref = (name: string) => ({ name, namespace });
const map = (name: string, o: Partial<KubeObject['metadata']> = {}): ConfigMap => ({
  metadata: { ...ref(name), ...o },
  data: { a: '1' },
});
const pod = (name: string, spec: object = {}) => ({
  metadata: { ...ref(name), labels: { app: name } },
  spec: { containers: [{ name: 'main', image: 'main' }], terminationGracePeriodSeconds: 30, ...spec },
});

const CASES: Readonly<Record<string, Case>> = {
  'a name is taken once': async (client, name) => {
    await client.create(CONFIG_MAPS, map(name));
    return [await outcomeOf(client.create(CONFIG_MAPS, map(name)))];
  },
  'a name is made of a prefix': async (client, name) => {
    const made = await client.create(CONFIG_MAPS, map('', { generateName: `${name}-` }));
    return [made.metadata.name.startsWith(`${name}-`), made.metadata.name.length > name.length + 1];
  },
  'a dry run stores nothing': async (client, name) => {
    await client.create(CONFIG_MAPS, map(name), { dryRun: true });
    return [await outcomeOf(client.get(CONFIG_MAPS, ref(name)))];
  },
  'a patch on an old version conflicts, as does one with another uid': async (client, name) => {
    const { resourceVersion } = (await client.create(CONFIG_MAPS, map(name))).metadata;
    await client.patch(CONFIG_MAPS, ref(name), { data: { a: '2' } });
    return [
      await outcomeOf(
        client.patch(CONFIG_MAPS, ref(name), { metadata: { resourceVersion }, data: { a: '3' } }),
      ),
      await outcomeOf(client.patch(CONFIG_MAPS, ref(name), { metadata: { uid: 'other' }, data: { a: '4' } })),
      (await client.get(CONFIG_MAPS, ref(name))).data?.a,
    ];
  },
  'a patch that changes nothing makes no version, and null removes': async (client, name) => {
    const made = await client.create(CONFIG_MAPS, map(name));
    const same = await client.patch(CONFIG_MAPS, ref(name), { data: { a: '1' } });
    const gone = await client.patch(CONFIG_MAPS, ref(name), { data: { a: null } });
    return [made.metadata.resourceVersion === same.metadata.resourceVersion, gone.data?.a];
  },
  'a test of a JSON patch may fail': async (client, name) => {
    await client.create(CONFIG_MAPS, map(name));
    const patch = (value: string) =>
      client.patch(
        CONFIG_MAPS,
        ref(name),
        [
          { op: 'test', path: '/data/a', value },
          { op: 'replace', path: '/data/a', value: '2' },
        ],
        { type: 'json' },
      );
    return [await outcomeOf(patch('9')), await outcomeOf(patch('1'))];
  },
  'a deletion has preconditions': async (client, name) => {
    const { uid = '', resourceVersion = '' } = (await client.create(CONFIG_MAPS, map(name))).metadata;
    await client.patch(CONFIG_MAPS, ref(name), { data: { a: '2' } });
    return [
      await outcomeOf(client.delete(CONFIG_MAPS, ref(name), { uid: 'other' })),
      await outcomeOf(client.delete(CONFIG_MAPS, ref(name), { uid, resourceVersion })),
      await outcomeOf(client.delete(CONFIG_MAPS, ref(name), { uid })),
      await outcomeOf(client.delete(CONFIG_MAPS, ref(name))),
    ];
  },
  'a finalizer keeps an object, and none is added while it goes': async (client, name) => {
    await client.create(CONFIG_MAPS, map(name, { finalizers: ['test.example/hold'] }));
    await client.delete(CONFIG_MAPS, ref(name));
    const going = await client.get(CONFIG_MAPS, ref(name));
    const more = { metadata: { finalizers: ['test.example/hold', 'test.example/more'] } };
    const refused = await outcomeOf(client.patch(CONFIG_MAPS, ref(name), more));
    await client.patch(CONFIG_MAPS, ref(name), { metadata: { finalizers: null } });
    return [
      going.metadata.deletionTimestamp !== undefined,
      refused,
      await outcomeOf(client.get(CONFIG_MAPS, ref(name))),
    ];
  },
  'an applied field conflicts with that of another manager, unless forced': async (client, name) => {
    const apply = (fieldManager: string, a: string, force: boolean) =>
      client.apply(CONFIG_MAPS, { metadata: ref(name), data: { a } }, { fieldManager, force });
    return [
      await outcomeOf(apply('one', '1', false)),
      await outcomeOf(apply('two', '2', false)),
      await outcomeOf(apply('two', '1', false)),
      await outcomeOf(apply('three', '3', true)),
      (await client.get(CONFIG_MAPS, ref(name))).data?.a,
    ];
  },
  'the status of a Node is written through its subresource alone': async (client, name) => {
    await client.create(NODES, { metadata: { name } });
    const status = { nodeInfo: { kubeletVersion: 'v1' }, allocatable: { cpu: '3' } };
    const main = await client.patch(NODES, { name }, { status: { allocatable: { cpu: '3' } } });
    const sub = await client.patch(
      NODES,
      { name },
      { status, spec: { unschedulable: true } },
      { subresource: 'status' },
    );
    await client.delete(NODES, { name });
    return [main.status?.allocatable?.cpu, sub.status?.allocatable?.cpu, sub.spec?.unschedulable];
  },
  'a pod is bound once, and not behind a gate': async (client, name) => {
    const { uid = '' } = (await client.create(PODS, pod(name))).metadata;
    await client.create(PODS, pod(`${name}-gated`, { schedulingGates: [{ name: 'test.example/gate' }] }));
    const gated = (await client.get(PODS, ref(`${name}-gated`))).metadata.uid ?? '';
    const bind = (which: string, uid: string, node: string) => {
      const { name, namespace } = ref(which);
      const target = { apiVersion: 'v1', kind: 'Node', name: node };
      const body = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace, uid }, target };
      return client.request('POST', `/api/v1/namespaces/${namespace}/pods/${name}/binding`, { body });
    };
    return [
      await outcomeOf(bind(name, 'other', 'n1')),
      await outcomeOf(bind(name, uid, 'n1')),
      await outcomeOf(bind(name, uid, 'n2')),
      await outcomeOf(bind(`${name}-gated`, gated, 'n1')),
      (await client.get(PODS, ref(name))).spec.nodeName,
    ];
  },
  'a pod without a node goes at once, one on a node waits for its kubelet': async (client, name) => {
    await client.create(PODS, pod(name));
    await client.create(PODS, pod(`${name}-placed`, { nodeName: 'n1' }));
    await client.delete(PODS, ref(name));
    await client.delete(PODS, ref(`${name}-placed`));
    const going = await client.get(PODS, ref(`${name}-placed`));
    const at = going.metadata.deletionTimestamp !== undefined;
    await client.delete(PODS, ref(`${name}-placed`), { gracePeriodSeconds: 0 });
    return [
      await outcomeOf(client.get(PODS, ref(name))),
      at,
      going.metadata.deletionGracePeriodSeconds,
      await outcomeOf(client.get(PODS, ref(`${name}-placed`))),
    ];
  },
  'a budget forbids the eviction of a running pod, not of a pending one': async (client, name) => {
    for (const each of [name, `${name}-pending`])
      await client.create(PODS, {
        ...pod(each, { nodeName: 'n1' }),
        metadata: { ...ref(each), labels: { app: name } },
      });
    const ready = { phase: 'Running' as const, conditions: [{ type: 'Ready', status: 'True' as const }] };
    await client.patch(PODS, ref(name), { status: ready }, { subresource: 'status' });
    const spec = { selector: { matchLabels: { app: name } }, minAvailable: 1 };
    await client.create(POD_DISRUPTION_BUDGETS, { metadata: ref(name), spec } as KubeObject);
    const evict = (each: string, o: object = {}) => outcomeOf(client.evict({ ...ref(each), ...o }));
    const answers = [
      await evict(name),
      await evict(`${name}-pending`, { uid: 'other' }),
      await evict(`${name}-pending`, { resourceVersion: '1' }),
      await evict(`${name}-pending`),
      await evict(`${name}-nobody`),
    ];
    for (const each of [name, `${name}-pending`])
      await client.delete(PODS, ref(each), { gracePeriodSeconds: 0 }).catch(ignoreNotFound);
    return answers;
  },
  'names and labels have limits': async (client, name) => [
    await outcomeOf(client.create(CONFIG_MAPS, map(`${name}-${'x'.repeat(250)}`))),
    await outcomeOf(client.create(CONFIG_MAPS, map(name, { labels: { a: 'x'.repeat(64) } }))),
  ],
};

t.before(() => createDefaultServiceAccount(real, namespace));
for (const [number, [sentence, run]] of Object.entries(CASES).entries()) {
  t.test(sentence, async (t) => {
    const name = `case-${process.pid}-${number}`;
    t.same(await run(memory, name), await run(real, name));
  });
}
