import t from 'tap';
import { HOSTNAME } from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import { NODES } from '../../api/resources.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import { apply } from '../rebalanceplan/apply.ts';
import type { Step } from '../rebalanceplan/state/step.ts';
import type { Writer } from '../rebalanceplan/writes/writer.ts';
import * as make from './builders.ts';

/** How a node looks when a test begins. */
export interface Looks {
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly spec?: Node['spec'];
}

/** Nodes of one test file on a real API server: what a plan writes to them, and what a user does. */
export interface NodesOnServer {
  readonly client: KubeClient;
  /** Another client, whose writes are those of somebody else. */
  readonly user: KubeClient;
  /** Creates a node as the user and returns its name. */
  createNode(o?: Looks): Promise<string>;
  /** Applies steps to a node, one after the other, as a plan does. */
  take(node: string, steps: readonly object[], plan?: ReturnType<typeof make.plan>): Promise<void>;
}

/** The nodes are deleted after the file's last test. Throws without KUBECONFIG. */
export const nodesOnServer = (name: string, kubeconfig: string | undefined): NodesOnServer => {
  if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
  const client = connect({ kubeconfig, userAgent: `${name}-test`, qps: 500 });
  const user = connect({ kubeconfig, userAgent: 'a-user', qps: 500 });
  const writer = { client, signal: new AbortController().signal } as unknown as Writer;
  const created: string[] = [];
  t.teardown(async () => {
    for (const node of created) await client.delete(NODES, { name: node }).catch(ignoreNotFound);
    client.close();
    user.close();
  });
  return {
    client,
    user,
    createNode: async (o = {}) => {
      const node = `${name}-${process.pid}-${created.length + 1}`;
      created.push(node);
      await user.create(NODES, {
        // An object without a field of its own gets no managedFields.
        metadata: { name: node, labels: { [HOSTNAME]: node, ...o.labels }, annotations: o.annotations ?? {} },
        spec: o.spec ?? {},
        // Unready nodes would keep the plans of other tests from starting.
        status: { conditions: [{ type: 'Ready', status: 'True' }] },
      });
      return node;
    },
    take: async (node, steps, plan = make.plan()) => {
      for (const step of steps) {
        await apply(writer, make.executionState(plan), { ...step, node } as unknown as Step);
      }
    },
  };
};
