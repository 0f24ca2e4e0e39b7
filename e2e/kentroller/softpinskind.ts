import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { KubeClient } from '../../kube/client/client.ts';

/** The kind SoftPins on a cluster whose ground has none, as its component brings it. */

const CRD = parse(readFileSync('manifests/components/soft-pins/crd.yaml', 'utf8')) as {
  readonly metadata: { readonly name: string };
};
const PATH = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${CRD.metadata.name}`;

export const applySoftPinsKind = async (client: KubeClient): Promise<void> => {
  await client.request('PATCH', PATH, {
    query: { fieldManager: 'suite', force: 'true' },
    body: CRD,
    contentType: 'application/apply-patch+yaml',
  });
};

export const removeSoftPinsKind = async (client: KubeClient): Promise<void> => {
  await client.request('DELETE', PATH).catch(() => {});
};
