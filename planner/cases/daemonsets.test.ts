import t from 'tap';
import type { Pod } from '../../api/objects.ts';
import { makeNode, makePod, makeSnapshot } from '../testing/builders.ts';
import { makeDaemonPod, makeDaemonSet, provisionFor, typesOf } from '../testing/smallworld.ts';

const waiting = (cpu = 1000, spec: object = {}): Pod => makePod('waits', { cpu, memory: 1024, spec });
const pending = (rest: Parameters<typeof makeSnapshot>[2], pod = waiting()) => makeSnapshot([], [pod], rest);
const isWithoutLarge = (types: string[][]): boolean =>
  types.length === 1 && types.every((each) => each.length > 0 && !each.includes('m5.large'));

t.test('without a DaemonSet the small machine holds the pod', async (t) => {
  t.ok(typesOf(provisionFor(pending({})))[0]?.includes('m5.large'));
});

t.test('case 02, 65: limits count as requests where a container has none', async (t) => {
  const set = makeDaemonSet('agent', { limits: { cpu: '1500m', memory: '1Gi' } });
  const result = provisionFor(pending({ daemonSets: [set] }));
  t.ok(isWithoutLarge(typesOf(result)));
  t.same(result.plan?.spec.nodeClaimsToAdd?.[0]?.spec.resources?.requests, {
    cpu: '2500m',
    memory: '2Gi',
    pods: '2',
  });
});

t.test('case 65: a request beside a limit counts as it is', async (t) => {
  const set = makeDaemonSet('agent', { requests: { cpu: '100m' }, limits: { cpu: '1500m' } });
  t.ok(typesOf(provisionFor(pending({ daemonSets: [set] })))[0]?.includes('m5.large'));
});

t.test('case 65: limits of init containers and sidecars count, too', async (t) => {
  const limits = { limits: { cpu: '1500m' } };
  for (const restartPolicy of [undefined, 'Always']) {
    const init = { name: 'init', resources: limits, ...(restartPolicy && { restartPolicy }) };
    const set = makeDaemonSet('agent', {}, { initContainers: [init] });
    t.ok(isWithoutLarge(typesOf(provisionFor(pending({ daemonSets: [set] })))), String(restartPolicy));
  }
});

t.test('case 02: the defaults of a LimitRange count in its namespace', async (t) => {
  const set = makeDaemonSet('agent', {});
  const range = (namespace: string, type = 'Container') => ({
    kind: 'LimitRange',
    metadata: { name: 'usual', namespace },
    spec: { limits: [{ type, default: { cpu: '2' }, defaultRequest: { cpu: '1500m' } }] },
  });
  const planned = (limitRange: ReturnType<typeof range>) =>
    typesOf(provisionFor(pending({ daemonSets: [set], limitRanges: [limitRange] })));
  t.ok(isWithoutLarge(planned(range('default'))));
  t.ok(planned(range('other'))[0]?.includes('m5.large'));
  t.ok(planned(range('default', 'Pod'))[0]?.includes('m5.large'));
});

t.test('case 77: the newest running pod says what the next will ask', async (t) => {
  const set = makeDaemonSet('agent', {});
  const full = ['n1', 'n2'].map((name) => makeNode(name, { cpu: 1800 }));
  const at = (first: number, second: number) => {
    const pods = [
      makeDaemonPod('agent', 'n1', { cpu: first, created: '2026-01-01T00:00:00Z' }),
      makeDaemonPod('agent', 'n2', { cpu: second, created: '2026-01-01T05:00:00Z' }),
      makePod('b1', { node: 'n1', cpu: 300 }),
      makePod('b2', { node: 'n2', cpu: 300 }),
      waiting(1600),
    ];
    return typesOf(provisionFor(makeSnapshot(full, pods, { daemonSets: [set] })));
  };
  t.ok(isWithoutLarge(at(100, 1500)));
  t.ok(at(1500, 100)[0]?.includes('m5.large'));
});

