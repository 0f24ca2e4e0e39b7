import { z } from 'zod';
import type { MachineType } from '../catalogue/catalogue.ts';
import { AwsError } from '../protocol/errors.ts';
import { pageOf } from '../protocol/paging.ts';
import type { Region } from '../region.ts';

const REQUEST = z.object({
  ServiceCode: z.string(),
  Filters: z.array(z.object({ Type: z.string(), Field: z.string(), Value: z.string() })).default([]),
  MaxResults: z.number().int().optional(),
  NextToken: z.string().optional(),
});

/** The attributes of a product that a filter may name. */
const attributesOf = (type: MachineType, region: string): Readonly<Record<string, string>> => ({
  servicecode: 'AmazonEC2',
  serviceCode: 'AmazonEC2',
  regionCode: region,
  location: 'US West (Oregon)',
  instanceType: type.name,
  vcpu: String(type.vcpus),
  memory: `${type.memoryMiB / 1024} GiB`,
  operatingSystem: 'Linux',
  preInstalledSw: 'NA',
  capacitystatus: 'Used',
  marketoption: 'OnDemand',
  tenancy: type.isBareMetal ? 'Dedicated' : 'Shared',
  licenseModel: 'No License required',
  currentGeneration: type.isCurrentGeneration ? 'Yes' : 'No',
});

const familyOf = (type: MachineType): string =>
  type.isBareMetal ? 'Compute Instance (bare metal)' : 'Compute Instance';

const productOf = (type: MachineType, region: string): string => {
  const sku = type.name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '');
  const term = `${sku}.JRTCKXETXF`;
  const dimension = `${term}.6YS6EN2CT7`;
  return JSON.stringify({
    product: { sku, productFamily: familyOf(type), attributes: attributesOf(type, region) },
    serviceCode: 'AmazonEC2',
    terms: {
      OnDemand: {
        [term]: {
          sku,
          effectiveDate: '2026-11-01T00:00:00Z',
          priceDimensions: {
            [dimension]: {
              unit: 'Hrs',
              rateCode: dimension,
              description: `$${type.onDemandPrice} per On Demand Linux ${type.name} Instance Hour`,
              pricePerUnit: { USD: type.onDemandPrice.toFixed(10) },
            },
          },
          termAttributes: {},
        },
      },
    },
  });
};

const getProducts = (body: unknown, region: Region): object => {
  const request = REQUEST.safeParse(body);
  if (!request.success) throw new AwsError('InvalidParameterException', z.prettifyError(request.error));
  const { ServiceCode, Filters, MaxResults, NextToken } = request.data;
  if (ServiceCode !== 'AmazonEC2')
    throw new AwsError('NotFoundException', `no prices are known for ${ServiceCode}`);
  const found = [...region.types.values()].filter((type) => {
    const attributes = { ...attributesOf(type, region.name), productFamily: familyOf(type) };
    return Filters.every(({ Field, Value }) => attributes[Field as keyof typeof attributes] === Value);
  });
  const page = pageOf(found, (each) => each.name, { maxResults: MaxResults, nextToken: NextToken }, 100);
  return {
    FormatVersion: 'aws_v1',
    PriceList: page.items.map((each) => productOf(each, region.name)),
    NextToken: page.nextToken,
  };
};

/** The Price List Service: on-demand prices of Linux instances. */
export const pricing = (action: string, body: unknown, region: Region): object => {
  if (action === 'GetProducts') return getProducts(body, region);
  throw new AwsError('UnknownOperationException', `the endpoint does not know ${action}`);
};
