import { EVENTS, NODE_CLAIMS, NODES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { getOrUndefined } from '../../kube/ignore.ts';
import { until } from '../../kube/testing/until.ts';

/** A machine by the name of its NodeClaim and that of its node. */
export type Machine = readonly [claim: string, node: string];

/** What tests look at on a machine that may go. */
export interface MachineLooks {
  /** Whether its NodeClaim is being deleted, or gone. */
  isGoing(claim: string): Promise<boolean>;
  /** Our events about a node, 'Reason: message'. */
  eventsOf(node: string): Promise<readonly string[]>;
  says(node: string, what: RegExp): Promise<boolean>;
  /** Waits, and says in the end what the machine looked like. */
  waitFor(what: string, machine: Machine, isSo: () => Promise<boolean>): Promise<void>;
}

const LONG = { timeoutMs: 180_000, everyMs: 250 };

export const looksAt = (client: KubeClient): MachineLooks => {
  const eventsOf = async (node: string): Promise<readonly string[]> => {
    const { items } = await client.list(EVENTS, { fieldSelector: `involvedObject.name=${node}` });
    return items.map(({ reason, message }) => `${reason}: ${message}`);
  };
  const looksOf = async (claim: string, node: string): Promise<string> => {
    const found = await getOrUndefined(client.get(NODE_CLAIMS, { name: claim }));
    const there = await getOrUndefined(client.get(NODES, { name: node }));
    return JSON.stringify({
      claim: found?.metadata,
      conditions: found?.status?.conditions?.map(({ type, status }) => `${type}=${status}`),
      spec: there?.spec,
      events: await eventsOf(node),
    });
  };
  return {
    eventsOf,
    says: async (node, what) => (await eventsOf(node)).some((event) => what.test(event)),
    isGoing: async (claim) => {
      const found = await getOrUndefined(client.get(NODE_CLAIMS, { name: claim }));
      return found === undefined || found.metadata.deletionTimestamp !== undefined;
    },
    waitFor: async (what, [claim, node], isSo) => {
      try {
        await until(what, isSo, LONG);
      } catch (error) {
        throw new Error(`${what}: it is ${await looksOf(claim, node)}`, { cause: error });
      }
    },
  };
};
