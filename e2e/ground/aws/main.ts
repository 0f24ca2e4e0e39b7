import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { readCatalogue } from './catalogue/catalogue.ts';
import { createControl } from './control/server.ts';
import { createAwsListener, listen } from './endpoint.ts';
import { createRegion } from './region.ts';

const CONFIG = z.strictObject({
  host: z.string(),
  port: z.number().int(),
  controlPort: z.number().int(),
  region: z.string(),
  zones: z.array(z.string()).min(1),
  seed: z.number().int(),
  shouldReuseAddresses: z.boolean(),
  files: z.strictObject({ types: z.string(), networkLimits: z.string(), crds: z.array(z.string()) }),
  cluster: z.strictObject({
    name: z.string(),
    endpoint: z.string(),
    version: z.string(),
    serviceCidr: z.string(),
    certificateAuthority: z.string(),
  }),
});

/** Configuration of the endpoint's process: `node e2e/ground/aws/main.ts CONFIG.json`. */
export type EndpointConfig = z.infer<typeof CONFIG>;

const main = async (path: string | undefined): Promise<void> => {
  if (path === undefined) throw new Error('usage: node e2e/ground/aws/main.ts CONFIG.json');
  const config = CONFIG.parse(JSON.parse(readFileSync(path, 'utf8')));
  const region = createRegion({
    name: config.region,
    zones: config.zones,
    types: readCatalogue(config.files, config.zones),
    cluster: config.cluster,
    seed: config.seed,
    now: Date.now,
    shouldReuseAddresses: config.shouldReuseAddresses,
  });
  const endpoint = await listen(createAwsListener(region), config.host, config.port);
  const control = createControl(region);
  await control.listen({ host: config.host, port: config.controlPort });
  const stop = (): void => {
    void Promise.all([endpoint.close(), control.close()]).then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
};

if (import.meta.main) await main(process.argv[2]);
