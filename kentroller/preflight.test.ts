import { Registry } from 'prom-client';
import t from 'tap';
import type { KubeObject } from '../api/objects.ts';
import type { KubeClient } from '../kube/client/client.ts';
import type { Logger } from '../kube/component/log.ts';
import type { Recorder } from '../kube/controller/events.ts';
import type { Check } from '../kube/preflight/check.ts';
import { createReport, ownMissingRights } from './preflight.ts';

interface Asked {
  readonly resourceAttributes: { readonly verb: string; readonly resource: string };
}

const about: KubeObject = { metadata: { name: 'castai-kentroller', namespace: 'castai-agent' } };
const check = (name: string, state: Check['state'], message = `${name} is ${state}.`): Check => ({
  name,
  state,
  message,
});

const setUp = () => {
  const events: string[] = [];
  const lines: string[] = [];
  const recorder: Recorder = {
    event: (resource, object, type, reason, message) =>
      void events.push([resource.kind, object.metadata.name, type, reason, message].join(' ')),
    flush: async () => {},
  };
  const line = (o: unknown, text?: string): void => void lines.push(text ?? String(o));
  const log = { warn: line, info: line } as unknown as Logger;
  const registry = new Registry();
  return { events, lines, registry, report: createReport({ recorder, registry, log }) };
};

t.test('what the cluster lacks is told once, where a user looks', async (t) => {
  const { events, lines, registry, report } = setUp();
  const checks = [check('crds', 'lacks'), check('nodepools', 'fine'), check('rights', 'unknown')];
  report(checks, about);
  report(checks, about);
  t.same(events, ['Deployment castai-kentroller Warning PreflightLacks crds is lacks.']);
  t.same(lines, ['the cluster lacks something', 'a check could not be done']);
  const text = await registry.metrics();
  t.match(text, /kentroller_preflight_lacks\{check="crds"\} 1/);
  t.match(text, /kentroller_preflight_lacks\{check="nodepools"\} 0/);
  t.notMatch(text, /kentroller_preflight_lacks\{check="rights"\}/, 'what is unknown is not said to be there');
  t.match(text, /kentroller_preflight_unknown\{check="rights"\} 1/);
  t.match(text, /kentroller_preflight_unknown\{check="nodepools"\} 0/);
});

t.test('what was mended is told, and what breaks again is told again', async (t) => {
  const { events, registry, report } = setUp();
  report([check('crds', 'lacks')], about);
  report([check('crds', 'fine')], about);
  t.match(await registry.metrics(), /kentroller_preflight_lacks\{check="crds"\} 0/);
  report([check('crds', 'lacks')], about);
  t.same(
    events.map((event) => event.split(' ')[3]),
    ['PreflightLacks', 'PreflightPassed', 'PreflightLacks'],
  );
});

t.test('a cluster that lacks nothing is told nothing', async (t) => {
  const { events, lines, report } = setUp();
  report([check('crds', 'fine'), check('other-webhooks', 'note')], about);
  t.same([events, lines], [[], []]);
});

t.test('without a Deployment of ours, the log and the metric tell', async (t) => {
  const { events, lines, report } = setUp();
  report([check('crds', 'lacks')]);
  t.same([events, lines], [[], ['the cluster lacks something']]);
});

t.test('rights that an authorizer can’t list are asked for one by one', async (t) => {
  const asked: unknown[] = [];
  const client = {
    request: async (_: string, path: string, { body }: { readonly body: { readonly spec: Asked } }) => {
      if (path.endsWith('selfsubjectrulesreviews'))
        return { status: { resourceRules: [], incomplete: true } };
      const { verb, resource } = body.spec.resourceAttributes;
      asked.push(verb);
      return { status: { allowed: !(verb === 'list' && resource === 'pods') } };
    },
  } as unknown as KubeClient;
  const { signal } = new AbortController();
  const missing = await ownMissingRights({ client, signal }, 'castai-agent');
  t.same([...missing], [['castai-kentroller', ['list pods']]]);
  t.ok(asked.length > 20);
});
