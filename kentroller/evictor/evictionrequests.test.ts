import t from 'tap';
import type { EvictionRequest } from '../../api/objects.ts';
import { KubeError } from '../../kube/errors.ts';
import { readEvictionRequests } from './evictionrequests.ts';

const { signal } = new AbortController();
const request = (
  uid: string,
  o: Partial<EvictionRequest> & { intent?: 'Eviction' | 'Withdrawn' } = {},
): EvictionRequest => ({
  metadata: { name: uid, namespace: 'default' },
  spec: {
    target: { pod: { name: uid, uid } },
    requester: 'example.com/drain',
    intent: o.intent ?? 'Eviction',
  },
  ...(o.status && { status: o.status }),
});
const ended = (type: string) => ({ status: { conditions: [{ type, status: 'True' as const }] } });

t.test('open requests for pods count, withdrawn and ended ones do not', async (t) => {
  const items = [
    request('open'),
    request('withdrawn', { intent: 'Withdrawn' }),
    request('evicted', ended('TargetEvicted')),
    request('failed', ended('Failed')),
  ];
  const client = { list: async () => ({ items }) };
  t.same([...(await readEvictionRequests(client as never, signal))], [['open', 'example.com/drain']]);
});

t.test('where the kind is not served nobody asks', async (t) => {
  const client = { list: () => Promise.reject(new KubeError('not found', { kind: 'unserved' })) };
  t.equal((await readEvictionRequests(client as never, signal)).size, 0);
});
