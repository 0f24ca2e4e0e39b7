import { makePod } from '../../testing/builders.ts';
import {
  type Case,
  changed,
  checkCases,
  claim,
  drained,
  is,
  move,
  on,
  provisioned,
  terminating,
  withoutNodeName,
} from '../../testing/plancases.ts';

checkCases({
  'a drain to a node with room passes': drained([on('p', 'a')]),
  'a pod that waits may go to a new node': provisioned([makePod('p')], claim()),

  // Destinations of the pods.
  'a NodeClaim that is not in the cluster can not be deleted': {
    ...drained([]),
    plan: { nodeClaimsToDelete: [{ nodeClaimName: 'nobody' }] },
    broken: ['UnknownNodeClaim'],
  },
  'a pod that is not in the cluster can not be moved': {
    ...drained([], { moves: [move('ghost', 'a', 'claim-b')] }),
    broken: ['UnknownPod'],
  },
  'a pod is moved once': {
    ...drained([on('p', 'a')], { moves: [move('p', 'a', 'claim-b'), move('p', 'a', 'claim-b')] }),
    broken: ['DuplicatePod'],
  },
  'a pod is moved from where it is': {
    ...drained([on('p', 'a')], { moves: [move('p', 'b', 'claim-b')] }),
    broken: ['SourceNode'],
  },
  'no pod is left on a node that goes': {
    ...drained([on('p', 'a')], { moves: [] }),
    broken: ['PodLeftBehind'],
  },
  'pods of DaemonSets, static pods and pods that are being deleted go with their node': drained(
    [on('d', 'a', { owner: 'DaemonSet' }), on('s', 'a', { owner: 'Node' }), terminating(on('t', 'a'))],
    { moves: [] },
  ),
  'a mirror pod without an owner goes with its node': drained(
    [
      {
        ...on('m', 'a'),
        metadata: { name: 'm', namespace: 'default', annotations: { 'kubernetes.io/config.mirror': 'x' } },
      },
    ],
    { moves: [] },
  ),
  'a DaemonSet pod is not moved': {
    ...drained([on('d', 'a', { owner: 'DaemonSet' })]),
    broken: ['PodNotMovable'],
  },
  'pods do not go to a node that goes': {
    ...drained([on('p', 'a')], { moves: [move('p', 'a', 'claim-a')] }),
    broken: ['UnknownDestination'],
  },
  'pods do not go to an unknown claim': {
    ...drained([on('p', 'a')], { moves: [move('p', 'a', 'nobody')] }),
    broken: ['UnknownDestination'],
  },
  'pods do not go to a node that is not ready': {
    ...changed(drained([on('p', 'a')]), (cluster) => ({
      ...cluster,
      nodes: cluster.nodes.map((node) => ({ ...node, status: { ...node.status, conditions: [] } })),
    })),
    broken: ['DestinationNotReady'],
  },
  'a claim without a node name is found by its provider ID': changed(
    drained([on('p', 'a')]),
    withoutNodeName,
  ),
  'a pod left on a node that is known by its provider ID alone is seen': {
    ...changed(drained([on('p', 'a')], { moves: [] }), withoutNodeName),
    broken: ['PodLeftBehind'],
  },
  'a pod on a node that is not in the cluster counts nowhere': drained([on('p', 'a')], {
    podsOnB: [on('lost', 'nowhere', { cpu: 90_000 })],
  }),
  'a pod that has ended takes no room': drained([on('p', 'a')], {
    podsOnB: [{ ...on('done', 'b', { cpu: 3900 }), status: { phase: 'Succeeded' } }],
  }),
  'a pod that is tied to its node by our hold may go elsewhere': drained([
    {
      ...on('p', 'a'),
      metadata: { ...on('p', 'a').metadata, annotations: { 'autoscaling.cast.ai/pin': 'pin-1' } },
      spec: {
        ...on('p', 'a').spec,
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchFields: [is('metadata.name', 'a')] }],
            },
          },
        },
      },
    },
  ]),
} satisfies Record<string, Case>);
