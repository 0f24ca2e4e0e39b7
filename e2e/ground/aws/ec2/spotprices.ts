import type { MachineType } from '../catalogue/catalogue.ts';
import { invalidValue } from '../protocol/errors.ts';
import { type Form, text, texts } from '../protocol/form.ts';
import { pageOf, pageRequest } from '../protocol/paging.ts';
import type { Region } from '../region.ts';
import type { SpotPrice } from '../state/spotmarket.ts';
import { type Ec2Action, isoTime } from './action.ts';
import { type Attributes, applyFilters, filtersOf, withoutTags } from './filters.ts';

interface Quote extends SpotPrice {
  readonly type: MachineType;
  readonly zone: string;
}

/** EC2 keeps the prices of the last 90 days; a request without a start gets as many of them as fit a page. */
const DEFAULT_SPAN_MS = 24 * 3_600_000;

const PRODUCTS = ['Linux/UNIX', 'Linux/UNIX (Amazon VPC)'];

const timeOf = (form: Form, name: string, otherwise: number): number => {
  const value = text(form, name);
  if (value === undefined) return otherwise;
  const at = Date.parse(value);
  if (Number.isNaN(at)) throw invalidValue(name, value);
  return at;
};

const quotesOf = (type: MachineType, region: Region, from: number, to: number): readonly Quote[] =>
  type.zones.flatMap((zone) =>
    region.market.history(type, zone, from, to).map((price) => ({ ...price, type, zone })),
  );

export const describeSpotPriceHistory: Ec2Action = (form, region) => {
  const now = region.now();
  const to = Math.min(timeOf(form, 'EndTime', now), now);
  // A start in the future counts as now: Karpenter's clock may be slightly ahead.
  const from = Math.min(timeOf(form, 'StartTime', now - DEFAULT_SPAN_MS), to);
  const names = texts(form, 'InstanceType');
  const products = texts(form, 'ProductDescription');
  const zone = text(form, 'AvailabilityZone');
  const attributes: Attributes<Quote> = {
    'instance-type': (each) => [each.type.name],
    'availability-zone': (each) => [each.zone],
    'product-description': () => PRODUCTS,
    'spot-price': (each) => [each.price.toFixed(6)],
    timestamp: (each) => [isoTime(each.since)],
  };
  const isLinux = products.length === 0 || products.some((each) => PRODUCTS.includes(each));
  const types = [...region.types.values()].filter(({ name }) => names.length === 0 || names.includes(name));
  const quotes = isLinux ? types.flatMap((type) => quotesOf(type, region, from, to)) : [];
  const found = applyFilters(quotes, filtersOf(form), attributes, withoutTags).filter(
    (each) => zone === undefined || each.zone === zone,
  );
  // Newest first within a pool, as EC2 answers.
  const keyOf = (each: Quote): string =>
    `${each.type.name}/${each.zone}/${String(Number.MAX_SAFE_INTEGER - each.since).padStart(16, '0')}`;
  const { items, nextToken } = pageOf(found, keyOf, pageRequest(form), 10_000);
  return {
    spotPriceHistorySet: items.map((each) => ({
      instanceType: each.type.name,
      productDescription: 'Linux/UNIX',
      spotPrice: each.price.toFixed(6),
      timestamp: isoTime(each.since),
      availabilityZone: each.zone,
    })),
    // EC2 sends an empty token with the last page.
    nextToken: nextToken ?? '',
  };
};