t.test('case 77: the pod of a set of the same name elsewhere says nothing', async (t) => {
  const set = makeDaemonSet('agent', {});
  const pod = makeDaemonPod('agent', 'n1', { cpu: 1500 });
  const other = { ...pod, metadata: { ...pod.metadata, namespace: 'other' } };
  const node = makeNode('n1', { cpu: 1600 });
  const snapshot = makeSnapshot([node], [other, waiting(1600)], { daemonSets: [set] });
  t.same(typesOf(provisionFor(snapshot))[0]?.includes('m5.large'), true);
});

t.test('case 10: nothing is bought where a DaemonSet takes the host port', async (t) => {
  const port = (hostPort: number, hostIP?: string) => ({
    containers: [
      { name: 'main', resources: {}, ports: [{ hostPort, containerPort: 80, ...(hostIP && { hostIP }) }] },
    ],
  });
  const set = makeDaemonSet('edge', {}, port(8080));
  const ask = (spec: object, more = {}) =>
    provisionFor(pending({ daemonSets: [{ ...set, ...more }] }, waiting(100, spec)));
  const taken = ask(port(8080));
  t.equal(taken.plan, null);
  t.match(taken.unplaced, [
    { reason: 'DaemonSet default/edge takes its host port 8080 on every node that it may use' },
  ]);
  t.ok(ask(port(8081)).plan, 'another port is free');
  const elsewhere = makeDaemonSet('edge', {}, { ...port(8080), nodeSelector: { disk: 'nvme' } });
  t.ok(ask(port(8080), elsewhere).plan, 'the DaemonSet runs elsewhere');
});

t.test('case 10: nothing is bought where anti-affinity keeps the pod off the DaemonSet', async (t) => {
  const term = (app: string) => ({
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app } } },
        ],
      },
    },
  });
  const set = makeDaemonSet('edge', {});
  const own = provisionFor(pending({ daemonSets: [set] }, waiting(100, term('edge'))));
  t.equal(own.plan, null);
  t.match(own.unplaced, [{ reason: /^anti-affinity keeps it off .* DaemonSet default\/edge run$/ }]);
  const shy = makeDaemonSet('edge', {}, term('web'));
  t.equal(provisionFor(pending({ daemonSets: [shy] }, waiting(100))).plan, null);
  t.ok(provisionFor(pending({ daemonSets: [set] }, waiting(100, term('else')))).plan);
});

t.test('case 76: a standing node keeps room for the DaemonSet pod that is still to come', async (t) => {
  const set = makeDaemonSet('agent', { requests: { cpu: '3' } });
  const pod = waiting(3000);
  const node = makeNode('n', { cpu: 4000 });
  const coming = provisionFor(makeSnapshot([node], [pod], { daemonSets: [set] }));
  t.equal(typesOf(coming).length, 1, 'a new node');
  const elsewhere = { ...set, spec: { template: { ...set.spec.template } } };
  const off = makeDaemonSet('agent', { requests: { cpu: '3' } }, { nodeSelector: { gpu: 'yes' } });
  t.same(typesOf(provisionFor(makeSnapshot([node], [pod], { daemonSets: [off] }))), []);
  const here = makeDaemonPod('agent', 'n', { cpu: 500 });
  t.same(
    typesOf(provisionFor(makeSnapshot([node], [pod, here], { daemonSets: [elsewhere] }))),
    [],
    'its pod is there',
  );
});

t.test('case 76: a DaemonSet without a uid, as in edited files, knows its pods by name', async (t) => {
  const set = makeDaemonSet('agent', { requests: { cpu: '3' } });
  const { uid: _, ...metadata } = set.metadata;
  const node = makeNode('n', { cpu: 4000 });
  const pods = [waiting(3000), makeDaemonPod('agent', 'n', { cpu: 500 })];
  const snapshot = makeSnapshot([node], pods, { daemonSets: [{ ...set, metadata }] });
  t.same(typesOf(provisionFor(snapshot)), []);
});
