import { NODE_OVERLAYS, type Resource } from '../../api/resources.ts';

/** What a missing right to read a kind of Karpenter's leaves unknown, with what to do. */

/** Kinds of NodeClass: `EC2NodeClass` and its like. */
export const unreadNodeClasses = ({
  kind,
  plural,
  group,
}: Pick<Resource, 'kind' | 'plural' | 'group'>): string =>
  `${kind}es were not read, so subnets, disks and the kubelet's settings of new machines are known by standing nodes alone: grant list on ${plural}.${group}.`;

export const UNREAD_NODE_OVERLAYS = `NodeOverlays were not read, so prices and resources that they change count as the cloud has them: grant list on ${NODE_OVERLAYS.plural}.${NODE_OVERLAYS.group}.`;
