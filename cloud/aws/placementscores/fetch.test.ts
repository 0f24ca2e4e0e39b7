import type { EC2Client } from '@aws-sdk/client-ec2';
import t from 'tap';
import { fetchPlacementScores } from './fetch.ts';
import { unreadScores } from './unread.ts';

/** What is asked of EC2, what of its answers counts, and what its errors mean. */

const { signal } = new AbortController();
const TYPES = ['m5.large', 'm5.xlarge', 'm5.2xlarge'];

/** Scores from pages, of which each but the last has a token, and the inputs of all calls. */
const fetched = async (pages: readonly (readonly object[])[]) => {
  const inputs: { readonly [key: string]: unknown }[] = [];
  const send = async ({ input }: { readonly input: { readonly [key: string]: unknown } }) => {
    const page = pages[inputs.length] ?? pages[0];
    inputs.push(input);
    return {
      SpotPlacementScores: page,
      ...(inputs.length !== pages.length && { NextToken: `page-${inputs.length}` }),
    };
  };
  const scores = await fetchPlacementScores({ send } as unknown as EC2Client, 'us-west-2', TYPES, signal);
  return { scores: Object.fromEntries(scores), inputs };
};
const scored = (AvailabilityZoneId: string | undefined, Score: number | undefined) => ({
  ...(AvailabilityZoneId && { AvailabilityZoneId }),
  ...(Score !== undefined && { Score }),
});

t.test('each zone of the region is asked for by itself, page by page', async (t) => {
  const { scores, inputs } = await fetched([[scored('usw2-az1', 1)], [scored('usw2-az2', 10)]]);
  t.same(scores, { 'usw2-az1': 1, 'usw2-az2': 10 });
  t.match(inputs, [
    { InstanceTypes: TYPES, SingleAvailabilityZone: true, RegionNames: ['us-west-2'], NextToken: undefined },
    { NextToken: 'page-1' },
  ]);
  const { NextToken: _, ...second } = inputs[1] ?? {};
  t.same(second, inputs[0], 'as the same configuration, which AWS does not count again');
});

t.test('what is no score of a zone is left out, and pages end', async (t) => {
  const { scores } = await fetched([
    [scored(undefined, 5), scored('a', 0), scored('b', 11), scored('c', undefined), scored('d', 3)],
  ]);
  t.same(scores, { d: 3 });
  const endless = Array.from({ length: 1_000 }, () => [scored('a', 3)]);
  t.ok((await fetched(endless)).inputs.length <= 10);
});

t.test('an error says which of the calls to come are in vain', async (t) => {
  const cases = [
    ['UnauthorizedOperation', 'denied', /ec2:GetSpotPlacementScores/],
    ['MaxConfigLimitExceeded', 'limited', /no new configuration/],
    ['RequestLimitExceeded', 'throttled', /throttles/],
    ['CredentialsProviderError', 'no-credentials', /no AWS credentials/],
    ['InvalidAction', 'unsupported', /region/],
    ['TimeoutError', 'unanswered', /it took too long/],
  ] as const;
  for (const [name, kind, reason] of cases) {
    const found = unreadScores(Object.assign(new Error('it took too long'), { name }));
    t.equal(found.kind, kind, name);
    t.match(found.reason, reason, name);
  }
});
