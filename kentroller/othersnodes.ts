import { fieldsOf } from '../api/kinds/published.ts';
import type { KubeClient } from '../kube/client/client.ts';
import type { Logger } from '../kube/component/log.ts';
import { messageOf } from '../kube/errors.ts';
import { readSchemas } from '../kube/preflight/gather.ts';
import type { Planning } from './rebalanceplanclaim/plannerworker.ts';

/** Planning without moves to nodes that Karpenter does not own, while these are off, or the served CRD is too old to name them. */

const KIND = 'RebalancePlan';

/** Whether plans can name such nodes, by the schema that is served; asked again until they can. */
export const servesOthersNodes = (
  client: KubeClient,
  log: Logger,
): ((signal: AbortSignal) => Promise<boolean>) => {
  let isServed = false;
  return async (signal) => {
    if (isServed) return true;
    try {
      const schema = (await readSchemas({ client, signal })).get(KIND);
      if (schema === undefined) return true;
      isServed = [...fieldsOf(schema)].some((field) => field.endsWith('.dstNodeName'));
      if (!isServed) {
        const message =
          'the CRDs are older than this release: no pod is moved to a node that Karpenter does not own';
        log.warn({ kind: KIND }, message);
      }
      return isServed;
    } catch (error) {
      signal.throwIfAborted();
      log.info({ error: messageOf(error) }, 'the served schema of plans could not be read');
      return true;
    }
  };
};

export const withoutOthersNodes =
  (
    planning: Planning,
    o: { readonly isOn: boolean; readonly isServed: (signal: AbortSignal) => Promise<boolean> },
  ): Planning =>
  async (request, timeoutMs, signal, begin) => {
    const mayMove = o.isOn && (await o.isServed(signal));
    const asked = mayMove ? request : { ...request, movesToOthersNodes: false };
    return await planning(asked, timeoutMs, signal, begin);
  };
