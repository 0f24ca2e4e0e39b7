import type t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { KARPENTER_DO_NOT_DISRUPT, KARPENTER_NODEPOOL, PREPARING_TAINT } from '../../api/labels.ts';
import * as resources from '../../api/resources.ts';
import { createAwsCloud } from '../../cloud/aws/awscloud.ts';
import { sdkReader } from '../../cloud/aws/sdkreader.ts';
import type { Cloud } from '../../cloud/cloud.ts';
import { LOCKED_BY } from '../../kentroller/rebalanceplan/state/labels.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { isNotFound } from '../../kube/errors.ts';
import { cloudOf } from '../ground/aws/cloud.ts';
import type { Ground } from '../ground/ground.ts';
import { applyPool, dropPool, machinesReady, orderMachine } from '../support/fleet.ts';
import { applyDeployment, createNamespace, deleteNamespace, podsRunning } from '../support/workload.ts';
import { closeKentrollerAccount, openKentrollerAccount } from './account.ts';
import { startSession } from './session.ts';

const ENV = {
  PIN_ACKNOWLEDGE_TIMEOUT: '500ms',
  PLAN_SETTLE_TIMEOUT: '20s',
  PLAN_TIME_BUDGET: '1s',
  AWS_REGION: 'us-west-2',
};

/** Number of pods of each scene, all of one Deployment. */
export const PODS = 6;

type Test = Pick<typeof t, 'equal'>;

/** A ground with a cloud and our CRDs; a test runs kentroller on it. */
export interface Stage {
  readonly client: KubeClient;
  /** Of kentroller's account, which our admission policies judge. */
  readonly kubeconfig: string;
  readonly cloud: Cloud;
  readonly env: Readonly<Record<string, string>>;
  /** A NodePool, too many machines, and the pods on them. */
  set(name: string, machines: number): Promise<void>;
  clear(name: string): Promise<void>;
  /** Runs kentroller while the act lasts. */
  play(env: Readonly<Record<string, string>>, act: () => Promise<void>): Promise<void>;
  /** What every plan must leave behind, however often its process died. */
  checkNothingLeft(test: Test, plan: RebalancePlan): Promise<void>;
  close(): void;
}

export const openStage = async (ground: Ground): Promise<Stage> => {
  const stopping = new AbortController();
  const client = connect({
    kubeconfig: ground.kubeconfig,
    userAgent: 'kentroller-test',
    qps: 200,
    burst: 400,
  });
  Object.assign(process.env, cloudOf(ground).env);
  const cloud = createAwsCloud({
    region: 'us-west-2',
    reader: sdkReader({ region: 'us-west-2', vmMemoryOverhead: 0.075 }),
    pricesEveryMs: 3_600_000,
    spotEveryMs: 3_600_000,
    log: createLogger({ component: 'cloud', level: 'fatal' }),
    signal: stopping.signal,
  });
  const kubeconfig = await openKentrollerAccount(ground, client);
  const gone = (error: unknown): void => {
    if (!isNotFound(error)) throw error;
  };
  return {
    client,
    kubeconfig,
    cloud,
    env: ENV,
    set: async (name, machines) => {
      const pool = await applyPool(client, { name });
      const names = Array.from({ length: machines }, (_, i) => `${name}-${i + 1}`);
      const order = { instanceType: 'm5.xlarge', zone: 'us-west-2a' };
      await Promise.all(names.map((claim) => orderMachine(client, pool, { name: claim, ...order })));
      await machinesReady(client, names, 120_000);
      await createNamespace(client, name);
      const app = { name: 'app', replicas: PODS, cpu: '200m', memory: '256Mi' };
      await applyDeployment(client, { namespace: name, pool: name, ...app });
      await podsRunning(client, name, PODS, 60_000);
    },
    clear: async (name) => {
      await cloudOf(ground).control.clearFaults();
      await deleteNamespace(client, name);
      const claims = await client.list(resources.REBALANCE_PLAN_CLAIMS);
      const plans = await client.list(resources.REBALANCE_PLANS);
      for (const c of claims.items) {
        await client.delete(resources.REBALANCE_PLAN_CLAIMS, { name: c.metadata.name }).catch(gone);
      }
      for (const p of plans.items) {
        // No controller is left that would remove the finalizer.
        const unheld = { metadata: { finalizers: null } };
        await client.patch(resources.REBALANCE_PLANS, { name: p.metadata.name }, unheld).catch(gone);
        await client.delete(resources.REBALANCE_PLANS, { name: p.metadata.name }).catch(gone);
      }
      await dropPool(client, name);
    },
    play: async (env, act) => {
      const session = startSession({ kubeconfig, cloud, env: { ...ENV, ...env } });
      try {
        await act();
      } finally {
        session.stop();
        await session.ended;
      }
    },
    checkNothingLeft: async (test, plan) => {
      for (const node of (await client.list(resources.NODES)).items) {
        const { annotations = {} } = node.metadata;
        test.equal(annotations[LOCKED_BY], undefined, 'no lock of the plan is left');
        test.equal(annotations[KARPENTER_DO_NOT_DISRUPT], undefined, 'Karpenter may disrupt again');
        const isReserved = node.spec?.taints?.some((taint) => taint.key === PREPARING_TAINT) ?? false;
        test.equal(isReserved, false, 'no reservation is left');
        test.equal(node.spec?.unschedulable ?? false, false, 'no node stays cordoned');
      }
      const [first] = plan.spec.nodeClaimsToAdd ?? [];
      const pool = first?.metadata.labels?.[KARPENTER_NODEPOOL];
      const { items } = await client.list(resources.NODE_CLAIMS, {
        labelSelector: `${KARPENTER_NODEPOOL}=${pool}`,
      });
      const added = (plan.spec.nodeClaimsToAdd ?? []).length;
      test.equal(items.length, added, 'as many machines as the plan adds, no orphans');
    },
    close: () => {
      stopping.abort();
      closeKentrollerAccount(ground);
      client.close();
    },
  };
};
