import type { UnavailableOffering, UnavailableOfferingSpec } from '../../api/kinds/unavailableoffering.ts';
import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, ZONE, ZONE_ID } from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import { UNAVAILABLE_OFFERINGS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { FIELD_MANAGER, noteUnavailable, unavailableName } from '../rebalanceplan/create/unavailable.ts';
import { type AssessedNode, SIGNAL_MEMORY_MS } from './decide.ts';
import { HORIZON_MS, INTERRUPTIONS } from './signal.ts';

/** Memory of offerings: what is about to be taken back, or was a moment ago, is not bought again for a time. */

/** Time for which an offering is avoided after its first interruption; doubled with each one more. */
const OBSERVED_MS = 30 * 60_000;

export type OfferingMemory = Omit<UnavailableOfferingSpec, 'expiresAt'>;

/** The offering that a node was bought as; undefined for one that is not spot, or without its labels. */
export const offeringOf = ({
  metadata: { labels = {} },
}: Node): Pick<OfferingMemory, 'instanceType' | 'zone' | 'zoneId' | 'capacityType'> | undefined => {
  const { [INSTANCE_TYPE]: instanceType, [ZONE]: zone, [ZONE_ID]: zoneId } = labels;
  if (labels[KARPENTER_CAPACITY_TYPE] !== 'spot' || !instanceType || !zone) return undefined;
  return { instanceType, zone, ...(zoneId && { zoneId }), capacityType: 'spot' };
};

export const offeringKey = (node: Node): string | undefined => {
  const offering = offeringOf(node);
  return offering && `${offering.instanceType}/${offering.zone}`;
};

/**
 * The records to write, one an offering: interruptions that were seen and are not remembered, then what is at risk and is
 * not remembered for at least half of the horizon.
 */
export const offeringsToRemember = (
  nodes: readonly AssessedNode[],
  atRisk: readonly AssessedNode[],
  known: (name: string) => UnavailableOffering | undefined,
  now: number,
): readonly OfferingMemory[] => {
  const found = new Map<string, OfferingMemory>();
  const remember = (
    { node }: AssessedNode,
    reason: OfferingMemory['reason'],
    isKnown: (record: UnavailableOffering) => boolean,
  ): void => {
    const offering = offeringOf(node);
    if (!offering) return;
    const spec = { ...offering, reason };
    const name = unavailableName(spec);
    const record = known(name);
    if (!found.has(name) && !(record && isKnown(record))) found.set(name, spec);
  };
  const left = ({ spec }: UnavailableOffering): number => Date.parse(spec.expiresAt ?? '') - now;
  for (const each of nodes) {
    const isTaken = [...INTERRUPTIONS].some((kind) => {
      const at = each.heard[kind];
      return at !== undefined && now - at < Math.min(OBSERVED_MS, SIGNAL_MEMORY_MS);
    });
    if (isTaken)
      remember(
        each,
        'SpotInterruptionObserved',
        (record) => record.spec.reason === 'SpotInterruptionObserved' && left(record) > 0,
      );
  }
  for (const each of atRisk)
    remember(each, 'SpotInterruptionPredicted', (record) => left(record) > HORIZON_MS / 2);
  return [...found.values()];
};

/** Writes one record. An observed interruption counts like a refusal of the cloud; a prediction only for its horizon. */
export const rememberOffering = async (
  client: KubeClient,
  spec: OfferingMemory,
  known: UnavailableOffering | undefined,
  now: number,
  signal: AbortSignal,
): Promise<void> => {
  if (spec.reason !== 'SpotInterruptionPredicted') {
    await noteUnavailable(client, spec, known, now, signal, OBSERVED_MS);
    return;
  }
  const expiresAt = new Date(now + HORIZON_MS).toISOString();
  const body = { metadata: { name: unavailableName(spec) }, spec: { ...spec, expiresAt } };
  await client.apply(UNAVAILABLE_OFFERINGS, body, { fieldManager: FIELD_MANAGER, force: true, signal });
};
