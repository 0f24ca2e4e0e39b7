import t from 'tap';
import { AUTOSCALER_POLICY } from '../../api/kinds/autoscalerpolicy.ts';
import { createLogger } from '../../kube/component/log.ts';
import { KubeError } from '../../kube/errors.ts';
import { rememberSeen } from './seen.ts';
import { watchPolicies } from './watch.ts';

/** What a new leader knows of policies that it may not read, or not yet. */

const log = createLogger({ component: 'policies-test', level: 'silent' });
type Data = Readonly<Record<string, string>>;
/** The ConfigMap of features, which outlives leaders. */
const storeOf = () => {
  const state = { data: undefined as Data | undefined, writes: 0, isAway: false };
  const client = {
    get: async () => {
      if (state.isAway) throw new KubeError('the API server is away', { kind: 'retryable' });
      if (!state.data) throw new KubeError('there is none', { kind: 'not-found', status: 404 });
      return { metadata: { name: 'castai-kentroller-features' }, data: state.data };
    },
    apply: async (_: unknown, { data }: { readonly data: Data }) => {
      state.writes += 1;
      state.data = { ...state.data, ...data };
    },
  };
  return { state, client };
};
type Remembering = Parameters<typeof rememberSeen>[0];
const leader = (
  client: unknown,
  cache: { readonly isThere: boolean; readonly absence?: 'forbidden' | 'unserved' | 'removed' },
) =>
  rememberSeen({
    client: client as Remembering['client'],
    namespace: 'ours',
    cache: {
      get: () => (cache.isThere ? { metadata: { name: AUTOSCALER_POLICY }, spec: {} } : undefined),
      absence: cache.absence,
      hasSynced: true,
    },
    log,
    signal: new AbortController().signal,
  });

t.test('a leader without the right knows from those before it whether there was a policy', async (t) => {
  const { state, client } = storeOf();
  const stock = leader(client, { isThere: false });
  await stock.look();
  t.same([stock.wasSeen(), state.writes], [false, 0], 'a stock install writes nothing');
  const refused = leader(client, { isThere: false, absence: 'forbidden' });
  await refused.look();
  t.equal(refused.wasSeen(), false);
  await leader(client, { isThere: true }).look();
  const next = leader(client, { isThere: false, absence: 'forbidden' });
  t.equal(next.wasSeen(), undefined, 'nobody knows before the first look');
  await next.look();
  t.equal(next.wasSeen(), true);
  await leader(client, { isThere: false }).look();
  await refused.look();
  const last = leader(client, { isThere: false, absence: 'forbidden' });
  await last.look();
  t.equal(last.wasSeen(), false, 'a policy that was deleted is over');
});

t.test('a record that can not be read is no record of nothing', async (t) => {
  const { state, client } = storeOf();
  state.isAway = true;
  const refused = leader(client, { isThere: false, absence: 'forbidden' });
  await refused.look();
  t.equal(refused.wasSeen(), undefined);
  state.isAway = false;
  await refused.look();
  t.equal(refused.wasSeen(), false);
});

/** A client whose lists of policies are answered by `list`. */
const clientOf = (list: (signal?: AbortSignal) => Promise<never>) => {
  const { client } = storeOf();
  const ask = (_: unknown, __: unknown, o?: { readonly signal?: AbortSignal }) => list(o?.signal);
  return { ...client, list: ask, request: ask, stream: ask, watch: ask } as unknown as Parameters<
    typeof watchPolicies
  >[0]['client'];
};
const watching = async (list: () => Promise<never>, firstReadMs: number) => {
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  const policies = await watchPolicies({
    client: clientOf(list),
    namespace: 'ours',
    features: () => ({}),
    log,
    signal: stop.signal,
    firstReadMs,
  });
  return policies.now();
};

t.test('a new leader waits for the first answer, and a refusal is one', async (t) => {
  const refuse = async (): Promise<never> => {
    await new Promise((done) => setTimeout(done, 50));
    throw new KubeError('no right', { kind: 'forbidden', status: 403 });
  };
  t.match(await watching(refuse, 60_000), { known: true, policies: { enabled: false } });
});

t.test(
  'a server that does not answer is waited for no longer than it may, and then nothing is known',
  async (t) => {
    const now = await watching(() => new Promise(() => {}), 50);
    t.match(now, { known: false, reason: 'PoliciesNotRead' });
  },
);
