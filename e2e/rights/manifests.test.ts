import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse, parseAllDocuments } from 'yaml';

/** What every component has to bring along in manifests/base, so that none is forgotten. */

const BASE = join(import.meta.dirname, '..', '..', 'manifests', 'base');

interface Probe {
  readonly httpGet: object;
  readonly periodSeconds: number;
  readonly failureThreshold: number;
}

interface Container {
  readonly livenessProbe?: Probe;
  readonly startupProbe?: Probe;
}

interface Ports {
  readonly ports?: readonly { readonly port?: number; readonly containerPort?: number }[];
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly template?: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly serviceAccountName: string;
        readonly containers: readonly (Ports & Container)[];
      };
    };
    readonly podSelector?: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly policyTypes?: readonly string[];
    readonly ingress?: readonly Ports[];
    readonly rules?: readonly {
      readonly subjects: readonly {
        readonly serviceAccount: { readonly namespace: string; readonly name: string };
      }[];
    }[];
  };
}

const { resources } = parse(readFileSync(join(BASE, 'kustomization.yaml'), 'utf8')) as {
  readonly resources: readonly string[];
};
const manifests = resources
  .flatMap((file) => parseAllDocuments(readFileSync(join(BASE, file), 'utf8')))
  .map((document) => document.toJS() as Manifest);
const ofKind = (kind: string): readonly Manifest[] => manifests.filter((one) => one.kind === kind);
const deployments = ofKind('Deployment');

t.test('every file is installed', async (t) => {
  const files = globSync('**/*.yaml', { cwd: BASE }).filter((file) => file !== 'kustomization.yaml');
  t.same([...resources].sort(), files.sort());
});

t.test(
  'every component has a NetworkPolicy of its own that knows all of its ports and no others',
  async (t) => {
    t.ok(deployments.length >= 3);
    for (const { metadata, spec } of deployments) {
      const labels = spec.template?.metadata.labels ?? {};
      const policies = ofKind('NetworkPolicy').filter(({ spec: { podSelector } }) =>
        Object.entries(podSelector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value),
      );
      t.equal(policies.length, 1, metadata.name);
      t.same(policies[0]?.spec.policyTypes, ['Ingress', 'Egress'], metadata.name);
      const open = (policies[0]?.spec.ingress ?? []).flatMap(({ ports }) =>
        (ports ?? []).map(({ port }) => port),
      );
      const listens = (spec.template?.spec.containers ?? []).flatMap(({ ports }) =>
        (ports ?? []).map(({ containerPort }) => containerPort),
      );
      t.same(open.sort(), listens.sort(), `${metadata.name}: its ports`);
    }
  },
);

t.test('every component is in our FlowSchemas, and nobody else is', async (t) => {
  const accounts = deployments.map(({ spec }) => spec.template?.spec.serviceAccountName).sort();
  const schemas = ofKind('FlowSchema');
  t.equal(schemas.length, 2);
  for (const { metadata, spec } of schemas) {
    for (const { subjects } of spec.rules ?? []) {
      const names = subjects.map(({ serviceAccount: { namespace, name } }) => `${namespace}/${name}`);
      t.same(
        names.sort(),
        accounts.map((name) => `castai-agent/${name}`),
        metadata.name,
      );
    }
  }
});

t.test('a component that starts slowly on a starved node is not killed before it listens', async (t) => {
  const scheduler = parseAllDocuments(
    readFileSync(join(BASE, '..', 'components', 'second-scheduler', 'deployment.yaml'), 'utf8'),
  ).map((document) => document.toJS() as Manifest);
  const containers = [...deployments, ...scheduler].flatMap(({ spec }) =>
    (spec.template?.spec.containers ?? []).filter(({ livenessProbe }) => livenessProbe),
  );
  t.ok(containers.length >= 4, `${containers.length} containers with a livenessProbe`);
  for (const { livenessProbe, startupProbe } of containers) {
    t.same(startupProbe?.httpGet, livenessProbe?.httpGet);
    t.ok(
      (startupProbe?.periodSeconds ?? 0) * (startupProbe?.failureThreshold ?? 0) >= 300,
      'it has 5 minutes',
    );
  }
});

t.test(
  'those who may call policies reach the port of their API, and no one else reaches a port more',
  async (t) => {
    const folder = join(BASE, '..', 'components', 'policies-api');
    const read = (file: string): unknown => parse(readFileSync(join(folder, file), 'utf8'));
    const { resources, patches } = read('kustomization.yaml') as {
      readonly resources: readonly string[];
      readonly patches: readonly { readonly patch: string }[];
    };
    t.ok(resources.includes('networkpolicy.yaml'), 'the policy is installed');
    const [deployment, ...others] = patches.map(({ patch }) => parse(patch) as Manifest);
    t.same(others, []);
    const [port, ...morePorts] = (deployment?.spec.template?.spec.containers ?? []).flatMap(
      ({ ports = [] }) => ports.map(({ containerPort }) => containerPort),
    );
    t.same(morePorts, []);
    const { spec } = read('networkpolicy.yaml') as Manifest;
    // The way in alone, of these pods alone: the way out stays that of the base, since policies add up.
    t.same(spec, {
      podSelector: { matchLabels: { app: 'castai-kentroller' } },
      policyTypes: ['Ingress'],
      ingress: [
        {
          from: [
            {
              namespaceSelector: {},
              podSelector: { matchLabels: { 'autoscaling.cast.ai/calls-policies': 'true' } },
            },
          ],
          ports: [{ protocol: 'TCP', port }],
        },
      ],
    });
    const kentroller = deployments.find(({ metadata }) => metadata.name === deployment?.metadata.name);
    t.match(kentroller?.spec.template?.metadata.labels, spec.podSelector?.matchLabels);
    t.match(read('service.yaml'), {
      spec: { selector: spec.podSelector?.matchLabels, ports: [{ targetPort: port }] },
    });
  },
);

t.test('nobody reaches a port of the second scheduler', async (t) => {
  const overlay = join(BASE, '..', 'components', 'second-scheduler');
  const { resources } = parse(readFileSync(join(overlay, 'kustomization.yaml'), 'utf8')) as {
    readonly resources: readonly string[];
  };
  t.ok(resources.includes('networkpolicy.yaml'), 'the policy is installed');
  const { spec } = parse(readFileSync(join(overlay, 'networkpolicy.yaml'), 'utf8')) as Manifest;
  t.same(spec, {
    podSelector: { matchLabels: { app: 'castai-scheduler' } },
    policyTypes: ['Ingress'],
  });
});
