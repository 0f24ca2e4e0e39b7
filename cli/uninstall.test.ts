import t from 'tap';
import type { Pod } from '../api/objects.ts';
import { PODS } from '../api/resources.ts';
import type { KubeClient } from '../kube/client/client.ts';
import { KubeError } from '../kube/errors.ts';
import type { InstalledObject } from '../kube/preflight/facts.ts';
import { installedObjects, OUR_MARK } from '../kube/preflight/installed.ts';
import { MemoryApi } from '../kube/testing/memory/api.ts';
import { memoryClient, type Wire } from '../kube/testing/memory/client.ts';
import { parseFlags } from './flags.ts';
import { UNINSTALL_FLAGS, UNINSTALL_SWITCHES, uninstallCommand } from './uninstall.ts';

/** What `uninstall` says of installed objects that no deletion of a folder or release has reached. */

const KEPT = 'castai-kept-nominations';

/** A cluster that has these of our objects, and what `uninstall` does there. */
const cluster = (
  isThere: (one: InstalledObject) => boolean,
  carry: Wire = async (_, serve) => serve(),
  namespace = 'castai-agent',
  labels: (one: InstalledObject) => Readonly<Record<string, string>> = () => OUR_MARK,
) => {
  const api = new MemoryApi({ now: Date.now });
  const client = memoryClient(api, carry);
  const ready = Promise.all(
    installedObjects(namespace)
      .filter(isThere)
      .map((one) => client.create(one.resource, { metadata: { ...one.ref, labels: labels(one) } })),
  );
  return {
    uninstall: async (...argv: string[]) => {
      await ready;
      const flags = parseFlags(
        ['uninstall', `--namespace=${namespace}`, ...argv],
        new Set(UNINSTALL_FLAGS),
        new Set(UNINSTALL_SWITCHES),
      );
      return uninstallCommand({ client, flags, now: Date.now });
    },
    client,
    left: () =>
      installedObjects(namespace)
        .filter(({ resource, ref }) => api.store.get(resource, ref))
        .map(({ resource, ref }) => `${resource.kind} ${ref.name}`),
  };
};

const isKept = ({ ref }: InstalledObject): boolean => ref.name === KEPT;

t.test('the overlay kept-nominations acts on when its folder was not the one that was deleted', async (t) => {
  const { uninstall, left } = cluster(isKept);
  const shown = await uninstall();
  t.match(shown.out, `MutatingAdmissionPolicy ${KEPT}: delete it`);
  t.match(shown.out, `MutatingAdmissionPolicyBinding ${KEPT}: delete it`);
  t.equal(left().length, 2, 'without --yes it changes nothing');
  const undone = await uninstall('--yes');
  t.match(undone, { code: 0, out: /All of it is undone/ });
  t.same(left(), []);
  t.match(await uninstall('--yes'), { code: 0, out: /Nothing of precision-packer is left to undo/ });
});

t.test('what stands outside of the namespace is named, with the command that removes it', async (t) => {
  const names = ['castai-kentroller-policies', 'castai-agent-leases', 'precision-packer-viewer'];
  const { uninstall, left } = cluster(
    ({ ref }) => names.includes(ref.name) || ref.namespace === 'kube-node-lease',
  );
  const { out } = await uninstall();
  for (const line of [
    'kubectl delete --ignore-not-found flowschemas.flowcontrol.apiserver.k8s.io castai-agent-leases',
    'kubectl delete --ignore-not-found clusterroles.rbac.authorization.k8s.io precision-packer-viewer castai-kentroller-policies',
    'kubectl delete --ignore-not-found clusterrolebindings.rbac.authorization.k8s.io castai-kentroller-policies',
    'kubectl delete --ignore-not-found --namespace=kube-node-lease roles.rbac.authorization.k8s.io castai-pod-pinner',
  ])
    t.ok(out.includes(`${line}\n`), line);
  t.notMatch(out, /castai-kentroller-policies in|services /, 'what goes with the namespace is not named');
  const before = left();
  t.match(await uninstall('--yes'), { code: 0 });
  t.same(left(), before, 'nothing of it acts by itself, so it is left to whoever installed it');
});

