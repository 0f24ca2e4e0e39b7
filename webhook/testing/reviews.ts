import type { Pod } from '../../api/objects.ts';
import type { SideReply, SideRequest, TakeReply, TakeRequest } from '../../api/pinning.ts';
import type { SpotRules } from '../../api/spotpods/rules.ts';
import { createLogger } from '../../kube/component/log.ts';
import type { DoorLimits } from '../../kube/doors/limits.ts';
import { createWebhookServer } from '../server.ts';

/** The namespace that the test server runs in. */
export const OWN_NAMESPACE = 'castai-agent';

/** A pod of the ReplicaSet `web` as the API server sends it; `owner` is the uid of its controller, '' for none. */
export const makeWebPod = ({
  owner = 'moved',
  kind = 'ReplicaSet',
  metadata,
  spec,
}: {
  readonly owner?: string;
  readonly kind?: string;
  readonly metadata?: object;
  readonly spec?: object;
} = {}): Pod =>
  ({
    metadata: {
      generateName: 'web-',
      ...(owner && {
        ownerReferences: [{ apiVersion: 'v1', kind, name: 'web', uid: owner, controller: true }],
      }),
      ...metadata,
    },
    spec: { containers: [{ name: 'main' }], ...spec },
  }) as unknown as Pod;

/** An AdmissionReview of a pod's creation; fields of `request` override its defaults. */
export const makeReview = (object: Pod, request: object = {}, apiVersion = 'admission.k8s.io/v1') => ({
  apiVersion,
  kind: 'AdmissionReview',
  request: {
    uid: 'r-1',
    operation: 'CREATE',
    resource: { group: '', version: 'v1', resource: 'pods' },
    namespace: 'work',
    object,
    ...request,
  },
});

/** The AdmissionReview that the webhook answers. */
export interface ReviewResponse {
  readonly apiVersion: string;
  readonly response: { readonly uid: string; readonly allowed: boolean; readonly patch?: string };
}

/** A webhook server with a scripted pod pinner; `moved` is the only owner that a plan moves. */
export const createTestServer = (limits: Partial<DoorLimits> = {}) => {
  const log = createLogger({ component: 'webhook', level: 'silent' });
  const requests: TakeRequest[] = [];
  const templateKeys: (string | undefined)[] = [];
  const outcomes: string[] = [];
  const pinner: { reply: TakeReply | Error } = { reply: new Error('the test sets no reply') };
  const sides: {
    rules: SpotRules | undefined;
    reply: Omit<SideReply, 'requestUid'> | Error;
    readonly requests: SideRequest[];
    readonly outcomes: string[];
  } = { rules: undefined, reply: new Error('the test sets no side'), requests: [], outcomes: [] };
  const server = createWebhookServer({
    log,
    limits,
    spot: {
      ownNamespace: OWN_NAMESPACE,
      rules: () => sides.rules,
      choose: async (request) => {
        sides.requests.push(request);
        if (sides.reply instanceof Error) throw sides.reply;
        return { requestUid: request.requestUid, ...sides.reply };
      },
      log,
      observe: (outcome) => sides.outcomes.push(outcome),
    },
    admission: {
      ownNamespace: OWN_NAMESPACE,
      isOwnerMoved: ({ uid }) => uid === 'moved',
      isCoexisting: (namespace) => namespace === 'shared',
      take: async (request, templateKey) => {
        requests.push(request);
        templateKeys.push(templateKey);
        if (pinner.reply instanceof Error) throw pinner.reply;
        return pinner.reply;
      },
      log,
      observe: (outcome) => outcomes.push(outcome),
    },
  });
  const path = '/mutate/known-to-the-api-server';
  server.setPaths([path]);
  const post = (payload: object | string, suffix = '') =>
    server.app.inject({
      method: 'POST',
      url: `${path}${suffix}?timeout=3s`,
      payload,
      headers: { 'content-type': 'application/json' },
    });
  return { server, pinner, requests, templateKeys, outcomes, sides, post, path };
};
