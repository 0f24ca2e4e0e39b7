import type { CompiledOption } from '../packing/compiledoption.ts';
import { byteAt, floatAt, intAt, itemAt } from '../packing/matrix.ts';
import type { Packing } from '../packing/packing.ts';
import type { FillOptions } from './filloptions.ts';

/** Nodes whose pods are tried to be moved together with a follower. */
const MOST_HOSTS = 16;

/** Pods per pod class. */
type Group = ReadonlyMap<number, number>;

/** Puts all pods of a group onto a node, those first that others follow; none where they do not all fit. */
const putAll = (packing: Packing, node: number, group: Group): boolean => {
  const rest = new Map(group);
  let isMore = true;
  while (rest.size > 0 && isMore) {
    isMore = false;
    for (const [podClass, n] of rest) {
      const put = packing.putUpTo(podClass, node, n);
      if (put === 0) continue;
      isMore = true;
      if (put === n) rest.delete(podClass);
      else rest.set(podClass, n - put);
    }
  }
  if (rest.size === 0) return true;
  for (const [podClass, n] of group) {
    const put = n - (rest.get(podClass) ?? 0);
    if (put > 0) packing.put(podClass, node, -put);
  }
  return false;
};

/** Whether an empty node of the option has room for a group that labels and taints allow there. */
const canHold = (packing: Packing, { room, nodeClass }: CompiledOption, group: Group): boolean => {
  const { allowed, sizes } = packing.problem;
  for (const podClass of group.keys()) if (!allowed.has(nodeClass, podClass)) return false;
  for (let d = 0; d < packing.width; d += 1) {
    let load = 0;
    for (const [podClass, n] of group) load += n * sizes.at(podClass, d);
    if (load > floatAt(room, d)) return false;
  }
  return true;
};

const accepts = (packing: Packing, node: number): boolean =>
  byteAt(packing.open, node) === 1 &&
  (node >= packing.existingCount || itemAt(packing.problem.existingNodes, node).acceptsPods);

/** Puts a group onto one node: an open one, else a new one of the cheapest option. */
const placeGroup = (
  packing: Packing,
  group: Group,
  except: number,
  byPrice: readonly CompiledOption[],
): boolean => {
  for (let node = 0; node < packing.nodes; node += 1) {
    if (node !== except && accepts(packing, node) && putAll(packing, node, group)) return true;
  }
  for (const option of byPrice) {
    if (!packing.limits.canBuy(option) || !canHold(packing, option, group)) continue;
    const node = packing.buy(option);
    if (putAll(packing, node, group)) return true;
    packing.sell(node);
  }
  return false;
};

/** Moves the pods of a host that belong together to one node with `n` followers; leaves all as it was where none holds them. */
const moveTogether = (
  packing: Packing,
  host: number,
  follower: number,
  n: number,
  byPrice: readonly CompiledOption[],
): boolean => {
  const { counts } = packing;
  const tied = [...itemAt(packing.content, host)].filter(([podClass]) => counts.isTied(podClass));
  const option = packing.option[host];
  for (const [podClass, held] of tied) packing.put(podClass, host, -held);
  const isEmpty = option !== undefined && itemAt(packing.content, host).size === 0;
  if (isEmpty) packing.sell(host);
  const group = new Map(tied);
  group.set(follower, (group.get(follower) ?? 0) + n);
  if (placeGroup(packing, group, isEmpty ? -1 : host, byPrice)) return true;
  const back = isEmpty ? packing.buy(option) : host;
  for (const [podClass, held] of tied) packing.put(podClass, back, held);
  return false;
};

/** Places pods of one class that must be where others are. Returns how many. */
const placeFollowers = (
  packing: Packing,
  follower: number,
  left: number,
  byPrice: readonly CompiledOption[],
  isOver: () => boolean,
): number => {
  for (let node = 0; node < packing.nodes; node += 1) {
    const put = accepts(packing, node) ? packing.putUpTo(follower, node, left) : 0;
    if (put > 0) return put;
  }
  const hosts: number[] = [];
  for (let node = 0; node < packing.nodes && hosts.length < MOST_HOSTS; node += 1) {
    if (byteAt(packing.open, node) === 0) continue;
    const leads = ([podClass]: readonly [number, number]): boolean =>
      packing.counts.leads(podClass, follower);
    if ([...itemAt(packing.content, node)].some(leads)) hosts.push(node);
  }
  for (let n = left; n >= 1; n = n > 1 ? Math.floor(n / 2) : 0) {
    for (const host of hosts) {
      if (isOver()) return 0;
      if (moveTogether(packing, host, follower, n, byPrice)) return n;
    }
  }
  return 0;
};

/**
 * Places pods that must be where other pods are and found no room there: where there is some now, else together with the
 * pods that they follow, on another node that holds them all, as long as there is time.
 */
export const joinLeaders = (
  packing: Packing,
  left: Int32Array,
  o: Pick<FillOptions, 'order' | 'options' | 'isOver'>,
): void => {
  const { counts } = packing;
  const followers = counts.hasFollowers
    ? o.order.filter((each) => counts.follows(each))
    : o.order.subarray(0, 0);
  if (!followers.some((podClass) => intAt(left, podClass) > 0)) return;
  const byPrice = [...o.options].sort((a, b) => a.price - b.price);
  const isOver = o.isOver ?? (() => false);
  let isMore = true;
  while (isMore) {
    isMore = false;
    for (const podClass of followers) {
      const n = intAt(left, podClass);
      const placed = n > 0 ? placeFollowers(packing, podClass, n, byPrice, isOver) : 0;
      left[podClass] = n - placed;
      if (placed > 0) isMore = true;
    }
  }
};
