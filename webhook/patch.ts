import { isGated } from '../api/heldpods.ts';
import { PIN, PIN_GATE, PIN_HELD, PIN_NODE } from '../api/labels.ts';
import type { Pod } from '../api/objects.ts';
import type { TakeReply } from '../api/pinning.ts';
import { valueAt } from '../api/records/valueat.ts';
import { type JsonPatchOperation, jsonPointer } from './jsonpatch.ts';

type MetadataField = 'labels' | 'annotations';

export const setEntries = (
  { metadata }: Pod,
  field: MetadataField,
  wanted: Readonly<Record<string, string>>,
): readonly JsonPatchOperation[] => {
  const current = metadata[field];
  const missing = Object.entries(wanted).filter(([key, value]) => valueAt(current, key) !== value);
  if (missing.length === 0) return [];
  // JSON patch adds no entry to a map that is absent.
  if (!current) return [{ op: 'add', path: jsonPointer('metadata', field), value: wanted }];
  return missing.map(([key, value]) => ({ op: 'add', path: jsonPointer('metadata', field, key), value }));
};

export const removeEntries = (
  { metadata }: Pod,
  field: MetadataField,
  keys: readonly string[],
): readonly JsonPatchOperation[] =>
  keys
    .filter((key) => valueAt(metadata[field], key) !== undefined)
    .map((key) => ({ op: 'remove', path: jsonPointer('metadata', field, key) }));

const addGate = (pod: Pod): readonly JsonPatchOperation[] => {
  if (isGated(pod)) return [];
  const gate = { name: PIN_GATE };
  return pod.spec.schedulingGates
    ? [{ op: 'add', path: '/spec/schedulingGates/-', value: gate }]
    : [{ op: 'add', path: '/spec/schedulingGates', value: [gate] }];
};

const removeGate = ({ spec }: Pod): readonly JsonPatchOperation[] => {
  const gates = spec.schedulingGates ?? [];
  const index = gates.findIndex(({ name }) => name === PIN_GATE);
  if (index < 0) return [];
  return [
    { op: 'remove', path: gates.length > 1 ? `/spec/schedulingGates/${index}` : '/spec/schedulingGates' },
  ];
};

const setNodeName = ({ spec }: Pod, nodeName: string): readonly JsonPatchOperation[] =>
  spec.nodeName === nodeName ? [] : [{ op: 'add', path: '/spec/nodeName', value: nodeName }];

const removeNodeName = ({ spec }: Pod): readonly JsonPatchOperation[] =>
  spec.nodeName === undefined ? [] : [{ op: 'remove', path: '/spec/nodeName' }];

const assignPatch = (pod: Pod, { nodeName, intentId }: TakeReply): readonly JsonPatchOperation[] => [
  ...removeGate(pod),
  ...removeEntries(pod, 'labels', [PIN_HELD]),
  ...removeEntries(pod, 'annotations', [PIN_NODE]),
  ...setNodeName(pod, nodeName),
  ...setEntries(pod, 'annotations', { [PIN]: intentId }),
];

const holdPatch = (pod: Pod, { nodeName, intentId }: TakeReply): readonly JsonPatchOperation[] => [
  // The API server rejects a pod with both a node and a gate.
  ...removeNodeName(pod),
  ...addGate(pod),
  ...setEntries(pod, 'labels', { [PIN_HELD]: 'true' }),
  ...setEntries(pod, 'annotations', { [PIN]: intentId, ...(nodeName && { [PIN_NODE]: nodeName }) }),
];

/** The patch that pins a pod by the reply's method, assign or hold; empty when the pod is pinned like that already. */
export const pinPatch = (pod: Pod, reply: TakeReply): readonly JsonPatchOperation[] =>
  reply.way === 'hold' ? holdPatch(pod, reply) : assignPatch(pod, reply);

/** The patch that removes a pin of ours from a pod: node name, gate, label and annotations. */
export const unpinPatch = (pod: Pod): readonly JsonPatchOperation[] => [
  ...removeNodeName(pod),
  ...removeGate(pod),
  ...removeEntries(pod, 'labels', [PIN_HELD]),
  ...removeEntries(pod, 'annotations', [PIN, PIN_NODE]),
];
