import t from 'tap';
import type { DeviceClass, Pod } from '../../api/objects.ts';
import { choosePin } from '../pinning/pinpolicy.ts';
import { verifyPlan } from '../plan/verify.ts';
import { provision } from '../provision.ts';
import { rebalance } from '../rebalance.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { smallCatalogue } from '../testing/randomcluster.ts';
import { fits, nodeInfoOf } from './fit.ts';

/** Pods with devices by resource claims stay where they are, since nothing here knows where such devices are free. */

const NOW = Date.parse('2026-06-01T00:00:00Z');
const RESOURCE = 'example.com/gpu';
const GPU_NODE = 'gpu-1';

const withRequest = (resource: string, amount = '1'): Partial<Pod['spec']> => ({
  containers: [{ name: 'main', resources: { requests: { cpu: '500m', memory: '1Gi', [resource]: amount } } }],
});
const deviceClass: DeviceClass = { metadata: { name: 'gpus' }, spec: { extendedResourceName: RESOURCE } };

interface Row {
  readonly spec?: Partial<Pod['spec']>;
  readonly status?: Partial<NonNullable<Pod['status']>>;
  /** What the pod is said to have while it runs; undefined when it may move. */
  readonly running: string | undefined;
  readonly pending: string | undefined;
}

const ROWS: Readonly<Record<string, Row>> = {
  'a pod with a resource claim': {
    spec: { resourceClaims: [{ name: 'gpu' }] },
    running: 'resource claim gpu',
    pending: 'resource claim gpu',
  },
  'a pod with two resource claims': {
    spec: { resourceClaims: [{ name: 'gpu' }, { name: 'nic' }] },
    running: 'resource claims gpu, nic',
    pending: 'resource claims gpu, nic',
  },
  'a pod whose extended resource kube-scheduler turned into a claim': {
    spec: withRequest(RESOURCE),
    status: { extendedResourceClaimStatus: { resourceClaimName: 'train-0-abc' } },
    running: 'resource claim train-0-abc for extended resources',
    pending: 'resource claim train-0-abc for extended resources',
  },
  'a pod with an extended resource of a DeviceClass that no node advertises': {
    spec: withRequest(RESOURCE),
    running: `${RESOURCE} from a resource claim`,
    pending: `${RESOURCE} from a resource claim`,
  },
  'a pod that names a DeviceClass as its resource': {
    spec: withRequest('deviceclass.resource.kubernetes.io/gpus'),
    running: 'deviceclass.resource.kubernetes.io/gpus from a resource claim',
    pending: 'deviceclass.resource.kubernetes.io/gpus from a resource claim',
  },
  'a pod that requests none of an extended resource': {
    spec: withRequest(RESOURCE, '0'),
    running: undefined,
    pending: undefined,
  },
  'a pod without devices': { running: undefined, pending: undefined },
};

const podOf = (row: Row, node?: string): Pod => {
  const pod = makePod('train-0', {
    cpu: 500,
    memory: 1024,
    ...(node && { node }),
    ...(row.spec && { spec: { ...row.spec, ...(node && { nodeName: node }) } }),
  });
  return { ...pod, status: { ...pod.status, ...row.status } };
};
const pool = makePool('default', {
  requirements: [{ key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] }],
});

const request = (pod: Pod) => {
  const node = makeNode(GPU_NODE);
  const target = makeNode('other');
  return {
    snapshot: makeSnapshot([node, target], [pod], { nodePools: [pool], deviceClasses: [deviceClass] }),
    catalogue: smallCatalogue,
    now: NOW,
    seed: 1,
    planName: 'p',
  };
};

for (const [name, row] of Object.entries(ROWS)) {
  t.test(`${name} ${row.running === undefined ? 'may move' : 'keeps its node'}`, async (t) => {
    const pod = podOf(row, GPU_NODE);
    const { skippedNodes, plan } = rebalance(request(pod));
    const blocker = `pod default/train-0 has ${row.running}, and no other node is known to have such devices free`;
    t.same(
      skippedNodes.find(({ name }) => name === GPU_NODE)?.reasons ?? [],
      row.running === undefined ? [] : [blocker],
    );
    if (row.running !== undefined) t.same(plan?.spec.podsToMigrate ?? [], []);
    const moved = { nodeClaimsToAdd: [], nodeClaimsToDelete: [{ nodeClaimName: `claim-${GPU_NODE}` }] };
    const move = {
      namespace: 'default',
      name: 'train-0',
      srcNode: GPU_NODE,
      dstNodeClaimName: 'claim-other',
      policy: 'Optional' as const,
    };
    const faults = verifyPlan(request(pod).snapshot, smallCatalogue, {
      ...moved,
      execute: false,
      podsToMigrate: [move],
    });
    t.equal(
      faults.some(({ rule }) => rule === 'DynamicResources'),
      row.running !== undefined,
    );
  });

  t.test(
    `${name} ${row.pending === undefined ? 'is planned for' : 'is left to Karpenter'} while it waits`,
    async (t) => {
      const { unplaced, plan } = provision(request(podOf(row)));
      if (row.pending === undefined) return t.same(unplaced, []);
      t.equal(plan, null);
      t.match(unplaced, [
        {
          name: 'train-0',
          reason: `it has ${row.pending}; devices of claims are not planned, and it is left to Karpenter`,
        },
      ]);
    },
  );
}

t.test(
  'an extended resource that nodes advertise is planned as before, beside a DeviceClass for it',
  async (t) => {
    const pod = podOf({ spec: withRequest(RESOURCE), running: undefined, pending: undefined }, GPU_NODE);
    const { node, claim } = makeNode(GPU_NODE);
    const allocatable = { ...node.status?.allocatable, [RESOURCE]: '4' };
    const gpu = { claim, node: { ...node, status: { ...node.status, allocatable } } };
    const { skippedNodes } = rebalance({ ...request(pod), snapshot: makeSnapshot([gpu], [pod]) });
    t.same(skippedNodes, []);
  },
);

t.test(
  'claims are allocated by kube-scheduler: no early bind, and no other node is known to fit',
  async (t) => {
    const node = nodeInfoOf(makeNode('n').node, []);
    const claims = [podOf({ spec: { resourceClaims: [{ name: 'gpu' }] }, running: '', pending: '' })];
    claims.push(
      podOf({
        spec: withRequest(RESOURCE),
        status: { extendedResourceClaimStatus: { resourceClaimName: 'x' } },
        running: '',
        pending: '',
      }),
    );
    for (const pod of claims) {
      const pin = choosePin({
        pod,
        node,
        isReady: true,
        health: undefined,
        at: 'pending',
        ownTaints: new Set(),
        gate: 'g',
      });
      t.match(pin, { way: 'nominate', reason: 'it has resource claims to allocate' });
      const cluster = { nodes: [node], namespaces: new Map() };
      const refusal = fits({ ...pod, spec: { ...pod.spec, containers: [{ name: 'main' }] } }, node, cluster);
      t.match(refusal, { code: 'DynamicResources', message: /only kube-scheduler knows where/ });
    }
  },
);
