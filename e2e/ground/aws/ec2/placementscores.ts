import { AwsError, invalidValue, missingParameter } from '../protocol/errors.ts';
import { flag, integer, text, texts } from '../protocol/form.ts';
import { pageOf, pageRequest } from '../protocol/paging.ts';
import { placementScore, useConfiguration } from '../state/placementscores.ts';
import type { Ec2Action } from './action.ts';

const LEAST_RESULTS = 10;
const MOST_RESULTS = 1000;
const UNITS = ['units', 'vcpu', 'memory-mib'];

export const getSpotPlacementScores: Ec2Action = (form, region) => {
  const { placementScores: state, market, network } = region;
  if (!state.isServed)
    throw new AwsError(
      'InvalidAction',
      'The action GetSpotPlacementScores is not valid for this web service.',
    );
  const capacity = integer(form, 'TargetCapacity');
  if (capacity === undefined) throw missingParameter('TargetCapacity');
  if (capacity < 1) throw invalidValue('TargetCapacity', String(capacity));
  const unit = text(form, 'TargetCapacityUnitType') ?? 'units';
  if (!UNITS.includes(unit)) throw invalidValue('TargetCapacityUnitType', unit);
  const names = texts(form, 'InstanceType');
  if (names.length === 0) throw missingParameter('InstanceType');
  const types = names.map((name) => {
    const type = region.types.get(name);
    if (!type) throw invalidValue('InstanceType', name);
    return type;
  });
  const page = pageRequest(form);
  if (page.maxResults !== undefined && page.maxResults < LEAST_RESULTS)
    throw invalidValue('MaxResults', String(page.maxResults));
  const isByZone = flag(form, 'SingleAvailabilityZone');
  const configuration = JSON.stringify([[...names].sort(), capacity, unit, isByZone]);
  if (!useConfiguration(state, configuration, region.now()))
    throw new AwsError(
      'MaxConfigLimitExceeded',
      'You have exceeded your maximum allowed Spot placement configurations.',
    );
  const regions = texts(form, 'RegionName');
  const isAsked = regions.length === 0 || regions.includes(region.name);
  const scores = network.subnets.map((subnet) => ({
    region: region.name,
    availabilityZoneId: subnet.zoneId,
    score: placementScore(state, market, types, subnet),
  }));
  const ofRegion = { region: region.name, score: Math.max(...scores.map(({ score }) => score)) };
  const found = isAsked ? (isByZone ? scores : [ofRegion]) : [];
  const keyOf = (each: { readonly region: string; readonly availabilityZoneId?: string }): string =>
    `${each.region}/${each.availabilityZoneId ?? ''}`;
  const { items, nextToken } = pageOf(found, keyOf, page, MOST_RESULTS);
  state.answered += 1;
  return { spotPlacementScoreSet: items.map((each) => ({ ...each })), nextToken };
};
