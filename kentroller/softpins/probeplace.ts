/** Node and reservation that a probe pod is given; no node has this name. */
export const PROBE_PLACE = 'soft-pins-probe';
