import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { run } from '../../ground/host/command.ts';
import { CHART, CRDS_CHART, helm, program } from '../tools.ts';
import { EXCEPTIONS } from './exceptions.ts';
import { writeKubeSchemas } from './kubeschemas.ts';

/** kubeconform and kube-score on everything that the charts can render. */

const MINUTES = { timeout: 540_000 };
const ALL = [
  '--set=castai-pod-pinner.secondScheduler.enabled=true',
  '--set=castai-kentroller.policiesApi.enabled=true',
];

const render = async (): Promise<string> => {
  const of = (chart: string, ...values: readonly string[]) =>
    helm('template', 'release', chart, '--namespace=castai-agent', ...values);
  return `${await of(CRDS_CHART, '--set=namespace.create=true')}\n---\n${await of(CHART, ...ALL)}`;
};

t.test('every object is of a kind of Kubernetes, and has no field that it lacks', MINUTES, async (t) => {
  const dir = t.testdir({ schemas: {} });
  const location = await writeKubeSchemas(join(dir, 'schemas'));
  const check = [await program('kubeconform'), '-strict', '-summary', '-schema-location', location];
  const text = await render();
  writeFileSync(join(dir, 'all.yaml'), text);
  t.match(await run([...check, join(dir, 'all.yaml')]), /Invalid: 0, Errors: 0, Skipped: 0/);
  for (const [from, to] of [
    ['minReadySeconds: 5', 'minReadySecond: 5'],
    ['replicas: 2', 'replicas: two'],
  ] as const) {
    writeFileSync(join(dir, 'broken.yaml'), text.replace(from, to));
    await t.rejects(run([...check, join(dir, 'broken.yaml')]), to);
  }
});

interface Scored {
  readonly object_name: string;
  readonly object_meta: { readonly name: string };
  readonly checks: readonly {
    readonly check: { readonly id: string };
    readonly grade: number;
    readonly skipped: boolean;
    readonly comments: readonly { readonly summary: string }[] | null;
  }[];
}

const ALL_IS_WELL = 7;

t.test('kube-score says nothing but what is excepted, and every exception is said', MINUTES, async (t) => {
  const dir = t.testdir({});
  const file = join(dir, 'all.yaml');
  writeFileSync(file, await render());
  // It ends with 1 when there is something to say.
  const score = `"$0" score --output-format json "$1" || test $? -eq 1`;
  const scored = JSON.parse(
    await run(['sh', '-c', score, await program('kube-score'), file]),
  ) as readonly Scored[];
  const deployments = scored.filter(({ object_name }) => object_name.startsWith('Deployment/'));
  t.equal(deployments.length, 5, 'ours and the second scheduler');
  const used = new Set<string>();
  const said = scored.flatMap(({ object_name, object_meta: { name }, checks }) =>
    checks.flatMap(({ check: { id }, grade, skipped, comments }) => {
      if (skipped || grade >= ALL_IS_WELL) return [];
      const exception = EXCEPTIONS.find(
        ({ check, of }) => check === id && (of === undefined || of.includes(name)),
      );
      if (!exception) return [`${object_name}: ${id}: ${comments?.map(({ summary }) => summary)}`];
      used.add(exception.check);
      return [];
    }),
  );
  t.same(said, []);
  t.same(
    EXCEPTIONS.filter(({ check }) => !used.has(check)),
    [],
    'exceptions that nothing needs',
  );
});
