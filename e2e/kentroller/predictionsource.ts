import { parse } from 'yaml';
import { INSTALL_NAMESPACE } from '../../api/labels.ts';
import { CONFIG_MAPS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { getOrUndefined } from '../../kube/ignore.ts';
import { until } from '../../kube/testing/until.ts';

/** Where kentroller says how prediction and its sources are. */
export const PREDICTION_STATUS = { namespace: INSTALL_NAMESPACE, name: 'castai-kentroller-spot-prediction' };

/** Waits until kentroller's condition of a source of predictions, 'Reason: message', matches. */
export const sourceSaid = (
  client: KubeClient,
  source: string,
  pattern: RegExp,
  o: { readonly timeoutMs: number; readonly everyMs: number },
): Promise<boolean> =>
  until(
    `${source} says ${pattern}`,
    async () => {
      const map = await getOrUndefined(client.get(CONFIG_MAPS, PREDICTION_STATUS));
      const all: { readonly type: string; readonly reason: string; readonly message: string }[] = parse(
        map?.data?.['conditions.yaml'] ?? '[]',
      );
      const found = all.find(({ type }) => type === source);
      const said = `${found?.reason}: ${found?.message}`;
      if (!pattern.test(said)) throw new Error(said);
      return true;
    },
    o,
  );
