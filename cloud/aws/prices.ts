import { DescribeSpotPriceHistoryCommand, type EC2Client } from '@aws-sdk/client-ec2';
import { GetProductsCommand, type PricingClient } from '@aws-sdk/client-pricing';

/** USD per hour, by instance type. */
export type OnDemandPrices = ReadonlyMap<string, number>;
/** USD per hour, by '<instance type>/<zone>'. */
export type SpotPrices = ReadonlyMap<string, number>;

interface PriceListEntry {
  readonly product?: { readonly attributes?: { readonly instanceType?: string } };
  readonly terms?: {
    readonly OnDemand?: Readonly<
      Record<
        string,
        {
          readonly priceDimensions?: Readonly<
            Record<string, { readonly pricePerUnit?: { readonly USD?: string } }>
          >;
        }
      >
    >;
  };
}

const priceOf = (entry: PriceListEntry): { type: string; price: number } | undefined => {
  const type = entry.product?.attributes?.instanceType;
  const prices = Object.values(entry.terms?.OnDemand ?? {})
    .flatMap((term) => Object.values(term.priceDimensions ?? {}))
    .map((dimension) => Number(dimension.pricePerUnit?.USD))
    .filter((price) => price > 0);
  const [price] = prices;
  return type && price !== undefined ? { type, price } : undefined;
};

const term = (Field: string, Value: string): { Type: 'TERM_MATCH'; Field: string; Value: string } => ({
  Type: 'TERM_MATCH',
  Field,
  Value,
});

/** On-demand prices of the region, for Linux with shared tenancy. Throws where the price list has none, as in China. */
export const fetchOnDemandPrices = async (
  pricing: PricingClient,
  region: string,
  signal: AbortSignal,
): Promise<OnDemandPrices> => {
  const prices = new Map<string, number>();
  let token: string | undefined;
  do {
    const page = await pricing.send(
      new GetProductsCommand({
        ServiceCode: 'AmazonEC2',
        MaxResults: 100,
        ...(token && { NextToken: token }),
        Filters: [
          term('regionCode', region),
          term('serviceCode', 'AmazonEC2'),
          term('preInstalledSw', 'NA'),
          term('operatingSystem', 'Linux'),
          term('capacitystatus', 'Used'),
          term('marketoption', 'OnDemand'),
          term('tenancy', 'Shared'),
        ],
      }),
      { abortSignal: signal },
    );
    for (const raw of page.PriceList ?? []) {
      // The SDK returns String objects.
      const found = priceOf(JSON.parse(String(raw)) as PriceListEntry);
      if (found) prices.set(found.type, found.price);
    }
    token = page.NextToken;
  } while (token);
  if (prices.size === 0) throw new Error(`the price list of AWS has no prices of ${region} in USD`);
  return prices;
};

/** The latest spot price of each type and zone. */
export const fetchSpotPrices = async (
  ec2: EC2Client,
  now: number,
  signal: AbortSignal,
): Promise<SpotPrices> => {
  const latest = new Map<string, { at: number; price: number }>();
  let token: string | undefined;
  do {
    const page = await ec2.send(
      new DescribeSpotPriceHistoryCommand({
        ProductDescriptions: ['Linux/UNIX', 'Linux/UNIX (Amazon VPC)'],
        StartTime: new Date(now),
        MaxResults: 1000,
        ...(token && { NextToken: token }),
      }),
      { abortSignal: signal },
    );
    for (const {
      InstanceType: type,
      AvailabilityZone: zone,
      SpotPrice,
      Timestamp,
    } of page.SpotPriceHistory ?? []) {
      const price = Number(SpotPrice);
      if (!type || !zone || !(price > 0)) continue;
      const key = `${type}/${zone}`;
      const at = Timestamp?.getTime() ?? 0;
      const known = latest.get(key);
      if (!known || known.at <= at) latest.set(key, { at, price });
    }
    token = page.NextToken;
  } while (token);
  return new Map([...latest].map(([key, { price }]) => [key, price]));
};
