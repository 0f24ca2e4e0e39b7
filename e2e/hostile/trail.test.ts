import t from 'tap';
import { KARPENTER_DO_NOT_DISRUPT } from '../../api/labels.ts';
import type { AuditEvent } from './auditlog.ts';
import { judge } from './trail.ts';

const OURS = 'system:serviceaccount:castai-agent:castai-kentroller';
const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'app', uid: 'rs', controller: true };

const timeOf = (second: number): string => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();

const event = (
  second: number,
  username: string,
  verb: string,
  resource: string,
  more: Partial<AuditEvent> & { readonly subresource?: string } = {},
): AuditEvent => {
  const { subresource, ...rest } = more;
  const place = resource === 'pods' ? { namespace: 'shop', name: 'app-1' } : { name: 'node-1' };
  return {
    auditID: `${second}`,
    level: 'RequestResponse',
    verb,
    user: { username },
    objectRef: { resource, ...place, ...(subresource && { subresource }) },
    requestURI: '/',
    requestReceivedTimestamp: timeOf(second),
    stageTimestamp: timeOf(second),
    ...rest,
  };
};

const pod = (metadata: object = { ownerReferences: [owner] }, more: object = {}) => ({
  metadata: { name: 'app-1', namespace: 'shop', uid: 'p1', ...metadata },
  spec: { containers: [], nodeSelector: { pool: 'a' } },
  ...more,
});
const node = (labels: Readonly<Record<string, string>>, taints: readonly object[] = []) => ({
  metadata: { name: 'node-1', uid: 'n1', labels },
  spec: { taints },
});
const made = (responseObject: object, resource = 'pods') =>
  event(1, 'admin', 'create', resource, { responseObject: responseObject as never });
const bound = (second: number) =>
  event(second, OURS, 'create', 'pods', {
    subresource: 'binding',
    requestObject: { target: { name: 'node-1' } },
  });
const evicted = (second: number, username = OURS) =>
  event(second, username, 'create', 'pods', { subresource: 'eviction' });
const deleted = (phase: string) =>
  event(30, OURS, 'delete', 'pods', {
    responseObject: pod({ ownerReferences: [owner] }, { status: { phase } }) as never,
  });
const protectedSince = (second: number) =>
  event(second, 'admin', 'patch', 'pods', {
    responseObject: pod({
      ownerReferences: [owner],
      annotations: { [KARPENTER_DO_NOT_DISRUPT]: 'true' },
    }) as never,
  });

const found = (...events: readonly AuditEvent[]): readonly string[] =>
  judge(events, 'shop').violations.map((line) => line.replace(/ at \S+,/, ','));

t.test('bindings', async (t) => {
  t.strictSame(found(made(pod()), made(node({ pool: 'a' }), 'nodes'), bound(30)), []);
  t.strictSame(found(made(pod()), made(node({ pool: 'b' }), 'nodes'), bound(30)), [
    '1: pod shop/app-1 was bound to node-1, which its selector rules out',
  ]);
  const tainted = node({ pool: 'a' }, [{ key: 'mine', effect: 'NoSchedule' }]);
  t.strictSame(found(made(pod()), made(tainted, 'nodes'), bound(30)), [
    '1: pod shop/app-1 was bound to node-1, which taint mine rules out',
  ]);
  const news = event(29, 'admin', 'patch', 'nodes', { responseObject: tainted as never });
  t.strictSame(found(made(pod()), made(node({ pool: 'a' }), 'nodes'), news, bound(30)), [], 'news');
  t.strictSame(found(made(pod()), made(node({ pool: 'a' }), 'nodes'), bound(30), bound(31)), [
    '1: pod p1 was bound twice',
  ]);
});

t.test('pods that the webhook gives a node', async (t) => {
  const assigned = event(30, 'replicaset-controller', 'create', 'pods', {
    responseObject: pod(
      { ownerReferences: [owner] },
      {
        spec: { containers: [], nodeName: 'node-1', nodeSelector: { pool: 'a' } },
      },
    ) as never,
  });
  t.strictSame(found(made(node({ pool: 'a' }), 'nodes'), assigned), []);
  t.strictSame(found(made(node({ pool: 'b' }), 'nodes'), assigned), [
    '1: pod shop/app-1 was bound to node-1, which its selector rules out',
  ]);
});

t.test('evictions', async (t) => {
  t.strictSame(found(made(pod()), evicted(30)), []);
  t.strictSame(found(made(pod()), evicted(30), protectedSince(31)), [], 'protected too late');
  t.strictSame(found(made(pod()), protectedSince(29), evicted(30)), [
    '5: pod shop/app-1 was evicted, though it is do-not-disrupt',
  ]);
  t.strictSame(found(made(pod()), protectedSince(29), evicted(30, 'admin')), [], 'by somebody else');
  t.strictSame(found(made(pod({})), evicted(30)), ['5: pod shop/app-1 was evicted, though it is bare']);
});

t.test('deletions', async (t) => {
  t.strictSame(found(made(pod()), deleted('Failed')), []);
  t.strictSame(found(made(pod()), deleted('Running')), [`5: ${OURS} deleted pod shop/app-1, which ran`]);
});
