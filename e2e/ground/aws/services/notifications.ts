import { hexOf } from '../random.ts';
import type { Region } from '../region.ts';

/** An event of EC2 in the envelope in which EventBridge puts it into a queue. */
const envelope = (region: Region, detailType: string, instanceId: string, detail: object): string =>
  JSON.stringify({
    version: '0',
    id: hexOf(32, 'event', detailType, instanceId, region.now()),
    'detail-type': detailType,
    source: 'aws.ec2',
    account: region.account,
    time: new Date(region.now()).toISOString(),
    region: region.name,
    resources: [`arn:aws:ec2:${region.name}:${region.account}:instance/${instanceId}`],
    detail: { 'instance-id': instanceId, ...detail },
  });

/** AWS's warning two minutes before it takes a spot instance back. */
export const interruptionWarning = (region: Region, instanceId: string): string =>
  envelope(region, 'EC2 Spot Instance Interruption Warning', instanceId, { 'instance-action': 'terminate' });

export const stateChange = (region: Region, instanceId: string, state: string): string =>
  envelope(region, 'EC2 Instance State-change Notification', instanceId, { state });

/** EC2's advice to leave a spot instance, long before it is taken back, or before nothing. */
export const rebalanceRecommendation = (region: Region, instanceId: string): string =>
  envelope(region, 'EC2 Instance Rebalance Recommendation', instanceId, {});

/** Puts a notice where the rules of EventBridge send it: into both queues. */
export const announce = (region: Region, body: string): void => {
  region.queue.send(body);
  region.predictionQueue.send(body);
};
