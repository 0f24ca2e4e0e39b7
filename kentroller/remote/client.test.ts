import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  compressionAlgorithms,
  Server,
  ServerCredentials,
  type ServerOptions,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { generate } from 'selfsigned';
import t from 'tap';
import { createLogger } from '../../kube/component/log.ts';
import { plainRemote } from '../../kube/grpc/remote.ts';
import { paced } from '../../kube/testing/pace.ts';
import { emptySnapshot } from '../../planner/model/snapshot.ts';
import { PlanningTimeout } from '../rebalanceplanclaim/plannerworker.ts';
import { connectPlanner, RemotePlanningError } from './client.ts';
import { loadPlanningService, type PlanReply, type PlanRequest } from './planning.ts';

type Call = ServerUnaryCall<PlanRequest, PlanReply>;
type Answer = (call: Call) => PlanReply | Partial<ServiceError>;

const log = createLogger({ component: 'remote-test', level: 'silent' });
const NOTHING: PlanReply = {
  plan: Buffer.alloc(0),
  reason: 'all is well',
  selectedNodes: [],
  skippedNodes: [],
};
const PLAN = {
  spec: { execute: false, nodeClaimsToDelete: [{ nodeClaimName: 'a' }] },
  savings: {
    projectedSavingsPercent: '50.0',
    projectedSavingsCostMonthly: '10.00',
    currentMonthlyCost: '20.00',
    projectedMonthlyCost: '10.00',
  },
};

/** A fake remote planner. */
const serve = (
  port: number,
  answer: Answer,
  {
    credentials = ServerCredentials.createInsecure(),
    options = {},
  }: { readonly credentials?: ServerCredentials; readonly options?: ServerOptions } = {},
): Promise<{ port: number; stop(): void }> =>
  new Promise((resolve, reject) => {
    const server = new Server({ 'grpc.max_receive_message_length': -1, ...options });
    server.addService(loadPlanningService(), {
      Plan: (call: Call, reply: sendUnaryData<PlanReply>) => {
        const made = answer(call);
        if ('code' in made) reply(made);
        else reply(null, made as PlanReply);
      },
    });
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
      error ? reject(error) : resolve({ port: bound, stop: () => server.forceShutdown() }),
    );
  });

const question = (size = 0) => ({
  snapshot: {
    ...emptySnapshot,
    namespaces: Array.from({ length: size }, (_, i) => ({ metadata: { name: `n${i}` } })),
  },
  catalogue: { instanceTypes: [] },
  now: 1000,
  seed: 7,
  timeBudgetMs: 50,
  planName: 'p',
  constraints: { maxNodes: 3 },
  leastSavings: { percent: 5 },
  surgeSingleReplicas: true,
});

const connectTo = (port: number) =>
  connectPlanner({
    remote: plainRemote(`http://127.0.0.1:${port}/`),
    apiKey: 'key',
    clusterId: 'c1',
    log,
    waitMs: 20,
  });

const running = new AbortController().signal;

t.test('the request carries the whole cluster, and the reply becomes a plan', async (t) => {
  let seen: Call | undefined;
  const server = await serve(0, (call) => {
    seen = call;
    return {
      ...NOTHING,
      plan: Buffer.from(JSON.stringify(PLAN)),
      selectedNodes: ['n1'],
      skippedNodes: [{ name: 'n2', reasons: ['too young'] }],
    };
  });
  const planner = connectTo(server.port);
  t.teardown(() => [planner.close(), server.stop()]);
  const answer = await planner.planning(question(200_000), 120_000, running);
  t.match(answer, {
    plan: PLAN,
    selectedNodes: ['n1'],
    skippedNodes: [{ name: 'n2', reasons: ['too young'] }],
  });
  t.same(seen?.metadata.get('authorization'), ['Bearer key']);
  t.same(seen?.metadata.get('x-cluster-id'), ['c1']);
  t.equal(
    JSON.parse(String(seen?.request.snapshot)).namespaces.length,
    200_000,
    'larger than what gRPC allows by itself',
  );
  t.same(JSON.parse(String(seen?.request.constraints)), {
    nodeConstraints: { maxNodes: 3 },
    leastSavings: { percent: 5 },
    surgeSingleReplicas: true,
  });
  t.match(seen?.request, { planName: 'p', seed: 7, nowMs: 1000, timeBudgetMs: 50 });
});

t.test('no plan is an answer, with its reason', async (t) => {
  const server = await serve(0, () => NOTHING);
  const planner = connectTo(server.port);
  t.teardown(() => [planner.close(), server.stop()]);
  t.match(await planner.planning(question(), 5_000, running), { plan: null, reason: 'all is well' });
});

