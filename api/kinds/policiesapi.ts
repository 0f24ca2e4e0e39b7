import { stringify } from 'yaml';
import { z } from 'zod';
import { autoscalerPolicySpec } from './autoscalerpolicy.ts';

/** The OpenAPI description of the policies API, made from the schema of the AutoscalerPolicy. */

const json = (ref: string) => ({
  content: { 'application/json': { schema: { $ref: `#/components/schemas/${ref}` } } },
});
const etag = {
  ETag: { description: 'Tag of the settings, for If-Match.', schema: { type: 'string' } },
};
const REFUSALS: Readonly<Record<number, string>> = {
  401: 'The token is missing, or the API server does not accept it for the audience precision-packer.',
  403: 'The user of the token has no right to get, or to update and create, autoscalerpolicies.',
  404: 'The clusterId is not that of this cluster.',
  429: 'Too many callers ask at once.',
  503: 'The API server does not answer, or kentroller lacks a right.',
};
const REFUSED_WRITES: Readonly<Record<number, string>> = {
  400: 'The body is not JSON, or has a field that nobody knows.',
  412: 'The policies have changed since If-Match was read.',
  413: 'The body is too large.',
  422: 'A policy makes no sense; the message names the field.',
};
const refusals = (messages: Readonly<Record<number, string>>) =>
  Object.fromEntries(
    Object.entries(messages).map(([status, description]) => [status, { description, ...json('Refusal') }]),
  );

/** The text of docs/policies-api.yaml. */
export const renderPoliciesApi = (): string => {
  const policies = z.toJSONSchema(autoscalerPolicySpec, { target: 'openapi-3.0', io: 'input' });
  const description = {
    openapi: '3.0.3',
    info: {
      title: 'Autoscaling policies',
      version: 'v1',
      description:
        'The AutoscalerPolicy of a cluster as JSON. Off by default: see docs/designs/0046-autoscaling-policies.md.',
    },
    security: [{ token: [] }],
    paths: {
      '/v1/kubernetes/clusters/{clusterId}/policies': {
        parameters: [
          {
            name: 'clusterId',
            in: 'path',
            required: true,
            description: 'CLUSTER_ID of kentroller, default where it has none.',
            schema: { type: 'string' },
          },
        ],
        get: {
          operationId: 'getPolicies',
          summary: 'The policies as they were written; an empty object where there are none.',
          responses: {
            200: { description: 'The policies.', headers: etag, ...json('Policies') },
            ...refusals(REFUSALS),
          },
        },
        put: {
          operationId: 'putPolicies',
          summary: 'Replaces all policies: what is left out is as by default.',
          parameters: [
            {
              name: 'If-Match',
              in: 'header',
              description: 'The tag that the policies must still have.',
              schema: { type: 'string' },
            },
          ],
          requestBody: { required: true, ...json('Policies') },
          responses: {
            200: { description: 'The policies as they are now.', headers: etag, ...json('Policies') },
            ...refusals({ ...REFUSALS, ...REFUSED_WRITES }),
          },
        },
      },
    },
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: {
        Policies: policies,
        Refusal: { type: 'object', required: ['message'], properties: { message: { type: 'string' } } },
      },
    },
  };
  return stringify(description, { lineWidth: 0, aliasDuplicateObjects: false, compat: 'yaml-1.1' });
};
