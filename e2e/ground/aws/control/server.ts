import fastify, { type FastifyInstance } from 'fastify';
import { z } from 'zod';
import { maxPodsOf } from '../catalogue/catalogue.ts';
import { NO_FAULTS } from '../faults.ts';
import { AwsError } from '../protocol/errors.ts';
import type { Region } from '../region.ts';
import {
  announce,
  interruptionWarning,
  rebalanceRecommendation,
  stateChange,
} from '../services/notifications.ts';
import { type Instance, stateOf } from '../state/instances.ts';
import type { FaultChange, InstanceView } from './types.ts';

const times = z.number().int().min(0).optional();
const delay = z.number().min(0).optional();

const FAULTS = z.strictObject({
  capacity: z
    .array(
      z.strictObject({
        instanceType: z.string().default('*'),
        zone: z.string().default('*'),
        capacityType: z.string().default('*'),
        times,
      }),
    )
    .optional(),
  throttle: z
    .array(z.strictObject({ action: z.string().default('*'), times: z.number().int().min(1) }))
    .optional(),
  refuse: z
    .array(z.strictObject({ action: z.string().default('*'), reason: z.enum(['expired', 'denied']), times }))
    .optional(),
  noJoin: z.array(z.strictObject({ instanceType: z.string().default('*'), times })).optional(),
  delays: z.strictObject({ launchMs: delay, joinMs: delay, shutdownMs: delay, devicesMs: delay }).optional(),
});

const INTERRUPTION = z.strictObject({ afterMs: z.number().min(0).default(120_000) });
const TERMINATION = z.strictObject({ isAnnounced: z.boolean().default(true) });
const ZONAL_SHIFTS = z.strictObject({
  isRegistered: z.boolean().default(true),
  shifts: z
    .array(
      z.strictObject({ zoneId: z.string(), expiresAt: z.number(), isApplied: z.boolean().default(true) }),
    )
    .default([]),
  autoshifts: z
    .array(z.strictObject({ zoneId: z.string(), isApplied: z.boolean().default(true) }))
    .default([]),
});
const PLACEMENT_SCORES = z.strictObject({
  isServed: z.boolean().default(true),
  mostConfigurations: z.number().int().min(0).default(10),
  given: z
    .array(
      z.strictObject({
        instanceType: z.string().default('*'),
        zoneId: z.string(),
        score: z.number().int().min(1).max(10),
      }),
    )
    .default([]),
});
const SEED = z.strictObject({ seed: z.number().int() });

/** A copy without the keys that are undefined, which exactOptionalPropertyTypes tells apart from missing ones. */
const compact = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const view = (instance: Instance, now: number): InstanceView => {
  const { type, joinsAt } = instance;
  const state = stateOf(instance, now);
  const device = type.gpu?.manufacturer === 'AMD' ? 'amd.com/gpu' : 'nvidia.com/gpu';
  return {
    id: instance.id,
    state,
    name: instance.privateDnsName,
    privateIp: instance.privateIp,
    instanceType: type.name,
    capacityType: instance.capacityType,
    zone: instance.subnet.zone,
    architecture: type.architecture,
    vcpus: type.vcpus,
    memoryMiB: type.memoryMiB,
    maxPods: maxPodsOf(type),
    rootVolumeGiB: instance.rootVolumeGiB,
    devices: type.gpu === undefined ? {} : { [device]: type.gpu.count },
    devicesDelayMs: instance.devicesDelayMs,
    joinsAt: joinsAt ?? null,
    hasJoined: state === 'running' && joinsAt !== undefined && now >= joinsAt,
    userData: instance.userData,
    tags: Object.fromEntries(instance.tags),
  };
};

/** The control port: JSON over HTTP for what a suite can do to the cloud and no client of AWS can. */
export const createControl = (region: Region): FastifyInstance => {
  const app = fastify({ forceCloseConnections: true });
  const { faults, instances } = region;

  app.setErrorHandler((error: Error, _request, reply) => {
    const isBadRequest = error instanceof z.ZodError;
    const status = error instanceof AwsError ? 404 : isBadRequest ? 400 : 500;
    return reply.code(status).send({ error: isBadRequest ? z.prettifyError(error) : error.message });
  });

  app.get('/healthz', () => ({ ok: true }));
  app.get('/instances', () => instances.list().map((each) => view(each, region.now())));
  app.get('/faults', () => faults.read());
  app.patch('/faults', (request) => {
    faults.set(compact(FAULTS.parse(request.body)) as FaultChange);
    return faults.read();
  });
  app.delete('/faults', () => {
    faults.set(NO_FAULTS);
    return faults.read();
  });
  app.put('/seed', (request) => {
    region.market.setSeed(SEED.parse(request.body).seed);
    return {};
  });
  app.put('/zonal-shifts', (request) => {
    Object.assign(region.zonalShifts, ZONAL_SHIFTS.parse(request.body));
    return region.zonalShifts;
  });
  app.put('/placement-scores', (request) => {
    Object.assign(region.placementScores, PLACEMENT_SCORES.parse(request.body));
    const { used, ...state } = region.placementScores;
    return { ...state, used: used.size };
  });
  app.post<{ Params: { id: string } }>('/instances/:id/terminate', (request) => {
    const { isAnnounced } = TERMINATION.parse(request.body ?? {});
    const ended = instances.end(request.params.id, region.now(), 'Server.InternalError');
    if (isAnnounced) announce(region, stateChange(region, ended.id, 'shutting-down'));
    return view(ended, region.now());
  });
  app.post<{ Params: { id: string } }>('/instances/:id/interrupt', (request) => {
    const { afterMs } = INTERRUPTION.parse(request.body ?? {});
    const at = region.now() + afterMs;
    const ended = instances.end(request.params.id, at, 'Server.SpotInstanceTermination');
    announce(region, interruptionWarning(region, ended.id));
    return view(ended, region.now());
  });
  app.post<{ Params: { id: string } }>('/instances/:id/recommend', (request) => {
    const found = instances.list().find(({ id }) => id === request.params.id);
    if (!found) throw new AwsError('InvalidInstanceID.NotFound', `${request.params.id} does not exist`, 404);
    announce(region, rebalanceRecommendation(region, found.id));
    return view(found, region.now());
  });
  return app;
};
