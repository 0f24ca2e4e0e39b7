import type { Node } from '../../../api/objects.ts';

/** True when the kubelet says so; a placeholder has no Ready condition. */
export const isReady = (node: Node): boolean =>
  node.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
