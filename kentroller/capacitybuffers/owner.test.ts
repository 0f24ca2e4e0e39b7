import t from 'tap';
import type { CapacityBuffer, ManagedFields } from '../../api/objects.ts';
import { ACTIVE_CAPACITY, BUFFER_MANAGER, GRACE_MS, type Standing, standings } from './owner.ts';

/** Who serves a buffer, by who has written statuses. */

const NOW = Date.parse('2026-11-30T12:00:00Z');
const OURS: ManagedFields = { manager: BUFFER_MANAGER, operation: 'Apply', subresource: 'status' };
const KARPENTER: ManagedFields = { manager: 'karpenter', operation: 'Update', subresource: 'status' };
const USER: ManagedFields = { manager: 'kubectl', operation: 'Update' };
const STATUS = { replicas: 2 };

const buffer = (
  name: string,
  o: {
    readonly strategy?: string;
    readonly age?: number;
    readonly writers?: readonly ManagedFields[];
    readonly status?: CapacityBuffer['status'];
  } = {},
): CapacityBuffer => ({
  metadata: {
    name,
    namespace: 'shop',
    creationTimestamp: new Date(NOW - (o.age ?? GRACE_MS)).toISOString(),
    managedFields: o.writers ?? [USER],
  },
  spec: { replicas: 2, ...(o.strategy !== undefined && { provisioningStrategy: o.strategy }) },
  ...(o.status && { status: o.status }),
});

/** Sentence, buffers, what the first of them is. */
const CASES: readonly (readonly [string, readonly CapacityBuffer[], Standing['kind'], RegExp?])[] = [
  ['that nobody has written to', [buffer('a')], 'serve'],
  ['with the usual strategy', [buffer('a', { strategy: ACTIVE_CAPACITY })], 'serve'],
  ['of another strategy', [buffer('a', { strategy: 'buffer.gke.io/standby-capacity' })], 'foreign'],
  ['that is new is left to others for a while', [buffer('a', { age: 1_000 })], 'wait'],
  [
    'that is ours stays so, however new',
    [buffer('a', { age: 1, writers: [USER, OURS], status: STATUS })],
    'serve',
  ],
  [
    'whose status Karpenter has written',
    [buffer('a', { writers: [USER, KARPENTER], status: STATUS })],
    'aside',
    /karpenter has written its status/,
  ],
  [
    'that both have written to',
    [buffer('a', { writers: [OURS, KARPENTER], status: STATUS })],
    'aside',
    /karpenter/,
  ],
  ['with a status of nobody', [buffer('a', { status: STATUS })], 'aside', /somebody unknown/],
  ['with an empty status', [buffer('a', { status: {} })], 'serve'],
  [
    'beside one that somebody else serves',
    [buffer('a'), buffer('b', { writers: [KARPENTER], status: STATUS })],
    'aside',
    /the status of CapacityBuffer shop\/b/,
  ],
  [
    'that is new beside such a one',
    [buffer('a', { age: 1 }), buffer('b', { writers: [KARPENTER], status: STATUS })],
    'aside',
  ],
  [
    'beside one of another strategy that somebody serves',
    [buffer('a'), buffer('b', { strategy: 'mine', writers: [KARPENTER], status: STATUS })],
    'serve',
  ],
  [
    'of another strategy beside such a one',
    [buffer('a', { strategy: 'mine' }), buffer('b', { writers: [KARPENTER], status: STATUS })],
    'foreign',
  ],
];

for (const [says, buffers, kind, message] of CASES) {
  t.test(`a buffer ${says}: ${kind}`, async (t) => {
    const standing = standings(buffers, NOW).get('shop/a');
    t.equal(standing?.kind, kind);
    if (message && standing?.kind === 'aside') t.match(standing.message, message);
  });
}
