import { DescribeInstancesCommand, EC2Client } from '@aws-sdk/client-ec2';
import t from 'tap';
import type { KubeObject, Node, NodeClaim } from '../../../api/objects.ts';
import { NODE_CLAIMS, NODE_POOLS, NODES, PODS, type Resource } from '../../../api/resources.ts';
import { connect } from '../../../kube/client/client.ts';
import { isNotFound } from '../../../kube/errors.ts';
import { up } from '../ground.ts';
import { isAlive } from '../host/processes.ts';
import { until } from '../ready.ts';
import { cloudOf } from './cloud.ts';
import { nodeClaim } from './nodeclaim.ts';
import { ec2NodeClass, nodePool } from './nodepool.ts';

const EC2_NODE_CLASSES: Resource<KubeObject> = {
  group: 'karpenter.k8s.aws',
  version: 'v1',
  kind: 'EC2NodeClass',
  plural: 'ec2nodeclasses',
  namespaced: false,
};
const DEPLOYMENTS: Resource<KubeObject> = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  namespaced: true,
};

const ground = await up({ name: 'cloud-test', cloud: true });
const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'cloud-test' });
const cloud = cloudOf(ground);
const ec2 = new EC2Client({
  endpoint: cloud.endpoint,
  region: 'us-west-2',
  credentials: { accessKeyId: 'ground', secretAccessKey: 'ground' },
});
t.teardown(async () => {
  ec2.destroy();
  client.close();
  await ground.down();
});

const FIELD_MANAGER = { fieldManager: 'cloud-test' };
const isTrue = (object: NodeClaim | Node, type: string): boolean =>
  object.status?.conditions?.some((each) => each.type === type && each.status === 'True') ?? false;
const claimNamed = (name: string) => client.get(NODE_CLAIMS, { name });
const isGone = async (resource: Resource, name: string): Promise<boolean> => {
  try {
    await client.get(resource, { name });
    return false;
  } catch (error) {
    if (isNotFound(error)) return true;
    throw error;
  }
};
const machineOf = (instanceId: string) =>
  ground.processes().find(({ name }) => name === `machine-${instanceId}`);
const instanceIdOf = (claim: NodeClaim): string => claim.status?.providerID?.split('/').at(-1) ?? '';

const readyPool = async () => {
  await client.apply(EC2_NODE_CLASSES, ec2NodeClass(), FIELD_MANAGER);
  await client.apply(NODE_POOLS, nodePool(), FIELD_MANAGER);
  await until('the NodePool is ready and hashed', 30_000, async () => {
    const pool = await client.get(NODE_POOLS, { name: 'default' });
    const isReady = pool.status?.conditions?.some(
      ({ type, status }) => type === 'Ready' && status === 'True',
    );
    return isReady === true && pool.metadata.annotations?.['karpenter.sh/nodepool-hash'] !== undefined;
  });
  return {
    pool: await client.get(NODE_POOLS, { name: 'default' }),
    nodeClass: await client.get(EC2_NODE_CLASSES, { name: 'default' }),
  };
};

const launch = async (name: string, instanceTypes: readonly string[]): Promise<NodeClaim> => {
  const { pool, nodeClass } = await readyPool();
  const claim = nodeClaim({ name, nodePool: pool, nodeClass, instanceTypes, capacityType: 'on-demand' });
  await client.create(NODE_CLAIMS, claim);
  await until(`${name} is launched`, 20_000, async () => isTrue(await claimNamed(name), 'Launched'));
  return claimNamed(name);
};

const initialized = async (name: string): Promise<NodeClaim> => {
  await until(`${name} is initialized`, 30_000, async () => isTrue(await claimNamed(name), 'Initialized'));
  return claimNamed(name);
};

const deployment = (name: string, nodeName: string, replicas: number): KubeObject & { spec: object } => ({
  metadata: { name, namespace: 'default' },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        nodeSelector: { 'kubernetes.io/hostname': nodeName },
        terminationGracePeriodSeconds: 1,
        containers: [
          { name: 'app', image: 'app', resources: { requests: { cpu: '300m', memory: '512Mi' } } },
        ],
      },
    },
  },
});

t.test('a claim becomes a node of its type, takes pods, and leaves nothing behind', async (t) => {
  const launched = await launch('one', ['m5.2xlarge', 'm5.xlarge']);
  const id = instanceIdOf(launched);
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  const instance = Reservations?.[0]?.Instances?.[0];
  t.equal(instance?.InstanceType, 'm5.xlarge', 'the cheaper of the two');

  const claim = await initialized('one');
  t.ok(isTrue(claim, 'Registered'));
  const name = claim.status?.nodeName ?? '';
  t.equal(name, instance?.PrivateDnsName, 'the name was known before the node joined');
  const node = await client.get(NODES, { name });
  t.ok(isTrue(node, 'Ready'));
  t.equal(node.spec?.providerID, `aws:///${instance?.Placement?.AvailabilityZone}/${id}`);
  t.match(node.status?.capacity, { cpu: '4', memory: '16Gi', pods: '58', 'ephemeral-storage': '20Gi' });
  t.match(node.status?.allocatable, { cpu: '3920m', memory: '15391Mi', 'ephemeral-storage': '17Gi' });
  t.match(node.metadata.labels, {
    'karpenter.sh/nodepool': 'default',
    'karpenter.sh/capacity-type': 'on-demand',
    'node.kubernetes.io/instance-type': 'm5.xlarge',
    'topology.kubernetes.io/zone': instance?.Placement?.AvailabilityZone ?? '',
  });
  t.notOk(node.spec?.taints?.length, 'the taints of its user data are off');
  t.ok(node.status?.addresses?.some(({ address }) => address === instance?.PrivateIpAddress));

  await client.create(DEPLOYMENTS, deployment('web', name, 10));
  await until('the pods run', 30_000, async () => {
    const { items } = await client.list(PODS, { namespace: 'default', labelSelector: 'app=web' });
    return (
      items.length === 10 &&
      items.every((pod) => pod.status?.phase === 'Running' && pod.spec.nodeName === name)
    );
  });
  await client.delete(DEPLOYMENTS, { name: 'web', namespace: 'default' });

  const machine = machineOf(id);
  t.ok(machine !== undefined && isAlive(machine));
  await client.delete(NODE_CLAIMS, { name: 'one' });
  await until('the claim is gone', 30_000, () => isGone(NODE_CLAIMS, 'one'));
  t.ok(await isGone(NODES, name));
  await until('the machine is gone', 10_000, async () => machine !== undefined && !isAlive(machine));
  await until('the instance is terminated', 10_000, async () => {
    const found = (await cloud.control.instances()).find((each) => each.id === id);
    return found?.state === 'terminated';
  });
});

