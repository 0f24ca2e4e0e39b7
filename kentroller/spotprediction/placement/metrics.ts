import type { Counter, Registry } from 'prom-client';
import { atScrape, counter, gauge } from '../../../kube/component/metrics.ts';
import type { PlacementScores } from './scores.ts';

/** Questions to EC2 by what became of them. */
export const placementRequests = (registry: Registry): Counter =>
  counter(
    registry,
    'kentroller_spot_placement_requests_total',
    'Requests for spot placement scores by outcome: scored, denied, no-credentials, unsupported, limited, throttled, unanswered',
    ['outcome'],
  );

/** The scores that count, and how many configurations AWS counts; both as they are when somebody looks. */
export const registerScores = (
  registry: Registry,
  scores: PlacementScores,
  isOn: () => boolean,
  now: () => number,
): void => {
  const score = gauge(
    registry,
    'kentroller_spot_placement_score',
    'Spot placement score that EC2 gives a family of instance types in a zone, 1 to 10; low is scarce',
    ['family', 'zone'],
  );
  atScrape(score, () => {
    score.reset();
    for (const { family, zone, score: value } of isOn() ? scores.current(now()) : [])
      score.set({ family, zone }, value);
  });
  const configurations = gauge(
    registry,
    'kentroller_spot_placement_configurations',
    'Configurations of spot placement scores that this cluster asked for within a day, of the few that the account may',
    [],
  );
  atScrape(configurations, () => configurations.set(scores.configurations(now()).length));
};
