import { readFileSync } from 'node:fs';
import type { EC2Client } from '@aws-sdk/client-ec2';
import type { PricingClient } from '@aws-sdk/client-pricing';
import t from 'tap';
import { lackedActions } from './askrights.ts';
import { READ_CALLS } from './livecatalogue.ts';
import { ZONAL_SHIFT_CALL } from './zonalshift/managedresource.ts';

interface Command {
  readonly constructor: { readonly name: string };
  readonly input: { readonly DryRun?: boolean };
}

const named = (name: string): Error => Object.assign(new Error(name), { name });

/** Clients that answer each call by its name as IAM would. */
const clients = (answerOf: (call: string) => Error | undefined) => {
  const calls: string[] = [];
  const send = async ({ constructor: { name }, input }: Command): Promise<object> => {
    const call = name.replace(/Command$/, '');
    calls.push(`${call}${input.DryRun ? ' dry' : ''}`);
    const error = answerOf(call);
    if (error) throw error;
    return {};
  };
  const client = { send, destroy: () => {} };
  return {
    calls,
    o: {
      region: 'us-west-2',
      machines: [],
      signal: AbortSignal.timeout(60_000),
      ec2: client as unknown as EC2Client,
      pricing: client as unknown as PricingClient,
    },
  };
};

t.test('all calls are dry runs but the price list, which has none', async (t) => {
  const { calls, o } = clients((call) => (call === 'GetProducts' ? undefined : named('DryRunOperation')));
  t.same((await lackedActions(o)).lacked, []);
  t.same(
    calls.filter((call) => !call.endsWith(' dry')),
    ['GetProducts'],
  );
  t.same(
    READ_CALLS.filter((action) => !calls.some((call) => call.startsWith(action.split(':')[1] ?? ''))),
    [],
    'whatever a catalogue is read with is asked for',
  );
});

t.test('each action that is denied is named', async (t) => {
  const { o } = clients((call) =>
    call === 'GetProducts'
      ? named('AccessDeniedException')
      : named(call === 'DescribeInstances' ? 'UnauthorizedOperation' : 'DryRunOperation'),
  );
  t.same((await lackedActions(o)).lacked, ['ec2:DescribeInstances', 'pricing:GetProducts']);
});

t.test('whatever the policy grants is asked for', async (t) => {
  const { Statement } = JSON.parse(
    readFileSync(new URL('../../manifests/aws/iam-policy.json', import.meta.url), 'utf8'),
  ) as { readonly Statement: readonly { readonly Action: readonly string[] }[] };
  const granted = Statement.flatMap(({ Action }) => Action);
  const { o } = clients(() => named('AccessDenied'));
  const { lacked, unasked } = await lackedActions(o);
  t.match(unasked, /machines/, 'zonal shifts are those of a cluster, which machines tell');
  t.same([...lacked, ZONAL_SHIFT_CALL].sort(), [...granted].sort());
});

t.test('an error that says nothing about rights is no lack', async (t) => {
  const { o } = clients((call) => named(call === 'GetProducts' ? 'TimeoutError' : 'DryRunOperation'));
  await t.rejects(lackedActions(o), { name: 'TimeoutError' });
});
