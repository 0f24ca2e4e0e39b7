import { z } from 'zod';

/** Messages of EventBridge about instances of EC2, as its rules put them into a queue. */

export type InstanceNotice =
  | 'rebalance-recommendation'
  | 'interruption'
  | 'reservation-interruption'
  | 'stopping'
  | 'terminating';

/** What a message says; `of-others` is whole and tells nothing about an instance, `broken` is no such message at all. */
export type ParsedMessage =
  | {
      readonly kind: 'notice';
      readonly notice: InstanceNotice;
      readonly instanceId: string;
      readonly at: number;
    }
  | { readonly kind: 'of-others' }
  | { readonly kind: 'broken' };

const NOTICES: ReadonlyMap<string, InstanceNotice> = new Map([
  ['EC2 Instance Rebalance Recommendation', 'rebalance-recommendation'],
  ['EC2 Spot Instance Interruption Warning', 'interruption'],
  ['EC2 Capacity Reservation Instance Interruption Warning', 'reservation-interruption'],
]);
const STATE_CHANGE = 'EC2 Instance State-change Notification';
const STATES: ReadonlyMap<string, InstanceNotice> = new Map([
  ['stopping', 'stopping'],
  ['stopped', 'stopping'],
  ['shutting-down', 'terminating'],
  ['terminated', 'terminating'],
]);

const envelope = z.object({
  source: z.string(),
  'detail-type': z.string(),
  time: z.iso.datetime({ offset: true }),
  detail: z.unknown(),
});
const detail = z.object({
  'instance-id': z.string().regex(/^i-[0-9a-f]{1,32}$/),
  state: z.string().exactOptional(),
});

export const parseMessage = (body: string): ParsedMessage => {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return { kind: 'broken' };
  }
  const { data: event } = envelope.safeParse(json);
  if (!event) return { kind: 'broken' };
  const type = event['detail-type'];
  if (event.source !== 'aws.ec2' || (type !== STATE_CHANGE && !NOTICES.has(type)))
    return { kind: 'of-others' };
  const { data: about } = detail.safeParse(event.detail);
  if (!about) return { kind: 'broken' };
  const notice = type === STATE_CHANGE ? STATES.get(about.state ?? '') : NOTICES.get(type);
  if (!notice) return { kind: 'of-others' };
  return { kind: 'notice', notice, instanceId: about['instance-id'], at: Date.parse(event.time) };
};
