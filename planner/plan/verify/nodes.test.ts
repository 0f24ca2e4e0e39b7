import type { Snapshot } from '../../model/snapshot.ts';
import { makeNode, makePod, makeSnapshot } from '../../testing/builders.ts';
import {
  apart,
  type Case,
  checkCases,
  drained,
  is,
  move,
  on,
  spread,
  terminating,
  volumeIn,
  withVolume,
  ZONE,
} from '../../testing/plancases.ts';

checkCases({
  // Kept nodes and their pods.
  'a node that is full takes no pod': {
    ...drained([on('p', 'a', { cpu: 2000 })], { podsOnB: [on('q', 'b', { cpu: 2000 })] }),
    broken: ['NodeResourcesFit'],
  },
  'a pod that is being deleted takes room until it has terminated': {
    ...drained([on('p', 'a', { cpu: 2000 })], { podsOnB: [terminating(on('q', 'b', { cpu: 2000 }))] }),
    broken: ['NodeResourcesFit'],
  },
  'a taint that a pod does not tolerate keeps it away': {
    ...drained([on('p', 'a')], { b: { taints: [{ key: 'team', value: 'x', effect: 'NoSchedule' }] } }),
    broken: ['TaintToleration'],
  },
  'a selector that the node does not meet keeps a pod away': {
    ...drained([on('p', 'a', { spec: { nodeSelector: { [ZONE]: 'us-west-2c' } } })]),
    broken: ['NodeAffinity'],
  },
  'preferences keep no pod away': drained([
    on('p', 'a', {
      spec: {
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 1, preference: { matchExpressions: [is(ZONE, 'us-west-2c')] } },
            ],
          },
        },
      },
    }),
  ]),
  'a volume of another zone keeps its pod away': {
    ...drained([on('p', 'a', { spec: withVolume('data') })], { rest: volumeIn('us-west-2c') }),
    broken: ['Volumes'],
  },
  'a driver that has no slot left keeps a pod with a volume away': {
    ...drained([on('p', 'a', { spec: withVolume('data') })], {
      rest: {
        persistentVolumeClaims: [
          { metadata: { name: 'data', namespace: 'default' }, spec: { volumeName: 'pv' } },
        ],
        persistentVolumes: [
          { metadata: { name: 'pv' }, spec: { csi: { driver: 'csi', volumeHandle: 'v' } } },
        ],
        csiNodes: [
          { metadata: { name: 'b' }, spec: { drivers: [{ name: 'csi', allocatable: { count: 0 } }] } },
        ],
      } as unknown as Partial<Snapshot>,
    }),
    broken: ['Volumes'],
  },
  'anti-affinity of the pod that comes holds': {
    ...drained([on('p', 'a', { spec: apart('db') })], { podsOnB: [on('q', 'b', { app: 'db' })] }),
    broken: ['InterPodAffinity'],
  },
  'anti-affinity of a pod that is there holds': {
    ...drained([on('p', 'a', { app: 'web' })], {
      podsOnB: [on('q', 'b', { app: 'db', spec: apart('web') })],
    }),
    broken: ['InterPodAffinity'],
  },
  'anti-affinity looks at its own namespace': drained([on('p', 'a', { app: 'web' })], {
    podsOnB: [
      { ...on('q', 'b', { app: 'db', spec: apart('web') }), metadata: { name: 'q', namespace: 'other' } },
    ],
  }),
  'two pods with one host port are not on one node': {
    ...drained(
      ['p', 'q'].map((name) =>
        on(name, 'a', { spec: { containers: [{ name: 'c', ports: [{ containerPort: 1, hostPort: 80 }] }] } }),
      ),
    ),
    broken: ['NodePorts'],
  },
  'a pod may come before others that its spread counts, and theirs does not': {
    cluster: makeSnapshot(
      [
        makeNode('a'),
        makeNode('b', { zone: 'us-west-2b' }),
        makeNode('c', { zone: 'us-west-2c', labels: { team: 'x' } }),
        makeNode('d', { zone: 'us-west-2c' }),
      ],
      [
        on('other', 'a', { spec: spread('web') }),
        makePod('free', { spec: spread('web') }),
        makePod('bound', { spec: { ...spread('web'), nodeSelector: { team: 'x' } } }),
      ],
    ),
    plan: { podsToMigrate: [move('free', '', 'claim-d'), move('bound', '', 'claim-c')] },
  },
  'spread over zones holds': {
    ...drained([on('p', 'a', { spec: spread('web') })], {
      podsOnB: [on('q', 'b'), on('r', 'b')],
      rest: { nodes: [makeNode('a').node, makeNode('b').node, makeNode('c', { zone: 'us-west-2c' }).node] },
    }),
    broken: ['PodTopologySpread'],
  },
} satisfies Record<string, Case>);