t.test('another namespace is named by its own name, and what else is in it is thought of', async (t) => {
  const { uninstall } = cluster(() => true, undefined, 'rebalancing');
  const { out } = await uninstall();
  t.match(
    out,
    /what else is in it was not looked at.*\n {2}kubectl delete --ignore-not-found namespaces rebalancing\n/,
  );
  t.match(
    out,
    /\n {2}kubectl delete --ignore-not-found --namespace=rebalancing --selector=app.kubernetes.io\/part-of=precision-packer \S*deployments.apps,\S*\n/,
    'where others use it, ours alone can go',
  );
  t.notMatch(out, 'monitoring.coreos.com', 'a kind that is not served would fail the command');
});

t.test('a namespace of others is never named for removal', async (t) => {
  const isNamespace = ({ resource }: InstalledObject): boolean => resource.kind === 'Namespace';
  const alone = cluster(isNamespace, undefined, 'castai-agent', () => ({}));
  const { out } = await alone.uninstall();
  t.notMatch(out, 'kubectl delete', 'the namespace of another agent, in which nothing of ours ever was');
  t.match(out, /Not marked as ours .*:\n {2}Namespace castai-agent\n/);
  const shared = cluster(
    (one) => isNamespace(one) || one.resource.kind === 'FlowSchema',
    undefined,
    'castai-agent',
    (one) => (isNamespace(one) ? { owner: 'others' } : OUR_MARK),
  );
  const told = (await shared.uninstall('--yes')).out;
  t.match(told, / {2}kubectl delete --ignore-not-found flowschemas/);
  t.match(told, / {2}kubectl delete --ignore-not-found --namespace=castai-agent --selector=/);
  t.notMatch(told, / namespaces /);
  t.equal(shared.left().length, 3);
});

t.test('an object of others that has a name of ours is left alone', async (t) => {
  const { uninstall, left } = cluster(
    (one) => isKept(one) || one.ref.name === 'castai-kentroller',
    undefined,
    'castai-agent',
    () => ({ 'app.kubernetes.io/part-of': 'another-agent' }),
  );
  const before = left();
  const { out } = await uninstall('--yes');
  t.same(left(), before, 'no policy of others is deleted');
  t.notMatch(out, 'kubectl delete');
  t.match(out, `  MutatingAdmissionPolicy ${KEPT}\n`);
  t.match(out, '  ClusterRole castai-kentroller\n');
});

/** A pod of ours that is ready. */
const runPod = async (client: KubeClient, app: string, namespace: string): Promise<void> => {
  const ref = { name: `${app}-1`, namespace };
  const pod: Pod = { metadata: { ...ref, labels: { app } }, spec: { containers: [] } };
  await client.create(PODS, pod);
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
  await client.patch(PODS, ref, { status }, { subresource: 'status' });
};

t.test('an installation that lives in another namespace keeps what the cluster has once', async (t) => {
  const { client, uninstall, left } = cluster(isKept);
  await runPod(client, 'castai-kentroller', 'rebalancing');
  const lives = /castai-kentroller still runs in namespace rebalancing: .*--namespace=rebalancing/;
  t.match(await uninstall(), { code: 0, err: [lives] });
  await t.rejects(uninstall('--yes'), { message: lives });
  t.equal(left().length, 2, 'its policy is there');
  await runPod(client, 'castai-pod-pinner', 'castai-agent');
  await t.rejects(uninstall('--yes'), {
    message:
      /^castai-pod-pinner still runs in namespace castai-agent, castai-kentroller still runs in namespace rebalancing: /,
  });
});

t.test('where nothing is there, nothing is named', async (t) => {
  const { uninstall } = cluster(() => false);
  t.notMatch((await uninstall()).out, 'kubectl delete');
  t.notMatch((await uninstall('--yes')).out, 'kubectl delete');
});

t.test('a kind that may not be read is not told as gone', async (t) => {
  const refusing = (kind: string) =>
    cluster(isKept, async ({ verb, resource }, serve) => {
      if (verb === 'get' && resource.kind === kind)
        throw new KubeError(`${resource.plural} is forbidden`, { kind: 'forbidden', status: 403 });
      return serve();
    }).uninstall;
  const policies = refusing('MutatingAdmissionPolicy');
  t.match(await policies(), { code: 5, err: [/^mutatingadmissionpolicies can't be read: .*is forbidden/] });
  t.match(await policies('--yes'), { code: 5 });
  const flows = refusing('FlowSchema');
  const told = { code: 0, err: [/^flowschemas can't be read: .*is forbidden/] };
  t.match(await flows(), told, 'it does nothing by itself');
  t.match(await flows('--yes'), told);
});
