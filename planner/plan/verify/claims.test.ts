import type { NodePool } from '../../../api/objects.ts';
import { makePod, makeSnapshot } from '../../testing/builders.ts';
import {
  agent,
  apart,
  ask,
  beside,
  CAPACITY,
  type Case,
  checkCases,
  claim,
  is,
  LARGE,
  move,
  openPool,
  provisioned,
  require1,
  TYPE,
  twoZones,
  volumeIn,
  withVolume,
  ZONE,
} from '../../testing/plancases.ts';

const tainted: NodePool = {
  ...openPool(),
  spec: {
    template: {
      spec: { ...openPool().spec.template.spec, taints: [{ key: 'team', effect: 'NoSchedule' }] },
    },
  },
};

checkCases({
  // Planned claims.
  'a claim that names no NodePool of the cluster is refused': {
    ...provisioned([makePod('p')], claim(LARGE, { labels: { 'karpenter.sh/nodepool': 'other' } })),
    broken: ['UnknownNodePool'],
  },
  'a static NodePool gets no claim': {
    ...provisioned([makePod('p')], claim(), { nodePools: [openPool([], { replicas: 2 })] }),
    broken: ['NodePoolClosed'],
  },
  'two claims do not have one name': {
    ...provisioned([], claim()),
    plan: { nodeClaimsToAdd: [claim(), claim()] },
    broken: ['DuplicateNodeClaim'],
  },
  'a type that the catalogue does not have is refused, also beside others': {
    ...provisioned([makePod('p')], claim([is(TYPE, 'm5.large', 'x9.huge'), ...LARGE.slice(1)])),
    broken: ['UnknownInstanceType'],
  },
  'an unavailable offering is refused': {
    ...provisioned(
      [makePod('p')],
      claim([is(TYPE, 'm5.large'), is(ZONE, 'us-west-2b'), is(CAPACITY, 'spot')]),
    ),
    broken: ['NoOffering'],
  },
  'every type of a claim holds its pods, the dearest of the list too': {
    ...provisioned(
      [makePod('p', { cpu: 3000 })],
      claim([is(TYPE, 'm5.xlarge', 'm5.large'), ...LARGE.slice(1)]),
    ),
    broken: ['NodeResourcesFit'],
  },
  'every alternative of a claim holds its pods': {
    ...provisioned(
      [makePod('p', { cpu: 3000 })],
      claim([is(TYPE, 'm5.xlarge'), ...LARGE.slice(1)], {
        alternatives: [[is(TYPE, 'm5.xlarge')], [is(TYPE, 'c5.large')]],
      }),
    ),
    broken: ['NodeResourcesFit'],
  },
  'what DaemonSets take of a new node is counted': {
    ...provisioned([makePod('p', { cpu: 1800 })], claim(), { daemonSets: [agent('200m')] }),
    broken: ['NodeResourcesFit'],
  },
  'each zone that a claim allows suits its pods': {
    ...provisioned([makePod('p', { spec: { nodeSelector: { [ZONE]: 'us-west-2a' } } })], claim(twoZones)),
    broken: ['NodeAffinity'],
  },
  'each zone of each alternative suits its pods': {
    ...provisioned(
      [makePod('p', { spec: { nodeSelector: { [ZONE]: 'us-west-2a' } } })],
      claim(LARGE, { alternatives: [LARGE, [is(ZONE, 'us-west-2c')]] }),
    ),
    broken: ['NodeAffinity'],
  },
  'a volume binds a claim to its zone, whichever alternative is taken': {
    ...provisioned([makePod('p', { spec: withVolume('data') })], claim(twoZones), volumeIn('us-west-2a')),
    broken: ['Volumes'],
  },
  'a claim without a zone means every zone': {
    ...provisioned(
      [makePod('p', { spec: { nodeSelector: { [ZONE]: 'us-west-2a' } } })],
      claim([is(TYPE, 'm5.large'), is(CAPACITY, 'on-demand')]),
    ),
    broken: ['NodeAffinity', 'NodeAffinity'],
  },
  'a claim without types means every type that meets the other requirements': {
    ...provisioned([makePod('p', { cpu: 3000 })], claim(LARGE.slice(1))),
    broken: ['NodeResourcesFit'],
  },
  'a claim whose types are bounded by Gt holds what the smallest of them holds': provisioned(
    [makePod('p', { cpu: 3000 })],
    claim([ask('karpenter.k8s.aws/instance-cpu', 'Gt', '3'), ...LARGE.slice(1)]),
  ),
  'NotIn leaves out types and zones': provisioned(
    [makePod('p', { cpu: 3000, spec: { nodeSelector: { [ZONE]: 'us-west-2a' } } })],
    claim([
      ask(TYPE, 'NotIn', 'm5.large', 'c5.large'),
      ask(ZONE, 'NotIn', 'us-west-2b', 'us-west-2c'),
      is(CAPACITY, 'on-demand'),
    ]),
  ),
  'Lt bounds a claim, too': {
    ...provisioned(
      [makePod('p')],
      claim([ask('karpenter.k8s.aws/instance-cpu', 'Lt', '2'), ...LARGE.slice(1)]),
    ),
    broken: ['NoOffering'],
  },
  'a capacity type that is left open means spot, too': {
    ...provisioned(
      [makePod('p', { spec: { nodeSelector: { [CAPACITY]: 'on-demand' } } })],
      claim(LARGE.slice(0, 2)),
    ),
    broken: ['NodeAffinity'],
  },
  'a label that the claim says otherwise than its machine is refused': {
    ...provisioned([makePod('p')], claim(twoZones, { labels: { [ZONE]: 'us-west-2b' } })),
    broken: ['ClaimLabels'],
  },
  'a label that agrees with the machine passes': provisioned(
    [makePod('p')],
    claim(LARGE, { labels: { [ZONE]: 'us-west-2a' } }),
  ),
  'a label that the claim itself forbids is refused': {
    ...provisioned([makePod('p')], claim([...LARGE, is('team', 'b')], { labels: { team: 'a' } })),
    broken: ['ClaimLabels'],
  },
  'a requirement of the NodePool that a type breaks is seen': {
    ...provisioned([makePod('p')], claim(), {
      nodePools: [openPool([ask('karpenter.k8s.aws/instance-cpu', 'Gt', '2')])],
    }),
    broken: ['NodePoolRequirements'],
  },
  'a label of the NodePool that the claim drops is seen': {
    ...provisioned([makePod('p')], claim(), { nodePools: [openPool([is('team', 'a')])] }),
    broken: ['NodePoolRequirements'],
  },
  'what the NodePool leaves open may stay open': provisioned([makePod('p')], claim(), {
    nodePools: [
      openPool([
        ask('team', 'Exists'),
        ask('level', 'Gt', '3'),
        ask('rank', 'Lt', '3'),
        ask('stage', 'NotIn', 'test'),
        ask('old', 'DoesNotExist'),
      ]),
    ],
  }),
  'an open label is there': provisioned(
    [makePod('p', { spec: require1('team', 'Exists') })],
    claim([...LARGE, ask('team', 'Exists')]),
    { nodePools: [openPool([ask('team', 'Exists')])] },
  ),
  'a label that neither the NodePool nor the cloud gives is refused': {
    ...provisioned(
      [makePod('p', { spec: require1('team', 'Exists') })],
      claim([...LARGE, ask('team', 'Exists')]),
    ),
    broken: ['BeyondNodePool'],
  },
  'a NodeClass of another NodePool is refused': {
    ...provisioned([makePod('p')], {
      ...claim(),
      spec: {
        ...claim().spec,
        nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'privileged' },
      },
    }),
    broken: ['BeyondNodePool'],
  },
  'a label of node-restriction is refused': {
    ...provisioned(
      [makePod('p')],
      claim(LARGE, { labels: { 'node-restriction.kubernetes.io/tenant': 'a' } }),
    ),
    broken: ['BeyondNodePool'],
  },
  'an open label has no value that a pod could select': {
    ...provisioned(
      [makePod('p', { spec: { nodeSelector: { team: 'a' } } })],
      claim([...LARGE, ask('team', 'Exists')]),
      { nodePools: [openPool([ask('team', 'Exists')])] },
    ),
    broken: ['NodeAffinity'],
  },
  'each value of a list suits the pods': {
    ...provisioned(
      [makePod('p', { spec: { nodeSelector: { team: 'a' } } })],
      claim([...LARGE, is('team', 'a', 'b')]),
      { nodePools: [openPool([is('team', 'a', 'b')])] },
    ),
    broken: ['NodeAffinity'],
  },
  'a list that is shorter than its minValues is refused': {
    ...provisioned([makePod('p')], claim([{ ...is(TYPE, 'm5.large'), minValues: 2 }, ...LARGE.slice(1)])),
    broken: ['MinValues'],
  },
  'taints of the NodePool keep pods away': {
    ...provisioned([makePod('p')], claim(), { nodePools: [tainted] }),
    broken: ['TaintToleration'],
  },
  'a claim without the taints of its NodePool is refused': {
    ...provisioned(
      [makePod('p')],
      { ...claim(), spec: { ...claim().spec, taints: [] } },
      {
        nodePools: [tainted],
      },
    ),
    broken: ['BeyondNodePool'],
  },
  'pods with rules hold beside each other in an alternative, too': {
    cluster: makeSnapshot(
      [],
      [
        makePod('p', { app: 'db', spec: apart('db', ZONE) }),
        makePod('q', { app: 'db', spec: apart('db', ZONE) }),
      ],
      { nodePools: [openPool()] },
    ),
    plan: {
      nodeClaimsToAdd: [
        claim(LARGE),
        claim([is(TYPE, 'm5.large'), is(ZONE, 'us-west-2b'), is(CAPACITY, 'on-demand')], {
          name: 'other',
          alternatives: [[is(ZONE, 'us-west-2b')], [is(ZONE, 'us-west-2a')]],
        }),
      ],
      podsToMigrate: [move('p', '', 'new'), move('q', '', 'other')],
    },
    broken: ['InterPodAffinity', 'InterPodAffinity'],
  },
  'a pod that follows another one is not left by its alternative': {
    cluster: makeSnapshot(
      [],
      [makePod('p', { app: 'web', spec: beside('db', ZONE) }), makePod('q', { app: 'db' })],
      { nodePools: [openPool()] },
    ),
    plan: {
      nodeClaimsToAdd: [
        claim(LARGE),
        claim(LARGE, { name: 'other', alternatives: [[is(ZONE, 'us-west-2a')], [is(ZONE, 'us-west-2b')]] }),
      ],
      podsToMigrate: [move('p', '', 'new'), move('q', '', 'other')],
    },
    broken: ['InterPodAffinity'],
  },
} satisfies Record<string, Case>);
