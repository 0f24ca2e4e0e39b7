import { promisify } from 'node:util';
import { brotliCompress, brotliDecompress, constants } from 'node:zlib';
import { z } from 'zod';
import { CONFIG_MAPS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { getOrUndefined } from '../../kube/ignore.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';

/** The ConfigMap with the last catalogue that was read from the cloud. */
export const PRICES_CONFIG_MAP = 'castai-kentroller-prices';
const KEY = 'catalogue.json.br';
const FIELD_MANAGER = 'castai-kentroller-prices';
/** The API server refuses ConfigMaps above 1 MiB. A region of 1,200 types and six zones takes 200,000. */
const MAX_CHARACTERS = 900_000;
const MAX_JSON_BYTES = 64 * 1024 * 1024;
/** Of 11: twice the size of 7, in a third of its time. */
const QUALITY = 4;

const amounts = z.object({
  cpu: z.number(),
  memory: z.number(),
  pods: z.number(),
  ephemeralStorage: z.number(),
  other: z.record(z.string(), z.number()),
});
const labels = z.record(z.string(), z.string());
const stored = z.object({
  instanceTypes: z.array(
    z.object({
      name: z.string(),
      arch: z.string(),
      os: z.array(z.string()),
      labels,
      capacity: amounts,
      overhead: amounts,
      offerings: z.array(
        z.object({
          zone: z.string(),
          zoneId: z.string().exactOptional(),
          capacityType: z.enum(['spot', 'on-demand', 'reserved']),
          price: z.number().nonnegative(),
          available: z.boolean(),
          covered: z.object({ commitment: z.int(), price: z.number() }).exactOptional(),
        }),
      ),
    }),
  ),
  commitments: z
    .array(z.object({ unit: z.enum(['instances', 'hourly']), amount: z.number() }))
    .exactOptional(),
});

/** A catalogue and when it was read, in milliseconds since 1970. */
export interface StoredCatalogue {
  readonly catalogue: Catalogue;
  readonly readAt: number;
}

const compress = promisify(brotliCompress);
const decompress = promisify(brotliDecompress);

/** The catalogue in base64. Throws when it is too large for a ConfigMap. */
export const packCatalogue = async (catalogue: Catalogue): Promise<string> => {
  const packed = await compress(JSON.stringify(catalogue), {
    params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY },
  });
  const text = packed.toString('base64');
  if (text.length > MAX_CHARACTERS) {
    throw new Error(`the catalogue takes ${text.length} characters, more than ${MAX_CHARACTERS}`);
  }
  return text;
};

/** Throws when the text is not a catalogue. */
export const unpackCatalogue = async (text: string): Promise<Catalogue> => {
  const json = await decompress(Buffer.from(text, 'base64'), { maxOutputLength: MAX_JSON_BYTES });
  return stored.parse(JSON.parse(json.toString('utf8')));
};

export interface CatalogueStore {
  /** Undefined when none was saved. Throws when it can't be read. */
  load(signal: AbortSignal): Promise<StoredCatalogue | undefined>;
  save(stored: StoredCatalogue, signal: AbortSignal): Promise<void>;
}

/** Keeps the last catalogue in the namespace of the component, for the next leader. */
export const createCatalogueStore = (o: {
  readonly client: KubeClient;
  readonly namespace: string;
}): CatalogueStore => {
  const metadata = { name: PRICES_CONFIG_MAP, namespace: o.namespace };
  return {
    load: async (signal) => {
      const map = await getOrUndefined(o.client.get(CONFIG_MAPS, metadata, { signal }));
      const text = map?.binaryData?.[KEY];
      const readAt = Date.parse(map?.data?.readAt ?? '');
      if (text === undefined || Number.isNaN(readAt)) return undefined;
      return { catalogue: await unpackCatalogue(text), readAt };
    },
    save: async ({ catalogue, readAt }, signal) => {
      const offerings = catalogue.instanceTypes.reduce((sum, type) => sum + type.offerings.length, 0);
      const body = {
        metadata,
        data: {
          readAt: new Date(readAt).toISOString(),
          summary: `${catalogue.instanceTypes.length} instance types with ${offerings} offerings`,
        },
        binaryData: { [KEY]: await packCatalogue(catalogue) },
      };
      await o.client.apply(CONFIG_MAPS, body, { fieldManager: FIELD_MANAGER, force: true, signal });
    },
  };
};
