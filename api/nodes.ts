import type { Node } from './objects.ts';

/** True when the kubelet calls the node ready; a placeholder has no Ready condition. */
export const isReady = ({ status }: Node): boolean =>
  status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;

/** True once the machine's kubelet has joined; nothing else writes nodeInfo. */
export const hasJoined = (node: Node | undefined): boolean =>
  (node?.status?.nodeInfo?.kubeletVersion ?? '') !== '';
