import { readCatalogue } from '../ground/aws/catalogue/catalogue.ts';
import { locateCatalogue } from '../ground/aws/catalogue/locate.ts';

/** On-demand prices, USD per hour by instance type, from the catalogue that the ground's cloud charges by. */
export const loadPrices = async (): Promise<ReadonlyMap<string, number>> => {
  const types = readCatalogue(await locateCatalogue(), ['us-west-2a', 'us-west-2b', 'us-west-2c']);
  return new Map([...types.values()].map((type) => [type.name, type.onDemandPrice]));
};
