import t from 'tap';
import { type ClientMessage, type Intent, loadPinningServices, type ServerMessage } from './pinning.ts';

const intent: Intent = {
  id: 'plan/node/a',
  plan: 'p',
  nodeClaim: 'p-1',
  nodeName: '',
  node: {
    providerId: 'aws:///us-west-2a/i-1',
    labels: { a: 'b' },
    annotations: {},
    taints: [{ key: 'k', value: '', effect: 'NoSchedule', startup: false }],
    capacity: { cpu: '4' },
    allocatable: { cpu: '3920m' },
    joinDeadlineMs: 1_800_000_000_000,
    nodeClaimUid: 'u',
  },
};

t.test('an intent comes back from the wire as it was, with empty fields as empty strings', async (t) => {
  const { pinning } = loadPinningServices();
  const method = pinning.Stream;
  if (!method) throw new Error('Stream is not in pinning.proto');
  const message: ServerMessage = { version: 7, upsert: intent };
  t.strictSame(method.responseDeserialize(method.responseSerialize(message)), message);
});

t.test('a oneof that is not set is absent', async (t) => {
  const { pinning } = loadPinningServices();
  const method = pinning.Stream;
  if (!method) throw new Error('Stream is not in pinning.proto');
  const message: ClientMessage = { hello: { clientId: 'c', clusterId: '', lastVersion: 0 } };
  const back = method.requestDeserialize(method.requestSerialize(message)) as ClientMessage;
  t.strictSame(back, message);
  t.notOk('result' in back);
});