t.test('an unavailable planner is retried until it is back', async (t) => {
  const first = await serve(0, () => ({ code: status.UNAVAILABLE, details: 'busy' }));
  const planner = connectTo(first.port);
  const asked = planner.planning(question(), 20_000, running);
  first.stop();
  const second = await serve(first.port, () => NOTHING);
  t.teardown(() => [planner.close(), second.stop()]);
  t.match(await asked, { plan: null });
});

t.test('a timeout says so', async (t) => {
  const server = await serve(0, () => ({ code: status.UNAVAILABLE, details: 'busy' }));
  const planner = connectTo(server.port);
  t.teardown(() => [planner.close(), server.stop()]);
  await t.rejects(planner.planning(question(), 300, running), PlanningTimeout);
});

const REFUSED: readonly [string, Answer, RegExp][] = [
  ['a key that is wrong', () => ({ code: status.UNAUTHENTICATED, details: 'bad key' }), /refused: bad key/],
  [
    'an answer of a million brackets',
    () => ({ ...NOTHING, plan: Buffer.from('['.repeat(1_000_000)) }),
    /nested more than 64 deep/,
  ],
  ['an answer that is not JSON', () => ({ ...NOTHING, plan: Buffer.from('<') }), /is not JSON/],
  [
    'an invalid plan',
    () => ({ ...NOTHING, plan: Buffer.from('{"spec":{"nodeClaimsToDelete":[{}]}}') }),
    /nodeClaimName/,
  ],
];
for (const [name, answer, message] of REFUSED) {
  t.test(`${name} is refused at once, with a reason`, async (t) => {
    const server = await serve(0, answer);
    const planner = connectTo(server.port);
    t.teardown(() => [planner.close(), server.stop()]);
    await t.rejects(planner.planning(question(), 5_000, running), {
      name: RemotePlanningError.name,
      message,
    });
  });
}

for (const [name, options] of [
  ['a long answer', {}],
  [
    'an answer that is short only on its way',
    { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip },
  ],
] as const) {
  t.test(`attack: ${name} from a remote planner is not read, and not asked for again`, async (t) => {
    let calls = 0;
    const server = await serve(
      0,
      () => {
        calls++;
        return { ...NOTHING, plan: Buffer.from(JSON.stringify({ ...PLAN, more: ' '.repeat(9 * 2 ** 20) })) };
      },
      { options },
    );
    const planner = connectTo(server.port);
    t.teardown(() => [planner.close(), server.stop()]);
    await t.rejects(planner.planning(question(), 20_000, running), {
      name: RemotePlanningError.name,
      message: /its answer is larger than 8388608 bytes/,
    });
    t.equal(calls, 1);
  });
}

t.test('a process that stops waits for no reply', async (t) => {
  const server = await serve(0, () => ({ code: status.UNAVAILABLE, details: 'busy' }));
  const planner = connectTo(server.port);
  t.teardown(() => [planner.close(), server.stop()]);
  const stopping = new AbortController();
  const asked = planner.planning(question(), 60_000, stopping.signal);
  setTimeout(() => stopping.abort(), 30);
  await t.rejects(asked);
});

t.test('TLS works with a custom authority, and an untrusted one is reported as such', async (t) => {
  const made = await generate([{ name: 'commonName', value: 'planner' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  });
  const pair = { private_key: Buffer.from(made.private), cert_chain: Buffer.from(made.cert) };
  const server = await serve(0, () => NOTHING, { credentials: ServerCredentials.createSsl(null, [pair]) });
  t.teardown(() => server.stop());
  const caFile = join(t.testdir({ 'ca.pem': made.cert }), 'ca.pem');
  const remote = { ...plainRemote(`127.0.0.1:${server.port}`), isPlain: false };
  const o = { apiKey: '', clusterId: '', log, waitMs: 20 };

  const trusting = connectPlanner({ ...o, remote: { ...remote, caFile } });
  t.teardown(() => trusting.close());
  t.match(await trusting.planning(question(), 5_000, running), { plan: null, reason: 'all is well' });

  const wary = connectPlanner({ ...o, remote });
  t.teardown(() => wary.close());
  await t.rejects(wary.planning(question(), paced(1_000), running), {
    name: 'PlanningTimeout',
    message: /GRPC_CA_FILE/,
  });

  // The files are mounted late: each attempt reads them again.
  const late = join(t.testdir({}), 'late.pem');
  const patient = connectPlanner({ ...o, remote: { ...remote, caFile: late } });
  t.teardown(() => patient.close());
  const answer = patient.planning(question(), 5_000, running);
  await sleep(100);
  writeFileSync(late, made.cert);
  t.match(await answer, { reason: 'all is well' });
});
