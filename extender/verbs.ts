import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import { z } from 'zod';
import type { Pod } from '../api/objects.ts';
import type { KubeClient } from '../kube/client.ts';
import { isConflict, isNotFound } from '../kube/errors.ts';
import type { Logger } from '../kube/log.ts';
import type { State } from './state.ts';
import { filterNodes, scoreNodes } from './verdict.ts';

// kube-scheduler keeps idle connections for 90 s; a server that closes first makes it see resets.
const KEEP_ALIVE_MS = 120_000;
const BODY_LIMIT = 64 * 1024 * 1024;

const pod = z.looseObject({
  metadata: z.looseObject({ name: z.string().optional(), uid: z.string().optional() }),
});
const nodeList = z.looseObject({
  items: z.array(z.looseObject({ metadata: z.looseObject({ name: z.string() }) })).nullish(),
});
const filterArgs = z.object({
  Pod: pod,
  Nodes: nodeList.nullish(),
  // Thousands of names in each call: looked at without the cost of a parser for each.
  NodeNames: z
    .custom<readonly string[]>(
      (names) => Array.isArray(names) && names.every((name) => typeof name === 'string'),
      'a list of names is expected',
    )
    .nullish(),
});
const bindArgs = z.object({
  PodName: z.string().min(1),
  PodNamespace: z.string().min(1),
  PodUID: z.string().min(1),
  Node: z.string().min(1),
});

type FilterArgs = z.output<typeof filterArgs>;

const KEYS: Readonly<Record<string, string>> = Object.fromEntries(
  ['Pod', 'Nodes', 'NodeNames', 'PodName', 'PodNamespace', 'PodUID', 'Node'].map((key) => [
    key.toLowerCase(),
    key,
  ]),
);

// Go reads and writes these names in any case; so do we.
const anyCase = (body: unknown): unknown =>
  typeof body === 'object' && body !== null && !Array.isArray(body)
    ? Object.fromEntries(Object.entries(body).map(([key, value]) => [KEYS[key.toLowerCase()] ?? key, value]))
    : body;

class BadRequest extends Error {
  readonly statusCode = 400;
}

const read = <S extends z.ZodType>(schema: S, body: unknown): z.output<S> => {
  const result = schema.safeParse(anyCase(body));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue && issue.path.length > 0 ? issue.path.join('.') : 'the body';
  throw new BadRequest(`${where} is not as a kube-scheduler extender expects it: ${issue?.message}`);
};

const namesIn = (args: FilterArgs): readonly string[] => {
  const names = args.NodeNames ?? args.Nodes?.items?.map(({ metadata }) => metadata.name);
  if (!names) throw new BadRequest('neither NodeNames nor Nodes is given');
  return names;
};

const filterAnswer = (args: FilterArgs, state: State | undefined): object => {
  const names = namesIn(args);
  const asked = args.Pod as unknown as Pod;
  const { kept, refused } = state ? filterNodes(state, asked, names) : { kept: names, refused: {} };
  if (args.NodeNames) return { NodeNames: kept, FailedNodes: refused, Error: '' };
  const keeps = new Set(kept);
  const items = args.Nodes?.items?.filter(({ metadata }) => keeps.has(metadata.name));
  return { Nodes: { ...args.Nodes, items }, FailedNodes: refused, Error: '' };
};

/**
 * The verbs of a kube-scheduler extender: POST /filter, /prioritize, /bind. `state` is undefined on a replica that
 * does not lead: then every node is as good as any other.
 */
export const verbs = (o: {
  readonly client: KubeClient;
  readonly state: () => State | undefined;
  readonly log: Logger;
  readonly bodyLimit?: number;
}): FastifyInstance => {
  const app = fastify({
    loggerInstance: o.log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    keepAliveTimeout: KEEP_ALIVE_MS,
    bodyLimit: o.bodyLimit ?? BODY_LIMIT,
  });
  // The parser that comes with fastify looks for __proto__ in every body; nothing here is merged into an object.
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) => {
    try {
      done(null, JSON.parse(text as string));
    } catch {
      done(new BadRequest('the body is not JSON'));
    }
  });
  app.post('/filter', async ({ body }) => filterAnswer(read(filterArgs, body), o.state()));
  app.post('/prioritize', async ({ body }) => {
    const args = read(filterArgs, body);
    const names = namesIn(args);
    const state = o.state();
    return state ? scoreNodes(state, args.Pod as unknown as Pod, names) : [];
  });
  app.post('/bind', async ({ body }) => {
    const { PodName, PodNamespace, PodUID, Node } = read(bindArgs, body);
    try {
      await o.client.bind({ name: PodName, namespace: PodNamespace, uid: PodUID }, Node);
      return { Error: '' };
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      if (isConflict(error) || isNotFound(error)) return { Error: `the pod can't be bound: ${said}` };
      return { Error: said };
    }
  });
  app.setErrorHandler((error, _request, reply) => {
    const status = (error as { statusCode?: number }).statusCode ?? 500;
    const said = error instanceof Error ? error.message : String(error);
    if (status >= 500) o.log.error({ err: error }, 'a verb failed');
    // A body that is no JSON or too large is the caller's error as well.
    return reply.code(status >= 400 && status < 500 ? 400 : status).send({ Error: said });
  });
  return app;
};
