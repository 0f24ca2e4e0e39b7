import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import type { z } from 'zod';
import { options as extender } from '../../extender/options.ts';
import { options as kentroller } from '../../kentroller/options.ts';
import { variableOf } from '../../kube/component/options.ts';
import { options as keeper } from '../../webhook/keeper/options.ts';
import { options as webhook } from '../../webhook/options.ts';

/** Settings reach our containers one by one: who may write their ConfigMap sets options, and nothing else. */

interface Source {
  readonly name: string;
  readonly key: string;
  readonly optional?: boolean;
}

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly configMapKeyRef?: Source;
    readonly secretKeyRef?: Source;
    readonly fieldRef?: object;
  };
}

interface Container {
  readonly args?: readonly string[];
  readonly env?: readonly Variable[];
  readonly envFrom?: unknown;
}

interface Manifest {
  readonly kind?: string;
  readonly metadata?: { readonly name: string };
  readonly spec?: { readonly template?: { readonly spec?: { readonly containers: readonly Container[] } } };
}

const root = join(import.meta.dirname, '..', '..', 'manifests');
const manifests = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.yaml') && !path.includes('crds/'))
  .flatMap((path) => parseAllDocuments(readFileSync(join(root, path), 'utf8')))
  .map((document) => document.toJS() as Manifest);

/** What is no option of ours but of the AWS SDK, which reads it from the environment. */
const OF_AWS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_ENDPOINT_URL'];
const OF_AWS_CLIENT = [...OF_AWS, 'AWS_EC2_METADATA_DISABLED'];
/** What comes from a Secret. */
const SECRET = ['API_KEY', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];
/** What the manifest itself says, since it depends on what it mounts and where the pod runs. */
const FIXED = ['POD_NAMESPACE', 'POD_NAME', 'POD_IP', 'PEER_TOKEN_FILE'];

const COMPONENTS: readonly (readonly [string, string, z.ZodObject, readonly string[]])[] = [
  ['castai-kentroller', 'castai-kentroller', kentroller, OF_AWS_CLIENT],
  ['castai-pod-pinner', 'castai-pod-pinner', extender, []],
  ['castai-pod-pinner-webhook', 'castai-pod-pinner-webhook', webhook, []],
  ['castai-pod-pinner-webhook-keeper', 'castai-pod-pinner-webhook', keeper, []],
];

const containersOf = ({ spec }: Manifest): readonly Container[] => spec?.template?.spec?.containers ?? [];

t.test("a writer of a ConfigMap can't set NODE_OPTIONS, nor anything that is no option", async (t) => {
  const all = manifests.flatMap(containersOf);
  t.equal(all.length, COMPONENTS.length + 1, 'ours and the second scheduler');
  t.same(
    all.filter(({ envFrom }) => envFrom !== undefined),
    [],
  );
  t.notMatch(JSON.stringify(all), /NODE_OPTIONS|NODE_EXTRA_CA_CERTS|LD_PRELOAD/);
});

for (const [deployment, settings, options, others] of COMPONENTS) {
  t.test(`each option of ${deployment} is a key of the ConfigMap ${settings}`, async (t) => {
    const found = manifests.find(
      ({ kind, metadata }) => kind === 'Deployment' && metadata?.name === deployment,
    );
    const [container] = found ? containersOf(found) : [];
    const variables = container?.env ?? [];
    const names = Object.keys(options.shape).map(variableOf);
    t.same(variables.map(({ name }) => name).toSorted(), [...names, ...others].toSorted());
    for (const { name, value, valueFrom } of variables) {
      if (FIXED.includes(name)) {
        t.ok(value ?? valueFrom?.fieldRef, `${name} is said by the manifest`);
        continue;
      }
      const source = { name: settings, key: name, optional: true };
      const kind = SECRET.includes(name) ? 'secretKeyRef' : 'configMapKeyRef';
      t.same(valueFrom, { [kind]: source }, name);
    }
  });
}
