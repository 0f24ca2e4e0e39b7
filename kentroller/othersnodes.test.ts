import t from 'tap';
import type { KubeClient } from '../kube/client/client.ts';
import { createLogger } from '../kube/component/log.ts';
import { servesOthersNodes, withoutOthersNodes } from './othersnodes.ts';
import type { PlanningRequest } from './rebalanceplanclaim/plannerworker.ts';

const log = createLogger({ component: 'test', level: 'silent' });

/** An API server with plans whose moves have these fields; undefined fails. */
const serving = (fields: () => readonly string[] | undefined): KubeClient => {
  const request = async (): Promise<unknown> => {
    const names = fields();
    if (!names) throw new Error('unreachable');
    const items = { type: 'object', properties: Object.fromEntries(names.map((name) => [name, {}])) };
    const spec = { type: 'object', properties: { podsToMigrate: { type: 'array', items } } };
    const kind = { 'x-kubernetes-group-version-kind': [{ kind: 'RebalancePlan' }] };
    return { components: { schemas: { plan: { ...kind, type: 'object', properties: { spec } } } } };
  };
  return { request } as unknown as KubeClient;
};

const askedWith = async (isOn: boolean, client: KubeClient): Promise<() => Promise<unknown>> => {
  const asked: PlanningRequest[] = [];
  const planning = withoutOthersNodes(
    async (request) => {
      asked.push(request);
      return { selectedNodes: [], skippedNodes: [], plan: null } as never;
    },
    { isOn, isServed: servesOthersNodes(client, log) },
  );
  return async () => {
    await planning({} as PlanningRequest, 1, new AbortController().signal);
    return asked.at(-1)?.movesToOthersNodes;
  };
};

t.test('no move to a node of others is planned while the served CRD has no field for it', async (t) => {
  let fields = ['name', 'dstNodeClaimName'];
  const ask = await askedWith(
    true,
    serving(() => fields),
  );
  t.equal(await ask(), false);
  fields = [...fields, 'dstNodeName'];
  t.equal(await ask(), undefined, 'they are once ours is applied');
});

t.test('a schema that can’t be read changes nothing, and the setting turns these moves off', async (t) => {
  const broken = serving(() => undefined);
  t.equal(await (await askedWith(true, broken))(), undefined);
  t.equal(await (await askedWith(false, broken))(), false);
});