t.test('with no capacity for the cheaper type the other one is launched', async (t) => {
  await cloud.control.setFaults({ capacity: [{ instanceType: 'c5.large', capacityType: 'on-demand' }] });
  t.teardown(() => cloud.control.clearFaults());
  const claim = await launch('two', ['c5.large', 'c5.xlarge']);
  const instances = await cloud.control.instances();
  t.equal(instances.find(({ id }) => id === instanceIdOf(claim))?.instanceType, 'c5.xlarge');
  await client.delete(NODE_CLAIMS, { name: 'two' });
});

t.test('with no capacity at all Karpenter gives the claim up', async (t) => {
  await cloud.control.setFaults({ capacity: [{ instanceType: 'r5.large' }] });
  t.teardown(() => cloud.control.clearFaults());
  const { pool, nodeClass } = await readyPool();
  const options = {
    nodePool: pool,
    nodeClass,
    instanceTypes: ['r5.large'],
    capacityType: 'on-demand',
  } as const;
  await client.create(NODE_CLAIMS, nodeClaim({ name: 'three', ...options }));
  await until('the claim is gone', 30_000, () => isGone(NODE_CLAIMS, 'three'));
});

t.test('Karpenter gives up a claim whose spot instance is about to be taken', async (t) => {
  const { pool, nodeClass } = await readyPool();
  const options = { nodePool: pool, nodeClass, instanceTypes: ['m5.large'], capacityType: 'spot' } as const;
  await client.create(NODE_CLAIMS, nodeClaim({ name: 'spot', ...options }));
  await initialized('spot');
  const claim = await claimNamed('spot');
  await cloud.control.interrupt(instanceIdOf(claim), 60_000);
  await until('the claim is gone', 30_000, () => isGone(NODE_CLAIMS, 'spot'));
  t.ok(await isGone(NODES, claim.status?.nodeName ?? ''));
});

t.test('a machine that is not to join never does', async (t) => {
  await cloud.control.setFaults({ noJoin: [{ times: 1 }] });
  const never = instanceIdOf(await launch('never', ['m5.large']));
  await initialized(await launch('joins', ['m5.large']).then(({ metadata }) => metadata.name));
  t.equal(machineOf(never), undefined, 'the one launched after it has joined, it has not');
  for (const name of ['never', 'joins']) await client.delete(NODE_CLAIMS, { name });
});

t.test('a supervisor that is killed takes its machines over when it is back', async (t) => {
  const claim = await launch('four', ['m5.large']);
  await initialized('four');
  const before = machineOf(instanceIdOf(claim));
  t.ok(before !== undefined && isAlive(before));
  await ground.stopProcess('machines', 0);
  t.ok(before !== undefined && isAlive(before), 'a machine outlives its supervisor');
  cloud.restartMachines();
  if (before !== undefined) process.kill(before.pid, 'SIGKILL');
  await until('the kubelet is started again', 20_000, async () => {
    const after = machineOf(instanceIdOf(claim));
    return after !== undefined && after.pid !== before?.pid && isAlive(after);
  });
  const after = machineOf(instanceIdOf(claim));
  await client.delete(NODE_CLAIMS, { name: 'four' });
  await until('the machine is gone', 30_000, async () => after !== undefined && !isAlive(after));
});

t.test('a GPU comes up some time after its node is ready', async (t) => {
  await cloud.control.setFaults({ delays: { devicesMs: 4_000 } });
  const { pool, nodeClass } = await readyPool();
  const options = { nodePool: pool, nodeClass, instanceTypes: ['g5.xlarge'], capacityType: 'spot' } as const;
  await client.create(NODE_CLAIMS, nodeClaim({ name: 'five', ...options }));
  const gpus = async (): Promise<string | undefined> => {
    const { nodeName } = (await claimNamed('five')).status ?? {};
    if (nodeName === undefined) return undefined;
    return (await client.get(NODES, { name: nodeName })).status?.allocatable?.['nvidia.com/gpu'];
  };
  await until('the node is registered', 30_000, async () => isTrue(await claimNamed('five'), 'Registered'));
  t.notOk(Number((await gpus()) ?? 0) > 0, 'no GPU at first');
  await until('the GPU is there', 30_000, async () => (await gpus()) === '1');
  await client.delete(NODE_CLAIMS, { name: 'five' });
});
